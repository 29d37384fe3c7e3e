"""`./dev demo`: one image from a folder to the registry, by the real az."""

import json
import os
import subprocess
from dataclasses import dataclass

from devstack import progress
from devstack.cli import az as az_command
from devstack.cli.state import down
from devstack.cli.target import Target
from devstack.cli.up import start
from devstack.errors import StackError
from devstack.setup import packages
from devstack.setup.run import run
from devstack.stack import names
from devstack.stack.layout import CHECKOUT
from devstack.stack.settings import trust_environment, without_proxy

IMAGE = "hello:v1"
SAMPLE = "samples/hello"


@dataclass(frozen=True)
class Pushed:
    """An image as the registry shows it."""

    name: str
    digest: str
    platform: str
    layers: int


def demo(target: Target) -> int:
    """Build the sample, list the run and read the image back; stops the stack if it was not up before."""
    found_running = target.running() is not None
    if not found_running:
        start(target)
    try:
        registry = ("-r", names.REGISTRY)
        build_argument = f"REGISTRY_NAME={target.ports.login_server}"
        _az(target, "acr", "build", *registry, "-t", IMAGE, "--build-arg", build_argument, SAMPLE)
        _az(target, "acr", "task", "list-runs", *registry, "-o", "table")
        pushed = read_back(target, IMAGE)
        print(
            f"\n{pushed.name}@{pushed.digest}\n{pushed.platform}, {pushed.layers} layers, read back from the registry"
        )
    finally:
        if not found_running:
            down(target)
    return 0


def _az(target: Target, *arguments: str) -> None:
    print(f"\n$ az {' '.join(arguments)}", flush=True)
    argv, environment = az_command.command(target, arguments)
    done = subprocess.run(argv, env=environment, cwd=CHECKOUT, check=False)
    if done.returncode:
        raise StackError(f"az ended with exit code {done.returncode}; logs are in {target.layout.logs}.")


def read_back(target: Target, image: str) -> Pushed:
    """Ask the registry for an image's digest, then for the image under that digest."""
    repository = image.partition(":")[0]
    name = f"{target.ports.login_server}/{repository}"
    digest = str(_inspect(target, f"{target.ports.login_server}/{image}")["Digest"])
    by_digest = _inspect(target, f"{name}@{digest}")
    layers = by_digest["Layers"]
    if not isinstance(layers, list) or by_digest["Digest"] != digest:
        raise StackError(f"The registry does not give {name} back under {digest}.")
    return Pushed(name, digest, f"{by_digest['Os']}/{by_digest['Architecture']}", len(layers))


def _inspect(target: Target, reference: str) -> dict[str, object]:
    argv = (
        *(packages.require("skopeo"), "--insecure-policy", "inspect", "--no-tags"),
        *("--authfile", str(target.layout.registry_auth), f"docker://{reference}"),
    )
    environment = without_proxy(os.environ) | trust_environment(target.layout.tls.bundle)
    with progress.step(f"reading {reference}"):
        described: dict[str, object] = json.loads(run(argv, f"Reading {reference}", environment=environment))
    return described
