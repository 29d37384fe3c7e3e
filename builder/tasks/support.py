"""What a plan needs that an engine cannot give: found before anything runs. Pure.

A confined engine (see `Kind`) runs each step as a container of its group: they share one network, run under one
security profile and have no daemon.
"""

from collections.abc import Iterator

from builder.engine.beside import arguments_of
from builder.engine.protocol import Kind
from builder.engine.text_builds import unknown_flags
from builder.tasks.built import all_built, built_before, named
from shared.language import BuildStep, CmdStep, Plan

_MOST_STEPS = 50
"""Containers of a group beside the builder's; Azure allows sixty together."""
_WAY_OUT = "it needs an agent pool whose builders have an engine of their own (kind `full`)"


def unsupported(plan: Plan, kind: Kind) -> str | None:
    """Return the sentence that says what cannot run and where it can, or None when everything can."""
    if kind is Kind.FULL:
        return None
    found = next((why for why in _reasons(plan)), None)
    return f"{found} cannot run on a confined builder: {_WAY_OUT}" if found else None


def _reasons(plan: Plan) -> Iterator[str]:
    if sum(isinstance(step, CmdStep) for step in plan.steps) > _MOST_STEPS:
        yield f"a task of more than {_MOST_STEPS} cmd steps"
    for network in plan.networks:
        if not network.is_default or network.ipv6 or network.driver not in {"", "bridge"}:
            yield f"the network {network.name}"
    for step in plan.steps:
        if isinstance(step, BuildStep):
            yield from (f"step {step.id}: the flag {flag}" for flag in unknown_flags(step))
        if not isinstance(step, CmdStep):
            continue
        name = f"step {step.id}: "
        given = {
            "a privileged container": step.privileged,
            "another user than the image's": bool(step.user),
            "the mapping of ports": bool(step.ports),
            "a network of its own": step.network != plan.default_network,
            "the isolation that it names": step.isolation not in {"", "default"},
            "a docker command": step.image == "docker",
            f"the image {step.image}, which a step builds that it does not wait for,": _is_too_early(plan, step),
            "a share of the processors": bool(step.cpus),
            "a volume": bool(step.volume_mounts),
            "a flag of docker run before its image": arguments_of(step.cmd) is None,
        }
        yield from (name + what for what, so in given.items() if so)


def _is_too_early(plan: Plan, step: CmdStep) -> bool:
    return built_before(plan, step) is None and named(step.image) in all_built(plan)
