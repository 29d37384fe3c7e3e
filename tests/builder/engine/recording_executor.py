#!/usr/bin/python3
"""Stands in for kaniko's executor: holds its flags against those of the real one, and leaves an image behind.

The image has two layers, a tar of the context's files and one of nothing; in a root of its own it is what the
Dockerfile says (`root_builds.py`). What was given is in `record.json` beside the layout. A Dockerfile says what
happens: `# exit N` ends with that status, `# hang` starts a process in a group of its own.
Standard library alone: it also runs in containers.
"""

import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
SWITCHES = {"cache", "cache-copy-layers", "cleanup", "force", "ignore-var-run", "no-push", "no-push-cache"}
REPEATED = {"annotation", "build-arg", "secret", "credential-helpers"}
HERE = Path(sys.argv[0]).parent
RELEASE = (HERE / "release").read_text() if (HERE / "release").exists() else "v1.28.4"
FLAGS = RELEASES[RELEASE]
type Flags = dict[str, list[str]]


def print_help() -> None:
    """Print the help in the form of the library that the real one is made with."""
    flags = "".join(
        f"{'  -c, ' if name == 'context' else '      '}--{name} string   Words.\n" for name in sorted(FLAGS)
    )
    sys.stdout.write(f"Usage:\n  executor [flags]\n  executor [command]\n\nFlags:\n{flags}")


def read_flags(words: list[str]) -> Flags:
    """Read `--name[=value]` words; end with kaniko's own words at one that it does not know."""
    given: Flags = {}
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
                info.size, info.mode = path.stat().st_size, path.stat().st_mode & 0o7777
                tar.addfile(info, io.BytesIO(path.read_bytes()))
    return raw.getvalue()


def put(layout: Path, media_type: str, content: bytes) -> dict[str, object]:
    """Write a blob and return its descriptor."""
    name = hashlib.sha256(content).hexdigest()
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / name).write_bytes(content)
    return {"mediaType": media_type, "size": len(content), "digest": f"sha256:{name}"}


def write_image(layout: Path, config: dict[str, Any], layers: list[tuple[str, bytes]], given: Flags) -> str:
    """Write an image as go-containerregistry's `layout` does and return its digest."""
    is_oci = given.get("image-format") == ["oci"] or any("vnd.oci" in kind for kind, _ in layers)
    if is_oci:
        layers = [("application/vnd.oci.image.layer.v1.tar+gzip", blob) for _, blob in layers]
    oci, docker = "application/vnd.oci.image", "application/vnd.docker"
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json" if is_oci else f"{docker}.distribution.manifest.v2+json",
        "config": put(
            layout,
            f"{oci}.config.v1+json" if is_oci else f"{docker}.container.image.v1+json",
            json.dumps(config).encode(),
        ),
        "layers": [put(layout, kind, blob) for kind, blob in layers],
    }
    if said := dict(word.split("=", 1) for word in given.get("annotation", [])):
        manifest["annotations"] = said
    entry = put(layout, manifest["mediaType"], json.dumps(manifest).encode())
    index = {"schemaVersion": 2, "mediaType": f"{oci}.index.v1+json", "manifests": [entry]}
    (layout / "oci-layout").write_text('{\n    "imageLayoutVersion": "1.0.0"\n}')
    (layout / "index.json").write_text(json.dumps(index, indent=3))
    return str(entry["digest"])


