"""The rules of a task, in the order and with the texts of the reference engine."""

import re
from collections.abc import Sequence

from shared.language.errors import TaskInvalid
from shared.language.plan import ROOT, Secret, Volume
from shared.language.task import RawStep, RawTask

AT_ONCE = "-"
_VERSIONS = frozenset(("1.0-preview-1", "v1.0.0", "v1.1.0"))
_DEFAULT_VERSION = "v1.0.0"
_GUID = re.compile(r"(?:urn:uuid:)?\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?")
_VOLUME_NAME = re.compile(r"[A-Za-z0-9\-_]+")
_FILE_NAME = re.compile(r"[A-Za-z0-9\-_.]+")


def check_declarations(task: RawTask) -> None:
    """Check secrets, volumes and that every mount names a volume.

    Raises:
        TaskInvalid: the first rule broken.

    """
    _check_secrets(task.secrets)
    _check_volumes(task.volumes)
    names = {volume.name for volume in task.volumes}
    for mount in (mount for step in task.steps for mount in step.volume_mounts):
        if mount.name and mount.name not in names:
            raise TaskInvalid(f"mount name, {mount.name}, does not correspond to a volume")


def _check_secrets(secrets: Sequence[Secret]) -> None:
    known: set[str] = set()
    for secret in secrets:
        if not secret.id:
            raise TaskInvalid("secret is missing an ID as well as auto-generated ID")
        problem = _secret_problem(secret)
        if problem:
            raise TaskInvalid(f"failed to validate secret with ID: {secret.id}: {problem}")
        if secret.id in known:
            raise TaskInvalid(f"duplicate secret found with ID: {secret.id}")
        known.add(secret.id)


def _secret_problem(secret: Secret) -> str:
    if _has_space(secret.id):
        return "secret ID cannot contain spaces"
    if not secret.keyvault:
        return (
            "secret should contain either keyvault property for vault secret, "
            "or msi clientID/aadResourceId for msi authentication"
        )
    if secret.client_id and not _GUID.fullmatch(secret.client_id):
        return "msi client ID is not a valid guid"
    return ""


def _check_volumes(volumes: Sequence[Volume]) -> None:
    known: set[str] = set()
    for volume in volumes:
        _check_volume(volume)
        if volume.name in known:
            raise TaskInvalid("volume with duplicate name found")
        known.add(volume.name)


def _check_volume(volume: Volume) -> None:
    if not volume.name:
        raise TaskInvalid("volume name is empty")
    if not _VOLUME_NAME.fullmatch(volume.name):
        raise TaskInvalid("volume name is not well formed. Only use alphanumeric and - _")
    if volume.secret is None:
        raise TaskInvalid("currently only support for source type secret")
    if not volume.secret:
        raise TaskInvalid("secret is empty")
    for name in volume.secret:
        if not _FILE_NAME.fullmatch(name) or name in (".", ".."):
            raise TaskInvalid(f"file name, {name}, is not well formed. Only use alphanumeric and - _ .")


def check_version(version: str) -> str:
    """Give the version, the default one when it is empty.

    Raises:
        TaskInvalid: not a version of the language.

    """
    if version and version.lower() not in _VERSIONS:
        raise TaskInvalid(f'invalid version specified: "{version}", the current version is "{_DEFAULT_VERSION}"')
    return version or _DEFAULT_VERSION


def check_step(step: RawStep, step_id: str) -> None:
    """Check one step by itself.

    Raises:
        TaskInvalid: the first rule broken.

    """
    problem = _properties_problem(step) or _mounts_problem(step) or _when_problem(step, step_id)
    if not problem and step.cache and step.cache.lower() not in ("enabled", "disabled"):
        problem = "invalid value for cache property. Valid values are 'enabled', 'disabled'"
    if problem:
        raise TaskInvalid(problem, step_id=step_id)


def _properties_problem(step: RawStep) -> str:
    kinds = [bool(step.cmd), bool(step.build), bool(step.push)]
    if step.retries < 0:
        return "step must specify retries >= 0"
    if step.repeat < 0:
        return "step must specify repeat >= 0"
    if sum(kinds) > 1:
        return "step must only contain a single build, cmd, or push property"
    if _has_space(step.id):
        return "step ID cannot contain spaces"
    if not any(kinds):
        return "step is missing a cmd, build, or push property"
    return ""


def _mounts_problem(step: RawStep) -> str:
    if step.volume_mounts and step.push:
        return "invalid use of Mounts. Mounts must have unique container paths and only used for cmd or build steps"
    paths: set[str] = set()
    for mount in step.volume_mounts:
        if not mount.name or not mount.mount_path:
            return "mount name or mount path is empty"
        if mount.mount_path in paths:
            return "mount with duplicate container file path found"
        paths.add(mount.mount_path)
    return ""


def _when_problem(step: RawStep, step_id: str) -> str:
    if AT_ONCE in step.when and len(step.when) > 1:
        return "step cannot contain other IDs in when if the immediate execution token is specified"
    if step.id and step.id in step.when and step.id != AT_ONCE:
        return f"Step ID: {step_id} is self-referenced"
    return ""


def predecessors(when: Sequence[str], step_id: str, previous: str | None, known: set[str]) -> tuple[str, ...]:
    """Give the steps that must end before a step; `previous` is the one above it in the file.

    Raises:
        TaskInvalid: the id is taken, or `when` names what does not stand above the step.

    """
    if step_id == ROOT:
        raise TaskInvalid(f"{ROOT} is a reserved ID, it can't be used")
    if step_id in known:
        raise TaskInvalid(f"{step_id} already exists as a vertex")
    if not when:
        return () if previous is None else (previous,)
    if tuple(when) == (AT_ONCE,):
        return ()
    for parent in when:
        if not parent:
            raise TaskInvalid("from cannot be empty", step_id=step_id)
        if parent != ROOT and parent not in known:
            raise TaskInvalid(f"{parent} does not exist as a vertex [from: {parent}, to: {step_id}]")
    return tuple(parent for parent in dict.fromkeys(when) if parent != ROOT)


def _has_space(text: str) -> bool:
    return any(character.isspace() for character in text)
