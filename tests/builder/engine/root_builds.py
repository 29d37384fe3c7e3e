"""What the stand-in for kaniko does in a root of its own: builds small Dockerfiles there, as the real one would.

Each stage is unpacked over `/` and wiped afterwards, but for mounts and `/kaniko`; a `RUN` is a process of this root;
what changed is found by looking. Standard library alone, and no more of the language than the tests speak.
"""

import fnmatch
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

KANIKO = Path("/kaniko")
DOCKER = "application/vnd.docker"
MANIFEST = f"{DOCKER}.distribution.manifest.v2+json"
type Layer = tuple[str, bytes]
type Snapshot = dict[str, tuple[object, ...]]


def say(message: str, level: str = "info") -> None:
    """Write a line as the real one's logger does with `--log-format=text`."""
    sys.stderr.write(f'time="2026-01-01T00:00:00Z" level={level} msg={json.dumps(message)}\n')
    sys.stderr.flush()


class Failed(Exception):
    """Why a stage could not be built, and the status to end with."""

    def __init__(self, why: str, status: int = 1) -> None:
        super().__init__(f"error building image: error building stage: {why}")
        self.status = status


def fail(why: str, status: int = 1) -> NoReturn:
    raise Failed(why, status)


def fetch(reference: str, kind: str, name: str) -> tuple[str, bytes]:
    """Return the media type and body of a manifest or blob, with the login that Docker's file has."""
    registry, _, repository = reference.partition("/")
    auths = json.loads((Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text())["auths"]
    token = auths.get(registry, {}).get("registrytoken")
    headers = {"Accept": f"{MANIFEST}, application/vnd.oci.image.manifest.v1+json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    scheme = "http" if registry.startswith("127.0.0.1:") else "https"
    url = f"{scheme}://{registry}/v2/{repository}/{kind}/{name}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http or https
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - to the test's registry
            return answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as fault:
        fail(f"GET {request.full_url}: unexpected status code {fault.code}")


class Image:
    """A configuration and layers, each with its media type."""

    def __init__(self, config: dict[str, Any], layers: list[Layer], media_type: str = MANIFEST) -> None:
        self.config, self.layers, self.media_type = config, layers, media_type

    @classmethod
    def empty(cls) -> "Image":
        return cls({"config": {}, "history": [], "rootfs": {"type": "layers", "diff_ids": []}}, [])

    @classmethod
    def pull(cls, reference: str) -> "Image":
        say(f"Retrieving image manifest {reference}")
        repository, _, digest = reference.partition("@")
        folder, slash, last = repository.rpartition("/")
        repository, tag = f"{folder}{slash}{last.partition(':')[0]}", last.partition(":")[2] or "latest"
        media_type, body = fetch(repository, "manifests", digest or tag)
        manifest = json.loads(body)
        config = json.loads(fetch(repository, "blobs", manifest["config"]["digest"])[1])
        layers = [(one["mediaType"], fetch(repository, "blobs", one["digest"])[1]) for one in manifest["layers"]]
        return cls(config, layers, media_type)

    def copy(self) -> "Image":
        return Image(json.loads(json.dumps(self.config)), list(self.layers), self.media_type)

    def add(self, tar: bytes, said: str) -> None:
        is_oci = "oci" in self.media_type
        kind = "application/vnd.oci.image.layer.v1.tar+gzip" if is_oci else f"{DOCKER}.image.rootfs.diff.tar.gzip"
        self.layers.append((kind, gzip.compress(tar, mtime=0)))
        self.config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(tar).hexdigest()}")
        self.config.setdefault("history", []).append({"author": "kaniko", "created_by": said})


class Root:
    """The root of this process, without what kaniko leaves alone."""

    def __init__(self, *, keeps_var_run: bool) -> None:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        self.ignored = {line.split()[4] for line in lines} - {"/"} | {str(KANIKO), "/etc/mtab"}
        self.ignored |= {"/var/run"} if keeps_var_run else set()

    def is_ignored(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self.ignored)

    def wipe(self) -> None:
        say("Deleting filesystem...")
        self._wipe(Path("/"))

    def _wipe(self, folder: Path) -> None:
        for entry in folder.iterdir():
            path = str(entry)
            if self.is_ignored(path):
                continue
            if any(one.startswith(f"{path}/") for one in self.ignored):
                self._wipe(entry)
            else:
                remove(entry)

    def unpack(self, image: Image) -> None:
        for _, blob in image.layers:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as tar:
                for entry in tar:
                    path = Path("/", entry.name)
                    if path.name.startswith(".wh."):
                        remove(path.with_name(path.name.removeprefix(".wh.")))
                    elif not self.is_ignored(str(path)):
                        if not entry.isdir():
                            remove(path)
                        tar.extract(entry, "/", filter="fully_trusted")

    def files(self) -> Iterator[Path]:
        for folder, names, files in os.walk("/"):
            names[:] = [name for name in names if not self.is_ignored(str(Path(folder, name)))]
            yield from (Path(folder, name) for name in (*names, *files))

    def look(self) -> Snapshot:
        found: Snapshot = {}
        for path in self.files():
            seen = path.lstat()
            if not self.is_ignored(str(path)):
                size = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_size
                when = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_mtime_ns
                found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, size, when)
        return found

    def changes(self, before: Snapshot) -> bytes:
        """Return a layer of what differs now; empty when nothing does."""
        now = self.look()
        raw = io.BytesIO()
        count = 0
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for path in sorted(now):
                if before.get(path) != now[path]:
                    count += 1
                    tar.add(path, path.removeprefix("/"), recursive=False)
            for path in sorted(before.keys() - now.keys()):
                if str(Path(path).parent) in {*now, "/"}:
                    count += 1
                    tar.addfile(tarfile.TarInfo(str(Path(path).with_name(f".wh.{Path(path).name}")).removeprefix("/")))
        return raw.getvalue() if count else b""


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = iter(text.splitlines())
    for line in lines:
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1] + next(lines)
        keyword, _, rest = whole.strip().partition(" ")
        if found := re.search(r"<<(\w+)$", rest):
            body = []
            while (more := next(lines)) != found[1]:
                body.append(more)
            rest = "\n".join(body)
        if keyword and not keyword.startswith("#"):
            yield keyword.upper(), rest.strip()


