"""`./dev up`: set up what is missing, start the stack, keep it running."""

import asyncio
import base64
import datetime as dt
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack import files, progress
from devstack.builder_image import layers
from devstack.cli.target import DEFAULT_STATE, Target
from devstack.errors import StackError
from devstack.seeds import recipes, store
from devstack.setup import azure_cli, azurite, packages
from devstack.stack import az, configs, credentials, hosts_file, names, ports
from devstack.stack import record as records
from devstack.stack.credentials import DEV_USER, Credentials
from devstack.stack.layout import CHECKOUT, cache
from devstack.stack.ports import DEFAULT_BASE
from devstack.stack.processes import terminate
from devstack.stack.record import Phase
from devstack.stack.services import AZURITE_STOP_SECONDS, Programs, services
from devstack.stack.supervisor import Supervisor
from devstack.tls import authority

EXECUTOR = "KANIKO_EXECUTOR"
"""Names the program of kaniko, with which the stack has confined builders, too."""
SPACE_BYTES = 6 * 1024**3
"""What a first setup takes: az 0.8 GB, Azurite 0.2, the builder's root 1.5, images and builds the rest."""


@dataclass(frozen=True)
class Equipment:
    """All that setup has made."""

    programs: Programs
    az: Path
    images: Mapping[str, configs.BuilderImage]


def set_up() -> Equipment:
    """Make what this machine lacks; quick when nothing is missing."""
    _require_root()
    home = cache()
    _require_space(home)
    packages.ensure()
    script = azurite.ensure(home)
    program = azure_cli.ensure(home)
    images = {names.BUILDER_IMAGE: layers.ensure(home, CHECKOUT)}
    if executor := os.environ.get(EXECUTOR):
        images[names.CONFINED_IMAGE] = layers.confined(home, CHECKOUT, Path(executor))
    for seed in (recipes.BUSYBOX,):
        store.ensure(seed, home)
    return Equipment(Programs(packages.require("node"), script, packages.require("docker-registry")), program, images)


def _require_root() -> None:
    if sys.platform != "linux":
        raise StackError(f"The stack runs containers of its own and needs Linux, not {sys.platform}.")
    if os.geteuid() != 0:
        raise StackError("The stack starts containers and needs root: sudo ./dev up")


def _require_space(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    if free < SPACE_BYTES and not any(home.glob("azure-cli-*")):
        gib = 1024**3
        raise StackError(
            f"{home} has {free / gib:.1f} GB free and the setup takes up to {SPACE_BYTES / gib:.0f} GB; "
            "make room or set XDG_CACHE_HOME to another disk."
        )


def up(target: Target, *, background: bool) -> int:
    """Start the stack; in the foreground until a signal, in the background until it runs."""
    if target.running():
        progress.say("The stack runs already.")
    elif background:
        start(target)
    else:
        equipment = set_up()
        with _held(target.layout.lock), _prepared(target, equipment) as supervisor:
            asyncio.run(supervisor.run())
        return 0
    print(recipe(target))
    return 0


def start(target: Target) -> None:
    """Start the stack in the background and wait until it runs."""
    set_up()
    log = target.layout.logs / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = [
        *(sys.executable, str(CHECKOUT / "dev"), "--state", str(target.layout.state)),
        *("--port-base", str(target.ports.base), "up"),
    ]
    with progress.step("starting the stack"), log.open("wb") as stream:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True)
        _await_running(target, child, log)


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError("Another ./dev is starting or stopping this stack; wait for it.") from None
        yield


@contextmanager
def _prepared(target: Target, equipment: Equipment) -> Iterator[Supervisor]:
    layout, stack_ports = target.layout, target.ports
    stop_leftovers(target)
    ports.require_free(stack_ports)
    authority.ensure(layout.tls.directory, dt.datetime.now(dt.UTC))
    secrets = credentials.load_or_create(layout)
    step = configs.BuilderImage((str(store.unpacked(recipes.BUSYBOX, cache())),), ("/bin/sh",), ())
    steps = {f"{stack_ports.login_server}/{recipes.BUSYBOX.name}": step}
    configs.write_all(layout, stack_ports, secrets, {**equipment.images, **steps})
    for folder in (layout.azurite, layout.registry, layout.other_registry, layout.container_groups):
        folder.mkdir(parents=True, exist_ok=True)
    write_logins(target, secrets)
    hosts_file.add(layout.state)
    try:
        yield Supervisor(
            services(layout, stack_ports, secrets, equipment.programs),
            stack_ports.base,
            layout.logs,
            layout.record,
            progress.say,
            prepare=lambda: store.push((recipes.BUSYBOX,), cache(), layout, stack_ports),
            on_running=lambda: print(recipe(target), flush=True),
        )
    finally:
        hosts_file.remove(layout.state)


def write_logins(target: Target, secrets: Credentials) -> None:
    """Write az's configuration for each principal, and the developer's registry login."""
    for principal in secrets.principals():
        az.az_files(target.ports, principal).write(target.layout.az / principal.name)
    login = base64.b64encode(f"{DEV_USER}:{secrets.registry_password}".encode()).decode()
    servers = (target.ports.login_server, target.ports.other_login_server)
    auths = {"auths": {server: {"auth": login} for server in servers}}
    files.write_secret(target.layout.registry_auth, json.dumps(auths))


def stop_leftovers(target: Target) -> None:
    """End the services of a supervisor that was killed."""
    record = records.read(target.layout.record)
    if record is None or record.supervisor.is_alive:
        return
    for service in reversed(record.services):
        if service.process.is_alive:
            progress.say(f"{service.name} was left over from a stack that was killed; stopping it")
            terminate(service.process, AZURITE_STOP_SECONDS)
    target.layout.record.unlink(missing_ok=True)


def _await_running(target: Target, child: subprocess.Popen[bytes], log: Path) -> None:
    while True:
        record = records.read(target.layout.record)
        if record and record.pid == child.pid and record.phase is Phase.RUNNING:
            return
        try:
            child.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise StackError(f"The stack did not start: {''.join(last).removeprefix('dev: ')} (all of it in {log})")


def recipe(target: Target) -> str:
    """Write what a plain shell needs for its own az."""
    exports = az.variables(target.layout, az.DEFAULT_PRINCIPAL)
    lines = [f"  export {name}={shlex.quote(value)}" for name, value in exports.items()]
    build = f"az acr build -r {names.REGISTRY} -t hello:v1 samples/hello{_sample_argument(target)}"
    return "\n".join(
        [
            f"Slipway answers at {target.ports.public_url}.",
            f"Its registries: localreg, {target.ports.login_server}; otherreg, {target.ports.other_login_server}.",
            f"  ./dev{_options(target)} {build}",
            "For a shell with an az of its own:",
            *lines,
            f"  {build}",
            "For docker and skopeo against the registry:",
            f"  export DOCKER_CONFIG={shlex.quote(str(target.layout.registry_auth.parent))}",
        ]
    )


def _options(target: Target) -> str:
    """Answer what leads `./dev` to another stack than the first one of this checkout."""
    return "" if target.layout.state == DEFAULT_STATE else f" --state {shlex.quote(str(target.layout.state))}"


def _sample_argument(target: Target) -> str:
    """Answer what the samples need where the registry has another port than they name."""
    is_first = target.ports.base == DEFAULT_BASE
    return "" if is_first else f" --build-arg REGISTRY_NAME={target.ports.login_server}"
