"""What the builder image is made from, and what makes it anew."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from devstack.builder_image import layers
from devstack.builder_image.layers import agent, debian, ensure, packages

CHECKOUT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "slipway"
HOME = Path("opt/slipway")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what the image is made from."""
    folder = tmp_path / "checkout"
    for name in ("builder", "shared"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_an_edit_of_the_agent_makes_the_agent_alone_anew(checkout: Path, tmp_path: Path) -> None:
    before = [layer(tmp_path, checkout).directory for layer in (agent, packages, debian)]
    with (checkout / "builder" / "__init__.py").open("a") as source:
        source.write("# changed\n")
    after = [layer(tmp_path, checkout).directory for layer in (agent, packages, debian)]
    assert before[0] != after[0]
    assert before[1:] == after[1:]


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("builder/requirements.txt", [True, True, False]),
        ("builder/image/packages.txt", [True, False, True]),
        ("builder/image/trim.sh", [True, False, True]),
        ("shared/grant.py", [True, False, False]),
        ("shared/settings.py", [False, False, False]),
    ],
)
def test_each_layer_knows_what_it_is_made_from(checkout: Path, tmp_path: Path, path: str, changes: list[bool]) -> None:
    before = [layer(tmp_path, checkout).directory for layer in (agent, packages, debian)]
    with (checkout / path).open("a") as source:
        source.write("\n")
    after = [layer(tmp_path, checkout).directory for layer in (agent, packages, debian)]
    assert [one != other for one, other in zip(before, after, strict=True)] == changes


def test_the_agent_is_whole_compiled_and_without_the_control_plane(checkout: Path, tmp_path: Path) -> None:
    home = agent(tmp_path, checkout).ensure() / "root" / HOME
    start = home / "start"
    assert start.read_bytes() == (checkout / "builder" / "image" / "start.sh").read_bytes()
    assert start.stat().st_mode & 0o111
    assert {path.name for path in (home / "shared").iterdir()} == {
        "__init__.py",
        "__pycache__",
        "contexts.py",
        "dockerfile",
        "errors.py",
        "grant.py",
        "images",
        "language",
        "network.py",
    }
    compiled = home / "builder" / "__pycache__" / "__init__.cpython-313.pyc"
    assert b"/opt/slipway/builder/__init__.py" in compiled.read_bytes()
    assert str(tmp_path).encode() not in compiled.read_bytes()


def test_agents_unused_for_a_week_are_deleted_when_a_new_one_is_made(checkout: Path, tmp_path: Path) -> None:
    old, recent = tmp_path / "builder-agent-old", tmp_path / "builder-agent-recent"
    for path in (old, recent):
        path.mkdir()
    os.utime(old, (0, time.time() - 8 * 24 * 3600))
    agent(tmp_path, checkout).ensure()
    assert not old.exists()
    assert recent.exists()


def test_the_dockerfile_holds_the_same_agent(tmp_path: Path) -> None:
    """Every source that the local image copies is copied by `builder/Dockerfile` too."""
    dockerfile = (CHECKOUT / "builder" / "Dockerfile").read_text()
    home = agent(tmp_path, CHECKOUT).ensure() / "root" / HOME
    names = ["builder", *(f"shared/{path.name}" for path in (home / "shared").iterdir() if path.name != "__pycache__")]
    copied = " ".join(line for line in dockerfile.splitlines() if line.startswith("COPY"))
    assert [name for name in names if f" {name} " not in f"{copied} "] == []


@pytest.mark.slow
def test_the_image_has_what_an_agent_needs() -> None:
    image = ensure(CACHE, CHECKOUT)
    root = Path(image.lower[-1])
    for program in ("dockerd", "docker", "git", "git-lfs", "iptables", "python3", "tini", "zstd"):
        assert any((root / folder / program).exists() for folder in ("usr/bin", "usr/sbin")), program
    assert (root / "usr/bin/qemu-aarch64").exists()
    assert not (root / "usr/bin/qemu-sh4").exists()
    assert not list((root / "var/cache/apt").iterdir())
    said = subprocess.run(["chroot", str(root), "python3", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("Python 3.13.")


def test_the_confined_image_here_is_the_one_of_its_dockerfile() -> None:
    text = (CHECKOUT / "builder" / "Dockerfile.confined").read_text()
    start = json.loads(text.rpartition("ENTRYPOINT ")[2])
    assert tuple(start) == layers._CONFINED_COMMAND
    for line in layers._CONFINED_ENVIRONMENT:
        assert line in text


def test_the_confined_agent_lies_where_kaniko_wipes_nothing(checkout: Path, tmp_path: Path) -> None:
    executor = tmp_path / "executor"
    executor.write_text("#!/bin/true\n")
    home = layers._confined_agent(tmp_path, checkout, executor).ensure() / "root" / "kaniko"
    assert {path.name for path in home.iterdir()} == {"agent", "executor"}
    assert (home / "agent" / "builder" / "image" / "step.sh").exists()
    assert os.access(home / "executor", os.X_OK)
