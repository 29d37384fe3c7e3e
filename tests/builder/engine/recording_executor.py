#!/usr/bin/python3
"""Stands in for kaniko's executor: holds its flags against those of the real one, and leaves an image behind.

The image has one layer, a tar of the context's files. What was given is in `record.json` beside the layout.
A Dockerfile says what happens: `# exit N` ends with that status, `# hang` starts a process in a group of its own.
Standard library alone: it also runs in containers.
"""

import gzip
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

FLAGS = {
    "context", "dockerfile", "no-push", "oci-layout-path", "digest-file", "custom-platform", "cache", "cleanup",
    "force", "image-download-retry", "credential-helpers", "log-format", "build-arg", "target", "annotation",
    "image-format", "secret",
}  # fmt: skip
REPEATED = {"annotation", "build-arg", "secret"}


def read_flags(words: list[str]) -> dict[str, list[str]]:
    """Read `--name[=value]` words; end with kaniko's own words at one that it does not know."""
    given: dict[str, list[str]] = {}
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in FLAGS:
            sys.exit(f"Error: unknown flag: {word}")
        given.setdefault(name, []).append(value)
    if twice := [name for name, values in given.items() if len(values) > 1 and name not in REPEATED]:
        sys.exit(f"Error: given twice: {twice}")
    return given


def packed(context: Path) -> bytes:
    """Return a tar of the context, the same for the same files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path in sorted(context.rglob("*")):
            info = tarfile.TarInfo(str(path.relative_to(context)))
            if path.is_file():
                info.size = path.stat().st_size
                tar.addfile(info, io.BytesIO(path.read_bytes()))
    return raw.getvalue()


def put(layout: Path, media_type: str, content: bytes) -> dict[str, object]:
    """Write a blob and return its descriptor."""
    name = hashlib.sha256(content).hexdigest()
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / name).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}


def write_image(layout: Path, context: Path, platform: str, command: list[str]) -> str:
    """Write an image of the context's files and return its digest."""
    tar = packed(context)
    system, architecture = platform.split("/")[:2]
    config = {
        "architecture": architecture,
        "os": system,
        "config": {"Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
    }
    docker = "application/vnd.docker"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{docker}.distribution.manifest.v2+json",
        "config": put(layout, f"{docker}.container.image.v1+json", json.dumps(config).encode()),
        "layers": [put(layout, f"{docker}.image.rootfs.diff.tar.gzip", gzip.compress(tar, mtime=0))],
    }
    entry = put(layout, str(manifest["mediaType"]), json.dumps(manifest).encode())
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return str(entry["digest"])


def main() -> None:
    """Play kaniko once."""
    given = read_flags(sys.argv[1:])
    words = [word.partition("=") for word in given.get("build-arg", [])]
    arguments = {name: value if equals else os.environ.get(name, "") for name, equals, value in words}
    dockerfile = Path(given["dockerfile"][0])
    text = dockerfile.read_text()
    layout = Path(given["oci-layout-path"][0])
    ignore = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    record = {
        "argv": sys.argv[1:],
        "environment": sorted(os.environ),
        "arguments": arguments,
        "dockerfile": text,
        "ignore": ignore.read_text() if ignore.exists() else None,
        "logins": sorted(json.loads((Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text())["auths"]),
        "cwd": str(Path.cwd()),
    }
    (layout.parent.parent / "record.json").write_text(json.dumps(record))
    sys.stdout.write("INFO Retrieving image manifest\n")
    sys.stdout.flush()
    if found := re.search(r"^# exit (\d+)$", text, re.MULTILINE):
        sys.stderr.write("error building image: error building stage: failed to execute command\n")
        sys.exit(int(found[1]))
    if re.search(r"^# hang$", text, re.MULTILINE):
        child = subprocess.Popen(["/bin/sleep", "1000"], process_group=0)
        (layout.parent.parent / "child").write_text(str(child.pid))
        signal.pause()
    context = Path(given["context"][0].removeprefix("dir://"))
    digest = write_image(layout, context, given["custom-platform"][0], ["/bin"])
    Path(given["digest-file"][0]).write_text(digest)
    sys.stdout.write("INFO Skipping push to container registry due to --no-push flag\n")


main()
