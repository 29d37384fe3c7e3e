"""The words that start a program apart from the agent, and the image of the docker client."""

import hashlib
import json
import os
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from builder.engine.client_image import pack
from builder.engine.sandbox import Sandbox, Share
from builder.environment import Paths


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    folders = {name: tmp_path / name for name in ("private", "workspace", "images", "shared", "home")}
    made = Sandbox(replace(Paths(), **folders))
    (tmp_path / "authorities").write_text("PEM")
    made.prepare(tmp_path / "authorities")
    return made


def test_preparing_makes_what_is_shared_and_nothing_else(sandbox: Sandbox, tmp_path: Path) -> None:
    assert {path.name for path in tmp_path.iterdir()} == {"authorities", "workspace", "images", "shared", "home"}
    assert (sandbox.shared / "ca.pem").read_text() == "PEM"


def test_the_daemon_keeps_its_store_and_a_shell_does_not(sandbox: Sandbox, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    shell = sandbox.shell(Share.of(tmp_path / "workspace", "/workspace"), "/workspace/sub", place)
    assert f"{tmp_path / 'images'}" in " ".join(sandbox.daemon)
    assert f"{tmp_path / 'images'}" not in " ".join(shell)
    assert not any(str(tmp_path / "private") in word for word in (*shell, *sandbox.daemon))
    assert shell[-5:] == ["env", "-C", "/workspace/sub", "sh", "/run/step/script"]


@pytest.mark.slow
def test_a_shell_sees_what_is_shared_and_no_process_or_file_of_ours(sandbox: Sandbox, tmp_path: Path) -> None:
    """Needs root; the namespaces are gone with the shell."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "workspace/given").write_text("given")
    (place / "script").write_text(
        f"cat given; echo made > made; ls /proc | grep -c '^[0-9]'; ls {tmp_path}; touch /usr/x /proc/sys/kernel/panic;"
        " mount -t tmpfs none /mnt; mknod /dev/x b 8 0; exit 7"
    )
    argv = sandbox.shell(Share.of(tmp_path / "workspace", "/workspace"), "/workspace", place)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 7, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("given")
    assert int(lines[0].removeprefix("given")) <= 6
    assert set(lines[1:]) == {"shared"}
    assert (tmp_path / "workspace/made").read_text() == "made\n"
    assert done.stderr.count("Read-only file system") == 2
    assert "permission denied" in done.stderr.lower()
    assert "Operation not permitted" in done.stderr


@pytest.mark.slow
def test_a_directory_that_was_replaced_is_not_shared(sandbox: Sandbox, tmp_path: Path) -> None:
    """A link in the place of the workspace, on the way to what only the agent may read."""
    share = Share.of(tmp_path / "workspace", "/workspace")
    (tmp_path / "workspace").rename(tmp_path / "away")
    (tmp_path / "secret").mkdir()
    (tmp_path / "workspace").symlink_to(tmp_path / "secret")
    place = tmp_path / "place"
    place.mkdir()
    (place / "script").write_text("echo ran")
    argv = sandbox.shell(share, "/workspace", place)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "has been replaced" in done.stderr


def test_the_client_image_is_an_archive_that_docker_loads(tmp_path: Path) -> None:
    with tarfile.open(pack(tmp_path)) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    (manifest,) = json.loads((tmp_path / "out/manifest.json").read_text())
    config = json.loads((tmp_path / "out" / manifest["Config"]).read_text())
    digest = hashlib.sha256((tmp_path / "out" / manifest["Layers"][0]).read_bytes()).hexdigest()
    assert manifest["RepoTags"] == ["docker:latest"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert config["config"]["Entrypoint"] == ["docker"]
