"""The command lines of steps, as shell text. Pure.

Sources: the flags and their order are those of ACR Tasks' engine. What a task writes stays unquoted, because task
files quote it themselves and rely on the shell; what we add is made of safe characters.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from builder.engine.protocol import Annotations, Container, TextBuild
from builder.engine.sandbox import HOME, WORKSPACE
from shared.grant import NamedValue
from shared.images.references import Reference

SOCKET: Final = "/var/run/docker.sock"
_ID: Final = re.compile(r"[\w.-]+", re.ASCII)


def docker_run(container: Container, volume: str, socket: str) -> str:
    """Return the `docker run` of a step; `volume` is the workspace's, `socket` the daemon's."""
    return " ".join(("docker run", *_run_flags(container, volume, socket), container.command))


def _run_flags(container: Container, volume: str, socket: str) -> Iterator[str]:
    if not container.keep:
        yield "--rm"
    if container.detach:
        yield "--detach"
    yield from (f"-p {port}" for port in container.ports)
    yield from (f"--expose {port}" for port in container.expose)
    if container.privileged:
        yield "--privileged"
    named = {
        "--user": container.user,
        "--network": container.network,
        "--isolation": container.isolation,
        "--cpus": container.cpus,
        "--entrypoint": container.entry_point,
        "--name": container.name,
    }
    yield from (f"{flag} {value}" for flag, value in named.items() if value)
    volumes = {volume: WORKSPACE, socket: SOCKET, "home": HOME}
    yield from (f"--volume {source}:{target}" for source, target in volumes.items())
    yield from (f"--volume {mount.name}:{mount.mount_path}" for mount in container.volume_mounts)
    yield f"--env HOME={HOME}"
    yield from (f"--env {item}" for item in container.environment)
    if container.directory is not None:
        yield f"--workdir {container.directory}"


def docker_build(build: TextBuild, client: str) -> str:
    """Return the call of a build step; `client` calls the program that `client_script` makes."""
    return " ".join(("env", *build.environment, client, build.text))


KEEPING: Final = "--output=type=cacheonly"
"""Makes layers and no image."""
IMAGE: Final = "--output=type=image,oci-mediatypes=true"
"""Puts the image into the daemon, as it would be without the flag, but with a manifest that can hold annotations."""


def cache_to(reference: Reference) -> str:
    """Return the flag that keeps all layers of a build, those of every stage, as a manifest that any registry takes."""
    return f"--cache-to=type=registry,ref={reference},mode=max,image-manifest=true,oci-mediatypes=true"


def annotate(annotations: Annotations) -> list[str]:
    """Return the flags that make an image with annotations; none for an image without."""
    places = ("manifest", "index") if annotations.on_index else ("manifest",)
    said = [f"--annotation={place}:{name}={value}" for place in places for name, value in annotations.values.items()]
    return [IMAGE, *said] if said else []


def mounted(arguments: Iterable[NamedValue]) -> list[str]:
    """Return the flags by which a secret build argument can be mounted, too: its id is its name.

    The value comes from the environment. A name that these flags cannot tell stays an argument alone.
    """
    secret = dict.fromkeys(one.name for one in arguments if one.is_secret and _ID.fullmatch(one.name))
    return [f"--secret=id={name},env={name}" for name in secret]


def client_script(place: str, build: TextBuild) -> str:
    """Return a program that calls buildx with its own words, which the shell has split, and then ours.

    Of a flag given twice docker takes the last: so the Dockerfile in `place`, whose bases are pinned, is used.
    """
    ours = [f"--file={place}/Dockerfile"]
    ours += [f"--cache-from=type=registry,ref={build.cache}"] if build.cache else []
    ours += [cache_to(build.keeps), KEEPING] if build.keeps else []
    said = [] if build.keeps else annotate(build.annotations)
    before = shlex.join(["--progress=plain", "--provenance=false", "--sbom=false", *said])
    return f'export DOCKER_CONFIG={place}/config\nexec docker buildx build {before} "$@" {" ".join(ours)}\n'
