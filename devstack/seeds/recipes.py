"""The base images that a local registry starts with, and how each root file system is made."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.seeds.oci_layout import ImageConfig
from devstack.setup import mirror, packages
from devstack.setup.run import run

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUITE = "bookworm"
BUILDER_SUITE = "trixie"
"""What the builder's own Dockerfile stands on."""
EDITION = "1"
"""Part of each cache key: raise it when a recipe changes."""

OWN_MOUNTS = ("unshare", "--mount", "--propagation=private")
"""debootstrap mounts /proc in its target; killed, it must not leave that to who cleans up."""

AUTHORITIES = Path("usr/local/share/ca-certificates")
"""Where Debian keeps the certificate authorities that somebody added to a machine."""

type Fill = Callable[[Path, Path], None]
"""Makes a root file system in the first directory; the second is for scratch."""


@dataclass(frozen=True)
class Seed:
    """One base image."""

    repository: str
    tags: tuple[str, ...]
    fill: Fill
    config: ImageConfig
    is_debian: bool = True

    @property
    def name(self) -> str:
        """The repository with its first tag."""
        return f"{self.repository}:{self.tags[0]}"

    @property
    def key(self) -> str:
        """The name of its directory in the cache."""
        parts = [self.repository, self.tags[0], EDITION]
        if self.is_debian and (added := added_authorities()):
            parts.append(hashlib.sha256(b"\0".join(path.read_bytes() for path in added)).hexdigest()[:8])
        return "-".join(parts).replace("/", "-")


def added_authorities() -> list[Path]:
    """List the authorities that this machine trusts beside Debian's: some networks put their own in the way."""
    return sorted((Path("/") / AUTHORITIES).glob("*.crt"))


def _foreign_busybox(architecture: str) -> Fill:
    """Make busybox for other machines, whose programs are the same as here: the list comes from ours."""

    def fill(root: Path, scratch: Path) -> None:
        (scratch / "foreign").mkdir()
        _busybox(root, scratch)
        package = mirror.fetch("busybox-static", SUITE, scratch / "foreign", architecture)
        run(("dpkg-deb", "--extract", str(package), str(scratch / "foreign" / "tree")), "Unpacking busybox-static")
        program = next(path for path in (scratch / "foreign").glob("tree/**/busybox") if path.is_file())
        shutil.copy2(program, root / "bin" / "busybox")

    return fill


def _busybox(root: Path, scratch: Path) -> None:
    package = mirror.fetch("busybox-static", SUITE, scratch)
    run(("dpkg-deb", "--extract", str(package), str(scratch / "tree")), "Unpacking busybox-static")
    program = next(path for path in scratch.glob("tree/**/busybox") if path.is_file())
    for folder in ("bin", "etc", "root", "home", "var/www"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)
    shutil.copy2(program, root / "bin" / "busybox")
    _link_applets(root, run((str(program), "--list-full"), "Asking busybox for its applets"))
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")


def _link_applets(root: Path, listing: str) -> None:
    for applet in listing.split():
        link = root / applet
        if applet == "bin/busybox" or link.is_symlink():
            continue
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("/bin/busybox")


def _debian(*include: str, suite: str = SUITE) -> Fill:
    def fill(root: Path, scratch: Path) -> None:
        del scratch
        extra = (f"--include={','.join(include)}",) if include else ()
        options = ("--variant=minbase", *extra, suite, str(root), mirror.debian())
        run((*OWN_MOUNTS, packages.require("debootstrap"), *options), "debootstrap")
        _trust_as_this_machine(root)
        for pattern in ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*_*"):
            for path in root.glob(pattern):
                path.unlink()
        for name in ("resolv.conf", "hostname"):
            (root / "etc" / name).unlink(missing_ok=True)

    return fill


def _trust_as_this_machine(root: Path) -> None:
    added = added_authorities()
    if not added:
        return
    for path in added:
        shutil.copy2(path, root / AUTHORITIES / path.name)
    run((*OWN_MOUNTS, "chroot", str(root), "update-ca-certificates"), "Adding this machine's certificate authorities")


_ENVIRONMENT = {"PATH": PATH}

BUSYBOX = Seed("base/busybox", ("1.35", "1"), _busybox, ImageConfig(("sh",), _ENVIRONMENT), is_debian=False)
BUSYBOX_ARM64, BUSYBOX_ARM, BUSYBOX_386 = (
    Seed(
        f"base/busybox-{name}",
        ("1.35",),
        _foreign_busybox(debian),
        ImageConfig(("sh",), _ENVIRONMENT, architecture=architecture, variant=variant),
        is_debian=False,
    )
    for name, debian, architecture, variant in (
        ("arm64", "arm64", "arm64", ""),
        ("arm", "armhf", "arm", "v7"),
        ("386", "i386", "386", ""),
    )
)
DEBIAN = Seed("base/debian", (SUITE, "12"), _debian("ca-certificates"), ImageConfig(("bash",), _ENVIRONMENT))
TRIXIE = Seed(
    "base/debian",
    (BUILDER_SUITE, "13"),
    _debian("ca-certificates", suite=BUILDER_SUITE),
    ImageConfig(("bash",), _ENVIRONMENT),
)
NODE = Seed(
    "base/node", ("18", f"18-{SUITE}"), _debian("ca-certificates", "nodejs"), ImageConfig(("node",), _ENVIRONMENT)
)
PYTHON = Seed(
    "base/python",
    ("3.11", f"3.11-{SUITE}"),
    _debian("ca-certificates", "python3", "python3-venv", "python3-pip"),
    ImageConfig(("python3",), _ENVIRONMENT),
)

SEEDS: Mapping[str, Seed] = {
    "busybox": BUSYBOX,
    "debian": DEBIAN,
    "trixie": TRIXIE,
    "node": NODE,
    "python": PYTHON,
    "busybox-arm64": BUSYBOX_ARM64,
    "busybox-arm": BUSYBOX_ARM,
    "busybox-386": BUSYBOX_386,
}
"""Under the names that `./dev seed` takes."""
