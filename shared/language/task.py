"""A task as its YAML says it: typed, but neither completed nor checked."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.language import document, limits
from shared.language.decoding import Decoder, is_null
from shared.language.document import Node
from shared.language.errors import TaskInvalid
from shared.language.plan import Network, Secret, Volume, VolumeMount

_HAS_NO_EFFECT = frozenset(("exitedWith", "exitedWithout"))


@dataclass(frozen=True, kw_only=True)
class RawStep:
    """A step's properties; the names are those of the YAML in Python's spelling."""

    id: str = ""
    cmd: str = ""
    build: str = ""
    push: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    timeout: int = 0
    start_delay: int = 0
    retries: int = 0
    retry_delay: int = 0
    retry_on_errors: tuple[str, ...] = ()
    repeat: int = 0
    ignore_errors: bool = False
    detach: bool = False
    keep: bool = False
    privileged: bool = False
    pull: bool = False
    disable_working_directory_override: bool = False
    user: str = ""
    isolation: str = ""
    cpus: str = ""
    entry_point: str = ""
    network: str = ""
    working_directory: str = ""
    cache: str = ""
    ports: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    exited_with: tuple[int, ...] = ()
    exited_without: tuple[int, ...] = ()
    cmd_download_retries: int = 0
    cmd_download_retry_delay: int = 0
    volume_mounts: tuple[VolumeMount, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RawTask:
    """A task's properties."""

    version: str = ""
    steps: tuple[RawStep, ...] = ()
    step_timeout: int = 0
    working_directory: str = ""
    env: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    networks: tuple[Network, ...] = ()
    volumes: tuple[Volume, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)


type _Take = Callable[["_Reader", Node], object]
type _Fields = Mapping[str, tuple[str, _Take]]
type _Members = dict[str, Any]  # each member's type is that of its `_Take`


@dataclass
class _Reader:
    """Reads one document; `decoder` collects type errors, `warnings` the keys that mean nothing."""

    decoder: Decoder = field(default_factory=Decoder)
    warnings: list[str] = field(default_factory=list)

    def object(self, node: Node, fields: _Fields, *, kind: str, where: str) -> _Members:
        """Take a map's known members by their Python names."""
        found: _Members = {}
        for key, line, value in self.decoder.pairs(node, kind):
            if key in _HAS_NO_EFFECT:
                self.warnings.append(f'line {line}: property "{key}" {where} has no effect')
            if key in fields:
                name, take = fields[key]
                found[name] = take(self, value)
            else:
                self.warnings.append(
                    f'line {line}: property "{key}" {where} is not known and is ignored{self._hint(key, fields)}'
                )
        return found

    def _hint(self, key: str, fields: _Fields) -> str:
        if len(self.warnings) >= limits.HINTS:
            return ""
        folded = {name.lower(): name for name in fields}
        near = difflib.get_close_matches(key[:40].lower(), folded, n=1, cutoff=0.75)
        return f' (did you mean "{folded[near[0]]}"?)' if near else ""

    def objects[T](self, node: Node, kind: str, make: Callable[["_Reader", Node, int], T]) -> tuple[T, ...]:
        """Take a list of maps."""
        items = self.decoder.items(node, f"[]*{kind}")
        return tuple(make(self, item, index) for index, item in enumerate(items))


def read(text: str) -> RawTask:
    """Type a rendered task.

    Raises:
        YamlError: not YAML or of wrong types.
        TaskInvalid: an empty item where a step, a secret, a network or a volume belongs.

    """
    root = document.parse(text)
    reader = _Reader()
    found = reader.object(root, _TASK, kind="graph.Task", where="of the task") if root else {}
    reader.decoder.check()
    return RawTask(**found, warnings=tuple(reader.warnings))


def _string(reader: _Reader, node: Node) -> object:
    return reader.decoder.string(node)


def _integer(reader: _Reader, node: Node) -> object:
    return reader.decoder.integer(node)


def _boolean(reader: _Reader, node: Node) -> object:
    return reader.decoder.boolean(node)


def _strings(reader: _Reader, node: Node) -> object:
    return reader.decoder.strings(node)


def _integers(reader: _Reader, node: Node) -> object:
    return reader.decoder.integers(node)


def _present(node: Node, what: str, index: int) -> None:
    if is_null(node):
        raise TaskInvalid(f"item {index + 1} of {what} is empty (line {node.line})")


