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

GOOGLE = {
    "build-arg", "cache", "cache-copy-layers", "cache-dir", "cache-repo", "cache-run-layers", "cache-ttl", "cleanup",
    "compressed-caching", "compression", "compression-level", "context", "context-sub-path", "custom-platform",
    "destination", "digest-file", "dockerfile", "force", "force-build-metadata", "git", "ignore-path",
    "ignore-var-run", "image-download-retry", "image-fs-extract-retry", "image-name-tag-with-digest-file",
    "image-name-with-digest-file", "insecure", "insecure-pull", "insecure-registry", "kaniko-dir", "label",
    "log-format", "log-timestamp", "no-push", "no-push-cache", "oci-layout-path", "push-ignore-immutable-tag-errors",
    "push-retry", "registry-certificate", "registry-client-cert", "registry-map", "registry-mirror", "reproducible",
    "single-snapshot", "skip-default-registry-fallback", "skip-push-permission-check", "skip-tls-verify",
    "skip-tls-verify-pull", "skip-tls-verify-registry", "skip-unused-stages", "snapshot-mode", "tar-path", "target",
    "use-new-run", "verbosity",
}  # fmt: skip
"""Flags of v1.24.0, the last release of the first project."""
ADDED = {"annotation", "credential-helpers", "dryrun", "materialize", "pre-cleanup", "preserve-context", "secret"}
"""What the project that went on has added up to v1.28.0."""
RELEASES = {
    "v1.24.0": GOOGLE,
    "v1.27.2": GOOGLE | ADDED,
    "v1.28.0": GOOGLE | ADDED,
    "v1.28.4": GOOGLE | ADDED | {"image-format"},
}
PATHS = {"context", "dockerfile", "oci-layout-path", "digest-file"}
SWITCHES = {"cache", "cleanup", "force", "ignore-var-run", "no-push"}
REPEATED = {"annotation", "build-arg", "secret", "credential-helpers"}
HERE = Path(__file__).parent
RELEASE = (HERE / "release").read_text() if (HERE / "release").exists() else "v1.28.4"
FLAGS = RELEASES[RELEASE]


def print_help() -> None:
    """Print the help in the form of the library that the real one is made with."""
    flags = "".join(
        f"{'  -c, ' if name == 'context' else '      '}--{name} string   Words.\n" for name in sorted(FLAGS)
    )
    sys.stdout.write(f"Usage:\n  executor [flags]\n  executor [command]\n\nFlags:\n{flags}")


def read_flags(words: list[str]) -> dict[str, list[str]]:
    """Read `--name[=value]` words; end with kaniko's own words at one that it does not know."""
    given: dict[str, list[str]] = {}
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in FLAGS:
            sys.exit(f"Error: unknown flag: {word}")
        if name in SWITCHES and value not in {"", "true", "false"}:
            sys.exit(f'Error: invalid argument "{value}" for "--{name}" flag')
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
    if sys.argv[1:] == ["version"]:
        sys.stdout.write(f"Kaniko version :  {RELEASE}\n")
        return
    if sys.argv[1:] == ["--help"]:
        print_help()
        return
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
    with (layout.parent.parent / "record.json").open("a") as records:
        records.write(f"{json.dumps(record)}\n")
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
