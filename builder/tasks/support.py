"""What a plan needs that an engine cannot give: found before anything runs. Pure.

A confined engine (see `Kind`) runs each step as a container of its group: they share one network, run under one
security profile and have no daemon.
"""

from collections.abc import Iterator

from builder.engine.protocol import Kind
from shared.language import BuildStep, CmdStep, Plan

_WAY_OUT = "it needs an agent pool whose builders have an engine of their own (kind `full`)"


def unsupported(plan: Plan, kind: Kind) -> str | None:
    """Return the sentence that says what cannot run and where it can, or None when everything can."""
    if kind is Kind.FULL:
        return None
    found = next((why for why in _reasons(plan)), None)
    return f"{found} cannot run on a confined builder: {_WAY_OUT}" if found else None


def _reasons(plan: Plan) -> Iterator[str]:
    built = {tag for step in plan.steps if isinstance(step, BuildStep) for tag in step.command.tags}
    for network in plan.networks:
        if not network.is_default or network.ipv6 or network.driver not in {"", "bridge"}:
            yield f"the network {network.name}"
    for step in plan.steps:
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
            f"the image {step.image}, which this run builds,": step.image in built,
        }
        yield from (name + what for what, so in given.items() if so)
