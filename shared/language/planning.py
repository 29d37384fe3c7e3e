"""Completes a typed task: defaults, environment, graph. The result is a `Plan`."""

import re
from dataclasses import dataclass
from typing import Any

from shared.language import docker_flags, environment, limits, validation
from shared.language.aliases import Aliases
from shared.language.errors import TaskInvalid, TaskTooLarge
from shared.language.plan import AnyStep, BuildStep, CmdStep, Network, Plan, PushStep
from shared.language.task import RawStep, RawTask

DEFAULT_NETWORK = "acb_default_network"
_STEP_TIMEOUT = 600
_RETRY_DELAY = 5
_BUILDKIT = "DOCKER_BUILDKIT=1"
_REPOSITORY = re.compile(
    r"(?:(?P<domain>[A-Za-z0-9][A-Za-z0-9.\-]*(?::[0-9]+)?)/)?"
    r"(?P<path>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::[\w][\w.\-]{0,127})?(?:@[A-Za-z0-9:+._\-]+)?"
)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the engine brings to every task: more environment, another default directory, an outside network."""

    environment: tuple[str, ...] = ()
    working_directory: str = ""
    network: str = ""


def make_plan(
    task: RawTask, *, aliases: Aliases | None, registry: str, task_name: str, surroundings: Surroundings
) -> tuple[Plan, tuple[str, ...]]:
    """Complete a task whose declarations hold; gives the plan and the warnings of its steps.

    `registry` is the run's login server and `task_name` its task, for the names of caches.

    Raises:
        TaskInvalid: the first rule broken, in the reference's order.

    """
    return _Planner(task, aliases, registry, task_name, surroundings).plan()


def normalise_image(name: str) -> str:
    """Complete the name of an image to push: `:latest` unless it has a `:` or an `@` anywhere."""
    return name if ":" in name or "@" in name else f"{name}:latest"


class _Planner:
    def __init__(
        self, task: RawTask, aliases: Aliases | None, registry: str, task_name: str, surroundings: Surroundings
    ) -> None:
        self._task = task
        self._aliases = aliases
        self._registry = registry
        self._task_name = task_name
        self._warnings: list[str] = []
        self._surroundings = surroundings
        self._timeout = task.step_timeout if task.step_timeout > 0 else _STEP_TIMEOUT
        self._directory = task.working_directory or surroundings.working_directory
        self._networks = _networks(task.networks, surroundings.network)
        self._network = next((one.name for one in reversed(self._networks) if one.is_default), "")

    def plan(self) -> tuple[Plan, tuple[str, ...]]:
        task = self._task
        version = validation.check_version(task.version)
        common = environment.merge(environment.split(self._surroundings.environment), task.env)
        ids = [step.id or f"acb_step_{index}" for index, step in enumerate(task.steps)]
        environments = self._environments(environment.split(common), ids)
        steps: list[AnyStep] = []
        known: set[str] = set()
        for step, step_id, own in zip(task.steps, ids, environments, strict=True):
            validation.check_step(step, step_id)
            previous = steps[-1].id if steps else None
            after = validation.predecessors(step.when, step_id, previous, known)
            known.add(step_id)
            steps.append(self._step(step, step_id, after, own))
        plan = Plan(
            version=version,
            steps=tuple(steps),
            step_timeout=self._timeout,
            working_directory=self._directory,
            environment=common,
            secrets=task.secrets,
            networks=self._networks,
            default_network=self._network,
            volumes=task.volumes,
        )
        return plan, tuple(self._warnings)

    def _environments(self, common: tuple[str, ...], ids: list[str]) -> list[tuple[str, ...]]:
        if len(common) * len(ids) > limits.VARIABLES:
            raise TaskTooLarge(f"the steps have more than {limits.VARIABLES} environment variables together")
        return [self._environment(common, step, step_id) for step, step_id in zip(self._task.steps, ids, strict=True)]

    def _environment(self, common: tuple[str, ...], step: RawStep, step_id: str) -> tuple[str, ...]:
        try:
            return environment.merge(common, step.env)
        except TaskInvalid as error:
            raise TaskInvalid(error.message, step_id=step_id) from None

    def _step(self, step: RawStep, step_id: str, after: tuple[str, ...], own: tuple[str, ...]) -> AnyStep:
        basic: dict[str, Any] = {  # the names and types are those of Step
            "id": step_id,
            "after": after,
            "when": step.when,
            "timeout": step.timeout if step.timeout > 0 else self._timeout,
            "start_delay": step.start_delay,
            "ignore_errors": step.ignore_errors,
        }
        if step.push:
            images = tuple(dict.fromkeys(map(normalise_image, step.push)))
            return PushStep(**basic, images=images)
        container: dict[str, Any] = {  # … and of ContainerStep
            **basic,
            "retries": step.retries,
            "retry_delay": step.retry_delay if step.retry_delay > 0 else _RETRY_DELAY,
            "retry_on_errors": step.retry_on_errors,
            "repeat": step.repeat,
            "environment": own,
            "network": step.network or self._network,
            "working_directory": step.working_directory or self._directory,
            "disable_working_directory_override": step.disable_working_directory_override,
            "volume_mounts": step.volume_mounts,
            "detach": step.detach,
            "keep": step.keep,
            "privileged": step.privileged,
            "user": step.user,
            "isolation": step.isolation,
            "cpus": step.cpus,
            "ports": step.ports,
            "expose": step.expose,
        }
        return self._build(step, container, own) if step.build else self._cmd(step, container)

    def _cmd(self, step: RawStep, container: dict[str, Any]) -> CmdStep:
        return CmdStep(
            **container,
            cmd=self._aliases.expand_command(step.cmd) if self._aliases else step.cmd,
            entry_point=step.entry_point,
            pull=step.pull,
            download_retries=step.cmd_download_retries,
            download_retry_delay=step.cmd_download_retry_delay,
        )

    def _build(self, step: RawStep, container: dict[str, Any], own: tuple[str, ...]) -> BuildStep:
        step_id = str(container["id"])
        try:
            command = docker_flags.parse_build(step.build)
        except TaskInvalid as error:
            raise TaskInvalid(error.message, step_id=step_id) from None
        enabled = step.cache.lower() == "enabled"
        return BuildStep(
            **container,
            build=step.build,
            command=command,
            cache_enabled=enabled,
            cache_disabled=step.cache.lower() == "disabled",
            cache=self._cache(step_id, command.tags) if enabled else "",
            uses_buildkit=_BUILDKIT in own,
        )

    def _cache(self, step_id: str, tags: tuple[str, ...]) -> str:
        """Give the image reference of a step's registry cache; empty, with a warning, when there can be none."""
        repository = ""
        for tag in tags:
            match = _REPOSITORY.fullmatch(tag)
            if not match:
                self._warnings.append(f"step {step_id}: no cache is used, {tag} is not the name of an image")
                return ""
            if match["domain"]:
                repository = f"{match['domain']}/{match['path']}"
                break
            repository = repository or f"{self._registry}/{match['path']}"
        return f"{repository}:cache_{self._task_name or 'quickrun'}_{step_id}" if repository else ""


def _networks(networks: tuple[Network, ...], outside: str) -> tuple[Network, ...]:
    if outside:
        external = Network(outside, driver="external", skip_creation=True, is_default=True)
        return (*networks, external)
    return networks or (Network(DEFAULT_NETWORK, driver="bridge", is_default=True),)
