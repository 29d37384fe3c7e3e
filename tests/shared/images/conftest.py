"""Registries that the tests of this folder share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.shared.images.local_registry import LocalRegistry, running_registry

type StartRegistry = Callable[..., LocalRegistry]

_USERS = "owner:$2b$04$e120gMMiKQHPGbk/t857L.nfrcfjtp891SZvG151F.6iDA1sghjsG\n"


@pytest.fixture(scope="session")
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRegistry]:
    """Start registries that end with the test session."""
    with ExitStack() as running:

        def start(auth: dict[str, Any] | None = None, login: httpx.Auth | None = None) -> LocalRegistry:
            folder = tmp_path_factory.mktemp("registry") / "run"
            return running.enter_context(running_registry(folder, auth or {}, login))

        yield start


@pytest.fixture(scope="session")
def open_registry(start_registry: StartRegistry) -> LocalRegistry:
    """Share a registry that asks for no login."""
    return start_registry()


@pytest.fixture(scope="session")
def locked_registry(start_registry: StartRegistry, tmp_path_factory: pytest.TempPathFactory) -> LocalRegistry:
    """Share a registry that lets nobody in but `owner` by a password."""
    users = tmp_path_factory.mktemp("users") / "htpasswd"
    users.write_text(_USERS)
    auth = {"htpasswd": {"realm": "tests", "path": str(users)}}
    return start_registry(auth, httpx.BasicAuth("owner", "opensesame"))
