"""What a container group tells its builder at the start, read once."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import InvalidRequest

_URL, _GROUP, _TOKEN, _CA = "SLIPWAY_URL", "SLIPWAY_GROUP", "SLIPWAY_GROUP_TOKEN", "SLIPWAY_CA_BUNDLE"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the app is and who we are. `ca_bundle` is PEM text of further authorities to trust."""

    url: str
    group: str
    token: str = field(repr=False)
    ca_bundle: str = ""


@dataclass(frozen=True, slots=True)
class Paths:
    """The directories of one builder.

    `private` (mode 0700) holds registry logins and what is being built; no step and no context ever sees it.
    `workspace` is the context. `images` is the engine's store. `shared` holds the engine's socket, and `home` the
    registry logins of the steps: both are open to every step.
    """

    private: Path = Path("/run/slipway")
    workspace: Path = Path("/workspace")
    images: Path = Path("/var/lib/docker")
    shared: Path = Path("/run/engine")
    home: Path = Path("/acb/home")


def confined(executor: Path) -> Paths:
    """Return the directories of a builder whose builds wipe the root: all of them beside kaniko, which it spares."""
    own = executor.parent / "slipway"
    return Paths(own / "private", own / "workspace", own / "images", own / "shared", own / "home")


def take(environ: MutableMapping[str, str]) -> Environment:
    """Read the variables and remove the token, so that no child process can inherit it.

    Raises InvalidRequest naming the variable that is missing.
    """
    token = environ.pop(_TOKEN, "")
    values = {name: environ.get(name, "") for name in (_URL, _GROUP)} | {_TOKEN: token}
    for name, value in values.items():
        if not value:
            raise InvalidRequest(f"the environment variable {name} is not set", target=name)
    return Environment(url=values[_URL].rstrip("/"), group=values[_GROUP], token=token, ca_bundle=environ.get(_CA, ""))
