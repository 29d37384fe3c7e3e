"""Seeds as OCI layouts in the cache, and their push into a stack's registry."""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from devstack import files, progress
from devstack.seeds import oci_layout
from devstack.seeds.recipes import Seed
from devstack.setup import packages
from devstack.setup.once import Made
from devstack.setup.run import run
from devstack.stack.layout import Layout
from devstack.stack.ports import Ports
from devstack.stack.settings import trust_environment, without_proxy

IMAGE = "image"
ROOT = "root"


def ensure(seed: Seed, cache: Path) -> Path:
    """Make a seed unless the cache has it; gives its OCI layout."""

    def fill(directory: Path) -> None:
        with tempfile.TemporaryDirectory(dir=directory, prefix="scratch-") as scratch:
            root, work = Path(scratch, "root"), Path(scratch, "work")
            root.mkdir()
            work.mkdir()
            seed.fill(root, work)
            oci_layout.write(root, seed.config, directory / IMAGE)

    return Made(f"base image {seed.name}", cache / "seeds" / seed.key, fill).ensure() / IMAGE


def unpacked(seed: Seed, cache: Path) -> Path:
    """Return a directory with the image's files, for containers that nobody pulls."""
    image = ensure(seed, cache)

    def blob(name: str) -> Path:
        return image / "blobs" / name.replace(":", "/")

    def fill(directory: Path) -> None:
        root = directory / ROOT
        root.mkdir()
        for layer in json.loads(blob(digest(image)).read_text())["layers"]:
            argv = ("tar", "--extract", "--gzip", "--file", str(blob(layer["digest"])))
            run((*argv, "--directory", str(root)), f"Unpacking {seed.name}")

    return Made(f"files of {seed.name}", cache / "seeds" / f"{seed.key}-files", fill).ensure() / ROOT


def digest(image: Path) -> str:
    """Read the digest of an OCI layout's image."""
    return str(json.loads((image / "index.json").read_text())["manifests"][0]["digest"])


def push(seeds: Iterable[Seed], cache: Path, layout: Layout, ports: Ports) -> None:
    """Push seeds into the registry, each tag that does not carry its image yet."""
    record = layout.registry / "seeded.json"
    known: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for seed in seeds:
        image = ensure(seed, cache)
        wanted = digest(image)
        for tag in seed.tags:
            name = f"{seed.repository}:{tag}"
            if known.get(name) == wanted:
                continue
            with progress.step(f"push of {name}"):
                _copy(image, f"docker://{ports.login_server}/{name}", layout)
            known[name] = wanted
            files.write(record, json.dumps(known, indent=2))


def _copy(image: Path, target: str, layout: Layout) -> None:
    argv = (
        *(packages.require("skopeo"), "--insecure-policy", "copy", "--quiet", "--preserve-digests"),
        *("--authfile", str(layout.registry_auth), f"oci:{image}", target),
    )
    environment = without_proxy(os.environ) | trust_environment(layout.tls.bundle)
    run(argv, f"Pushing {target}", environment=environment)