def _mount(reader: _Reader, node: Node, index: int) -> VolumeMount:
    _present(node, "volumeMounts", index)
    found = reader.object(node, _MOUNT, kind="volume.Mount", where="of a volume mount")
    return VolumeMount(**{"name": "", "mount_path": "", **found})


def _mounts(reader: _Reader, node: Node) -> object:
    return reader.objects(node, "volume.Mount", _mount)


def _step(reader: _Reader, node: Node, index: int) -> RawStep:
    _present(node, "steps", index)
    found = reader.object(node, _STEP, kind="graph.Step", where=f"of step {index + 1}")
    return RawStep(**found)


def _steps(reader: _Reader, node: Node) -> object:
    return reader.objects(node, "graph.Step", _step)


def _secret(reader: _Reader, node: Node, index: int) -> Secret:
    _present(node, "secrets", index)
    found = reader.object(node, _SECRET, kind="secretmgmt.Secret", where="of a secret")
    return Secret(**{"id": "", "keyvault": "", **found})


def _secrets(reader: _Reader, node: Node) -> object:
    return reader.objects(node, "secretmgmt.Secret", _secret)


def _network(reader: _Reader, node: Node, index: int) -> Network:
    _present(node, "networks", index)
    found = reader.object(node, _NETWORK, kind="graph.Network", where="of a network")
    return Network(**{"name": "", **found})


def _networks(reader: _Reader, node: Node) -> object:
    return reader.objects(node, "graph.Network", _network)


def _volume(reader: _Reader, node: Node, index: int) -> Volume:
    _present(node, "volumes", index)
    found = reader.object(node, _VOLUME, kind="volume.Volume", where="of a volume")
    return Volume(**{"name": "", "secret": None, **found})


def _volumes(reader: _Reader, node: Node) -> object:
    return reader.objects(node, "volume.Volume", _volume)


def _source(reader: _Reader, node: Node) -> object:
    return None if is_null(node) else reader.decoder.string_map(node)


_MOUNT: _Fields = {"name": ("name", _string), "mountPath": ("mount_path", _string)}
_VOLUME: _Fields = {"name": ("name", _string), "secret": ("secret", _source)}
_SECRET: _Fields = {"id": ("id", _string), "keyvault": ("keyvault", _string), "clientID": ("client_id", _string)}
_NETWORK: _Fields = {
    "name": ("name", _string),
    "driver": ("driver", _string),
    "ipv6": ("ipv6", _boolean),
    "skipCreation": ("skip_creation", _boolean),
    "isDefault": ("is_default", _boolean),
}
_STEP: _Fields = {
    "id": ("id", _string),
    "cmd": ("cmd", _string),
    "build": ("build", _string),
    "push": ("push", _strings),
    "when": ("when", _strings),
    "timeout": ("timeout", _integer),
    "startDelay": ("start_delay", _integer),
    "retries": ("retries", _integer),
    "retryDelay": ("retry_delay", _integer),
    "retryOnErrors": ("retry_on_errors", _strings),
    "repeat": ("repeat", _integer),
    "ignoreErrors": ("ignore_errors", _boolean),
    "detach": ("detach", _boolean),
    "keep": ("keep", _boolean),
    "privileged": ("privileged", _boolean),
    "pull": ("pull", _boolean),
    "disableWorkingDirectoryOverride": ("disable_working_directory_override", _boolean),
    "user": ("user", _string),
    "isolation": ("isolation", _string),
    "cpus": ("cpus", _string),
    "entryPoint": ("entry_point", _string),
    "network": ("network", _string),
    "workingDirectory": ("working_directory", _string),
    "cache": ("cache", _string),
    "ports": ("ports", _strings),
    "expose": ("expose", _strings),
    "env": ("env", _strings),
    "exitedWith": ("exited_with", _integers),
    "exitedWithout": ("exited_without", _integers),
    "cmdDownloadRetries": ("cmd_download_retries", _integer),
    "cmdDownloadRetryDelay": ("cmd_download_retry_delay", _integer),
    "volumeMounts": ("volume_mounts", _mounts),
}
_TASK: _Fields = {
    "version": ("version", _string),
    "steps": ("steps", _steps),
    "stepTimeout": ("step_timeout", _integer),
    "workingDirectory": ("working_directory", _string),
    "env": ("env", _strings),
    "secrets": ("secrets", _secrets),
    "networks": ("networks", _networks),
    "volumes": ("volumes", _volumes),
}
