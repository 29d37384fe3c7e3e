"""Run the container-group service: `python -m devstack.container_groups --config FILE`."""

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import uvicorn
from pydantic import ValidationError

from devstack.container_groups.app import App
from devstack.container_groups.bundle import read_machine
from devstack.container_groups.config import RESOLVER, Config, load_config
from devstack.container_groups.groups import ContainerGroups
from devstack.container_groups.pulling import Puller
from devstack.container_groups.quota import Quota
from devstack.container_groups.shim.network import Forward, NetworkPlan
from devstack.container_groups.shims import Shims
from devstack.container_groups.state import StateDirectory
from devstack.container_groups.tokens import token_check

_TOOLS = ("runc", "slirp4netns")


def build_app(config: Config) -> App:
    """Return the application that the configuration describes; nothing runs yet."""
    state = StateDirectory(config.state_dir)
    forwards = tuple(Forward(**forward.model_dump()) for forward in config.forwards)
    groups = ContainerGroups(
        state=state,
        images=config.images,
        hosts=config.hosts,
        machine=read_machine(),
        shims=Shims(NetworkPlan(forwards, config.hosts, RESOLVER), state.shim_log),
        quota=Quota(config.limits, time.monotonic),
        pulls=Puller(config.pulls, state.pulled, config.ca),
    )
    return App(groups, token_check(config))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, which also stops and removes every group."""
    parser = argparse.ArgumentParser(prog="devstack.container_groups", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration, JSON")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
    except (OSError, ValidationError) as error:
        sys.exit(f"{options.config}: {error}")
    _check_machine()
    config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _only_one(config.state_dir):
        uvicorn.run(
            build_app(config),
            host=config.listen.address,
            port=config.listen.port,
            ssl_certfile=config.cert,
            ssl_keyfile=config.key,
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )


def _check_machine() -> None:
    if os.geteuid() != 0:
        sys.exit("Container groups need root: they are made of namespaces, control groups and mounts.")
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        sys.exit(f"Not on the PATH: {', '.join(missing)}. Install them with apt-get install {' '.join(missing)}.")


def _only_one(state_dir: Path) -> IO[str]:
    """Hold the state directory for this process alone, until the returned file is closed."""
    lock = (state_dir / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"Another container-group service uses {state_dir}.")
    return lock


if __name__ == "__main__":
    main()
