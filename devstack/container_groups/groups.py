"""The container groups of this machine: made, watched, stopped, deleted, and found again after a restart.

The files of `state` are the truth; this object only holds what cannot be written down: the processes
that it watches. Two operations on one group never overlap.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from devstack.container_groups import bundle
from devstack.container_groups.config import RESOLVER, FailCause, Image
from devstack.container_groups.errors import BadRequest, NotEvictable, NotFound
from devstack.container_groups.orders import Exit, Order
from devstack.container_groups.pulling import Found, Puller, PullFailed, credentials_of
from devstack.container_groups.quota import Quota, no_room, over_quota
from devstack.container_groups.schema import check_container_group
from devstack.container_groups.shims import ShimProcess, Shims, find_shim
from devstack.container_groups.spec import (
    ContainerSpec,
    GroupSpec,
    check_group_name,
    fingerprint,
    parse_group,
    without_secrets,
)
from devstack.container_groups.state import GroupFiles, StateDirectory
from devstack.container_groups.views import Record, Status

_CGROUP_PARENT = "slipway"
_END_SECONDS = 5.0
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Group:
    """One group as it is now."""

    record: Record
    status: Status


@dataclass
class ContainerGroups:
    """All groups of one state directory. Used from one event loop."""

    state: StateDirectory
    images: Mapping[str, Image]
    hosts: Mapping[str, str]
    machine: bundle.Machine
    shims: Shims
    quota: Quota
    pulls: Puller
    _found: dict[str, dict[str, Found]] = field(default_factory=dict, init=False)
    """What registries have of the images of a group, by its id and the image's name."""
    _records: dict[str, Record] = field(default_factory=dict, init=False)
    _watches: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _processes: dict[str, ShimProcess] = field(default_factory=dict, init=False)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary, init=False)
    _chores: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def open(self) -> None:
        """Take up the groups of an earlier service, clean up what has no record any more."""
        self.shims.warm()
        await asyncio.to_thread(self.pulls.forget_old)
        for files in self.state.all_files():
            record = files.record()
            if record is None:
                self.state.discard(files)
            else:
                self._adopt(files, record)
        known = {self.state.files(record.id).key for record in self._records.values()}
        for key in self.state.containers() - known:
            await asyncio.to_thread(self.state.remove_containers, key)
        self._later_empty_trash()

    async def close(self, *, stop_groups: bool) -> None:
        """Stop watching; with `stop_groups`, end and delete every group first."""
        if stop_groups:
            await asyncio.gather(*(self.delete(record.id) for record in list(self._records.values())))
        await self.shims.close()
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*self._watches.values(), *self._chores, return_exceptions=True)

    async def put(self, identifier: str, body: object) -> tuple[Group, bool]:
        """Make a group, or find the same one. Returns it and whether it is new; it starts in the background."""
        asked = check_container_group(body)
        name = identifier.rpartition("/")[2]
        check_group_name(name)
        spec = parse_group(asked)
        found = await self._look(name, {each.image for each in (spec, *spec.siblings)}, asked["properties"])
        async with self._locked(identifier):
            old = self._records.get(identifier.lower())
            if old is not None:
                if old.fingerprint != fingerprint(asked):
                    message = f"The container group '{old.name}' exists with other properties: delete it first."
                    raise BadRequest(message, code="InvalidContainerGroupUpdate")
                return self._group(old), False
            self._admit(spec)
            record = Record(
                id=identifier,
                location=spec.location,
                container=spec.container,
                images={each.container: each.image for each in (*spec.before, spec, *spec.others)},
                before=[each.container for each in spec.before],
                cpu=spec.all_cpu,
                body=without_secrets(asked),
                fingerprint=fingerprint(asked),
                created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
            self._found[identifier.lower()] = found
            files = self.state.files(identifier)
            configs = {each.container: self._config(each, files, record) for each in (spec, *spec.siblings)}
            files.create(record, configs, spec.volumes)
            self._records[identifier.lower()] = record
            self._watch(files, record)
            return self._group(record), True

    def get(self, identifier: str) -> Group:
        """Return a group, or raise `NotFound`."""
        return self._group(self._record(identifier))

    def find(self, prefix: str) -> list[Group]:
        """Return the groups whose resource id begins with `prefix`, in order of creation."""
        found = [self._group(record) for key, record in self._records.items() if key.startswith(prefix.lower())]
        return sorted(found, key=lambda group: group.record.created)

    def log(self, identifier: str, container: str, tail: int | None) -> str:
        """Return a container's output, `tail` lines of it at most."""
        record = self._record(identifier)
        if container.lower() not in record.images:
            raise NotFound(f"The container '{container}' is not in group '{record.name}'.", code="ContainerNotFound")
        return self.state.files(identifier).read_log(record, container.lower(), tail)

    async def delete(self, identifier: str) -> Group | None:
        """End and forget a group; None when there is none. Returns its last state."""
        async with self._locked(identifier):
            record = self._records.get(identifier.lower())
            if record is None:
                return None
            await self._end(identifier)
            group = self._group(record)
            self.state.discard(self.state.files(identifier))
            del self._records[identifier.lower()]
            self._found.pop(identifier.lower(), None)
        self._later_empty_trash()
        return group

    async def stop(self, identifier: str) -> None:
        """End a group's container; the group stays."""
        async with self._locked(identifier):
            record = self._record(identifier)
            running = self.state.files(identifier).status().exit is None
            await self._end(identifier)
            if running:
                self._save(replace(record, stopped=True))

    async def start(self, identifier: str) -> None:
        """Run an ended group's container again from the beginning; one that runs is left alone."""
        async with self._locked(identifier):
            record = self._record(identifier)
            files = self.state.files(identifier)
            if files.status().exit is None:
                return
            await self._end(identifier)
            self.state.discard_container(files)
            record = replace(record, stopped=False, evicted=False)
            self._save(record)
            self._watch(files, record)
        self._later_empty_trash()

    async def restart(self, identifier: str) -> None:
        """Stop, then start."""
        await self.stop(identifier)
        await self.start(identifier)

    async def evict(self, name: str, *, restarts: bool) -> None:
        """Take a Spot group away, as Azure does when it wants its room back; it may start it again elsewhere."""
        identifier = next((key for key in self._records if key.rpartition("/")[2] == name.lower()), "")
        async with self._locked(identifier):
            record = self._record(identifier)
            if str(record.body["properties"].get("priority")).lower() != "spot":
                raise NotEvictable(f"The container group '{name}' is no Spot group.")
            self._save(replace(record, evicted=True))
            await self._end(identifier)
        if restarts:
            await self.start(identifier)

    def _adopt(self, files: GroupFiles, record: Record) -> None:
        self._records[record.id.lower()] = record
        if files.status().exit is None or files.shim() is not None:
            self._watch(files, record)

    def _watch(self, files: GroupFiles, record: Record) -> None:
        self._watches[files.key] = asyncio.create_task(self._look_after(files, record))

    async def _look_after(self, files: GroupFiles, record: Record) -> None:
        """Start the container if nobody has, then wait for its shim's end."""
        identity = files.shim()
        if identity is None:
            process = await self._start(files, record)
        else:
            process = find_shim(identity)
        if process is not None:
            self._processes[files.key] = process
            await process.gone()
            del self._processes[files.key]
            process.close()
        if files.status().exit is None:
            await asyncio.to_thread(self.state.remove_containers, files.key)
            self._save_lost(files)

    async def _start(self, files: GroupFiles, record: Record) -> ShimProcess | None:
        if self.quota.limits.start_delay_seconds:
            await asyncio.sleep(self.quota.limits.start_delay_seconds / self.quota.limits.time_scale)
        found = self._found.get(record.id.lower(), {})
        missing = [image for image in record.images.values() if image not in self.images and image not in found]
        if cause := "image" if missing else self.quota.take_failure():
            image = missing[0] if missing else record.images[record.container]
            self._save_failure(files, *_failure(cause, image, record))
            return None
        try:
            for each in found.values():
                await asyncio.to_thread(self.pulls.fetch, each)
        except PullFailed as fault:
            self._save_failure(files, str(fault))
            return None
        lease = self.shims.take()
        files.save_shim(lease.process.identity)
        self._processes[files.key] = lease.process
        reply = await lease.run(self._order(files, record))
        self.shims.warm()
        if reply.error and files.status().exit is None:
            lease.process.signal(signal.SIGKILL)
            self._save_failure(files, reply.error)
        return lease.process

    async def _end(self, identifier: str) -> None:
        """See that no process of the group is left."""
        files = self.state.files(identifier)
        watch = self._watches.get(files.key)
        if watch is None:
            return
        process = self._processes.get(files.key)
        if process is None:
            watch.cancel()  # not even given to a shim yet, or over
        else:
            process.signal(signal.SIGTERM)
            await asyncio.wait([watch], timeout=_END_SECONDS)
            if not watch.done():
                process.signal(signal.SIGKILL)
        await asyncio.wait([watch])
        del self._watches[files.key]
        if files.status().exit is None:
            self._save_lost(files)

    def _save_lost(self, files: GroupFiles) -> None:
        started = files.status().started
        time = started.time if started else None
        files.save_exit(Exit(exit_code=_KILLED, reason="Error", finished=_now(), started=time))

    def _save_failure(self, files: GroupFiles, message: str, event: str = "") -> None:
        files.save_exit(Exit(exit_code=_KILLED, reason="FailedToStart", finished=_now(), message=message, event=event))

    def _save(self, record: Record) -> None:
        self.state.files(record.id).save_record(record)
        self._records[record.id.lower()] = record

    def _record(self, identifier: str) -> Record:
        record = self._records.get(identifier.lower())
        if record is None:
            name = identifier.rpartition("/")[2]
            kind = "Microsoft.ContainerInstance/containerGroups"
            raise NotFound(f"The Resource '{kind}/{name}' was not found.")
        return record

    def _group(self, record: Record) -> Group:
        return Group(record, self.state.files(record.id).status_of(record))

    def _admit(self, spec: GroupSpec) -> None:
        used = sum(record.cpu for record in self._records.values())
        groups = len(self._records)
        self.quota.admit(location=spec.location, groups=groups, cores=used, more_cores=spec.all_cpu)

    async def _look(self, group: str, names: set[str], properties: dict[str, Any]) -> dict[str, Found]:
        """Look up the images that are not this machine's own. Raises `BadRequest`."""
        known, found = credentials_of(properties), dict[str, Found]()
        for name in sorted(names - self.images.keys()):
            if not self.pulls.serves(name):
                message = f"The image '{name}' in container group '{group}' is not accessible."
                raise BadRequest(message, code="InaccessibleImage")
            found[name] = await asyncio.to_thread(self.pulls.look, name, known)
        return found

    def _image(self, record: Record, name: str) -> Image:
        return self.images.get(name) or self._found[record.id.lower()][name].image

    def _config(self, spec: ContainerSpec, files: GroupFiles, record: Record) -> str:
        image, directory = self._image(record, spec.image), files.of(record, spec.container)
        place = bundle.Placement(
            hostname=files.key.rpartition("-")[0],
            cgroup=f"{_CGROUP_PARENT}/{_key(files, record, spec.container)}",
            namespace=str(directory / "network"),
            docker_data=str(directory / "docker"),
            names=str(directory / "names"),
            volumes=str(files.path / "volumes"),
        )
        return bundle.encode(bundle.oci_config(spec, image.command, image.env, place, self.machine))

    def _order(self, files: GroupFiles, record: Record) -> Order:
        orders = {name: self._container_order(files, record, name) for name in record.images}
        others = [name for name in record.beside if name not in record.before]
        return replace(
            orders[record.container],
            before=[asdict(orders[name]) for name in record.before],
            others=[asdict(orders[name]) for name in others],
        )

    def _container_order(self, files: GroupFiles, record: Record, name: str) -> Order:
        return Order(
            directory=str(files.of(record, name)),
            container=_key(files, record, name),
            hostname=record.name.lower(),
            lower=[str(path) for path in self._image(record, record.images[name]).lower],
            hosts=dict(self.hosts),
            resolver=RESOLVER,
            runc_root=str(self.state.runc_root),
            cgroup=f"{_CGROUP_PARENT}/{_key(files, record, name)}",
        )

    @contextlib.asynccontextmanager
    async def _locked(self, identifier: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(identifier.lower(), asyncio.Lock())
        async with lock:
            yield

    def _later_empty_trash(self) -> None:
        chore = asyncio.create_task(asyncio.to_thread(self.state.empty_trash))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)


def _failure(cause: FailCause, image: str, record: Record) -> tuple[str, str]:
    """Answer what Azure says of a group that it accepted and cannot start: the sentence, and the group's event."""
    match cause:
        case "image":
            return f"Failed to pull image '{image}'.", ""
        case "capacity":
            return no_room(record.location), "InsufficientCapacity."
        case "quota":
            cores = record.cpu
            return over_quota("StandardCores", record.location, cores, cores, cores), "ContainerGroupQuotaReached"


def _key(files: GroupFiles, record: Record, container: str) -> str:
    """Name a container on this machine; what stands before the dot is its group."""
    return files.key if container == record.container else f"{files.key}.{container}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