def context_image(context: Path) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """Make two layers, of the context and of nothing."""
    tars = [packed(context), packed(context / "none")]
    config = {
        "config": {"Cmd": ["/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]},
    }
    return config, [("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress(tar, mtime=0)) for tar in tars]


class Kept:
    """Layers in the places that `--cache-repo` says, by the words of all instructions up to theirs."""

    def __init__(self, given: Flags) -> None:
        self.place = given.get("cache-repo", [""])[0].removeprefix("oci:") if given["cache"] == ["true"] else ""
        self.writes = given.get("no-push-cache") != ["true"]

    def at(self, words: str) -> Path:
        """Return where the layer of an instruction is."""
        return Path(f"{self.place}:{hashlib.sha256(words.encode()).hexdigest()}")

    def find(self, words: str) -> bytes | None:
        """Return the layer that was kept."""
        if not self.place:
            return None
        log(f"Checking for cached layer oci:{self.at(words)}...")
        try:
            index = json.loads((self.at(words) / "index.json").read_text())
        except OSError:
            return None
        blobs = self.at(words) / "blobs" / "sha256"
        manifest = json.loads((blobs / index["manifests"][0]["digest"].partition(":")[2]).read_text())
        log(f"Using caching version of cmd: {words.splitlines()[-1]}")
        found = blobs / str(manifest["layers"][0]["digest"]).partition(":")[2]
        return found.read_bytes()

    def add(self, words: str, layer: bytes) -> None:
        """Keep a layer."""
        if self.place and self.writes:
            log(f"Pushing layer oci:{self.at(words)} to cache now")
            config = {"created": datetime.now(UTC).isoformat(), "rootfs": {"type": "layers", "diff_ids": []}}
            write_image(self.at(words), config, [("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)], {})


def log(words: str) -> None:
    """Write a line as the real one's logger does."""
    sys.stderr.write(f'time="2026-01-01T00:00:00Z" level=info msg={json.dumps(words)}\n')


def record(given: Flags, arguments: dict[str, str], text: str, ignore: str | None) -> None:
    """Note what was given, a line for each build."""
    seen = {
        "argv": sys.argv[1:],
        "environment": sorted(os.environ),
        "arguments": arguments,
        "dockerfile": text,
        "ignore": ignore,
        "logins": sorted(json.loads((Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text())["auths"]),
        "cwd": str(Path.cwd()),
    }
    with (Path(given["oci-layout-path"][0]).parent.parent / "record.json").open("a") as records:
        records.write(f"{json.dumps(seen)}\n")


def built(
    given: Flags, arguments: dict[str, str], text: str, ignore: str | None
) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """Build in our root where we have one of our own, as the program beside us does; else from the context alone."""
    context = Path(given["context"][0].removeprefix("dir://"))
    kept = Kept(given)
    if importlib.util.find_spec("root_builds") is None:
        config, layers = context_image(context)
        first, *lines = text.splitlines()
        for line in lines:
            if kept.find(f"{first}\n{line}") is None:
                kept.add(f"{first}\n{line}", layers[0][1])
        return config, layers
    # It is there only where we were packed for a root of our own.
    root_builds = importlib.import_module("root_builds")

    root = root_builds.Root(keeps_var_run=given["ignore-var-run"] != ["false"])
    build = root_builds.Build(context, arguments, ignore, root, kept)
    try:
        image = build.run(text, given.get("target", [""])[0])
    except root_builds.Failed as fault:
        if RELEASE != "v1.24.0":
            root.wipe()
        sys.stderr.write(f"{fault}\n")
        sys.exit(fault.status)
    root.wipe()
    return image.config, image.layers


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
    rules = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    # The real one copies both beside itself, and would find the rules of an earlier build there.
    for file in (dockerfile, rules):
        if file.exists():
            (HERE / file.name).write_text(file.read_text())
    ignore = (HERE / rules.name).read_text() if (HERE / rules.name).exists() else None
    record(given, arguments, text, ignore)
    if found := re.search(r"^# exit (\d+)$", text, re.MULTILINE):
        sys.stderr.write("error building image: error building stage: failed to execute command\n")
        sys.exit(int(found[1]))
    if re.search(r"^# hang$", text, re.MULTILINE):
        child = subprocess.Popen(["/bin/sleep", "1000"], process_group=0)
        (layout.parent.parent / "child").write_text(str(child.pid))
        signal.pause()
    config, layers = built(given, arguments, text, ignore)
    system, architecture, *_ = given["custom-platform"][0].split("/")
    digest = write_image(layout, config | {"os": system, "architecture": architecture}, layers, given)
    Path(given["digest-file"][0]).write_text(digest)
    log("Skipping push to container registry due to --no-push flag")


main()