class Build:
    """One Dockerfile being built."""

    def __init__(
        self, context: Path, arguments: dict[str, str], ignore: str | None, root: Root, kept: Any = None
    ) -> None:
        self.context, self.arguments, self.root, self.kept = context, arguments, root, kept
        self.words = ""
        self.ignore = (ignore or "").split()
        self.stages: dict[str, Image] = {}
        self.image = Image.empty()
        self.known: dict[str, str] = {}

    def run(self, text: str, target: str) -> Image:
        count = 0
        for keyword, rest in instructions(text):
            if keyword == "FROM":
                if count:
                    self.end_stage(count - 1)
                    if target and target in self.stages:
                        return self.stages[target]
                self.start_stage(rest, count)
                count += 1
                continue
            say(f"{keyword} {rest}")
            files = sorted(path for path in self.context.rglob("*") if path.is_file()) if keyword == "COPY" else []
            known = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
            self.words += f"\n{known}\n{keyword} {rest}"
            if keyword in {"RUN", "COPY"} and self.take():
                continue
            handle = getattr(self, f"do_{keyword.lower()}", None)
            if handle is None:
                fail(f"{keyword} is not a supported command")
            handle(rest)
        return self.image

    def take(self) -> bool:
        """Take the layer of an instruction from those that were kept, if it is there."""
        layer = self.kept.find(self.words) if self.kept else None
        if layer is None:
            return False
        tar = gzip.decompress(layer)
        self.root.unpack(Image({}, [("", layer)]))
        self.image.add(tar, self.words.splitlines()[-1])
        return True

    def start_stage(self, rest: str, number: int) -> None:
        words = rest.split()
        base = self.filled(words[0])
        self.name = words[2] if len(words) > 2 else str(number)
        if base == "scratch":
            self.image = Image.empty()
        else:
            self.image = self.stages[base].copy() if base in self.stages else Image.pull(base)
        say(f"Building stage '{base}' [idx: '{number}', base-idx: '-1']")
        self.root.unpack(self.image)
        self.known = {}
        self.words = f"{base} {self.image.config['rootfs']['diff_ids']}"

    def end_stage(self, number: int) -> None:
        kept = KANIKO / "deps" / str(number)
        for path in self.root.files():
            copy = kept / str(path).removeprefix("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                copy.symlink_to(path.readlink())
            elif path.is_dir():
                copy.mkdir(exist_ok=True)
            elif path.is_file() and not self.root.is_ignored(str(path)):
                shutil.copy2(path, copy)
        self.stages |= {self.name: self.image, str(number): self.image}
        (KANIKO / "deps" / self.name).symlink_to(str(number)) if not self.name.isdecimal() else None
        self.root.wipe()

    @property
    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = self.image.config["config"]
        return found

    @property
    def environment(self) -> dict[str, str]:
        given = dict(line.split("=", 1) for line in self.settings.get("Env") or [])
        return self.known | given

    def filled(self, text: str) -> str:
        known = self.arguments | self.environment
        return re.sub(r"\$\{?(\w+)\}?", lambda found: known.get(found[1], ""), text)

    def do_arg(self, rest: str) -> None:
        name, _, usual = rest.partition("=")
        self.known[name] = self.arguments.get(name, self.filled(usual))

    def do_env(self, rest: str) -> None:
        for word in shlex.split(rest):
            self.settings.setdefault("Env", []).append(self.filled(word))

    def do_label(self, rest: str) -> None:
        self.settings.setdefault("Labels", {}).update(word.split("=", 1) for word in shlex.split(self.filled(rest)))

    def do_user(self, rest: str) -> None:
        self.settings["User"] = self.filled(rest)

    def do_workdir(self, rest: str) -> None:
        place = str(Path(self.settings.get("WorkingDir") or "/") / self.filled(rest))
        self.settings["WorkingDir"] = place
        before = self.root.look()
        Path(place).mkdir(parents=True, exist_ok=True)
        self.save(before, f"WORKDIR {rest}")

    def do_cmd(self, rest: str) -> None:
        self.settings["Cmd"] = json.loads(rest) if rest.startswith("[") else ["/bin/sh", "-c", rest]

    def save(self, before: Snapshot, said: str) -> None:
        if layer := self.root.changes(before):
            self.image.add(layer, said)
            if self.kept and not said.startswith("WORKDIR"):
                self.kept.add(self.words, self.image.layers[-1][1])

    def do_copy(self, rest: str) -> None:
        flags = [word for word in rest.split() if word.startswith("--")]
        *sources, target = (word for word in rest.split() if not word.startswith("--"))
        stage = next((flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")), None)
        before = self.root.look()
        where = self.context if stage is None else KANIKO / "deps" / stage
        for source in sources:
            self.copy(where / source.lstrip("/"), target, ignore=self.ignore if stage is None else [])
        self.save(before, f"COPY {rest}")

    def copy(self, source: Path, target: str, *, ignore: list[str]) -> None:
        there = Path(self.settings.get("WorkingDir") or "/") / target
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                name = str(path.relative_to(self.context)) if path.is_relative_to(self.context) else ""
                if path.is_file() and not any(fnmatch.fnmatch(name, rule) for rule in ignore):
                    (there / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, there / path.relative_to(source))
            return
        if not source.exists():
            fail(f"failed to execute command: resolving src: {source} does not exist")
        there = there / source.name if target.endswith("/") else there
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, there)

    def do_run(self, rest: str) -> None:
        mount, environment = "", self.environment
        if found := re.match(r"--mount=(\S+)\s+(.*)", rest, re.DOTALL):
            mount, rest = found[1], found[2]
        fields = dict(one.partition("=")[::2] for one in mount.split(","))
        secret = Path("/run/secrets", fields.get("id", ""))
        before = self.root.look()
        if fields.get("type") == "secret":
            secret.parent.mkdir(parents=True)
            secret.write_text(os.environ[fields["id"]])
        argv = json.loads(rest) if rest.startswith("[") else ["/bin/sh", "-c", rest]
        tini = ["/kaniko/tini", "-s", "--"] if os.environ.get("FF_KANIKO_RUN_VIA_TINI") else []
        user, home = self.account()
        environment.setdefault("HOME", home)
        say(f"Running: {argv}")
        done = subprocess.run(
            [*tini, *argv],
            env=environment,
            cwd=self.settings.get("WorkingDir") or "/",
            stdin=subprocess.DEVNULL,
            check=False,
            user=user,
            process_group=0,
        )
        if fields.get("type") == "secret":
            shutil.rmtree(secret.parent)
        if done.returncode:
            fail(
                f"failed to execute command: waiting for process to exit: exit status {done.returncode}",
                done.returncode,
            )
        self.save(before, f"RUN {rest}")

    def account(self) -> tuple[int | None, str]:
        name = (self.settings.get("User") or "").partition(":")[0]
        if not name:
            return None, "/root"
        for line in Path("/etc/passwd").read_text().splitlines():
            found = line.split(":")
            if name in {found[0], found[2]}:
                return int(found[2]), found[5]
        return int(name), "/"
