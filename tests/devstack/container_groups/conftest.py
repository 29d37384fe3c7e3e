"""Container-group services for tests; all are ended, with their groups, afterwards."""

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.builder_image.layers import ensure
from devstack.tls.authority import TlsFiles
from devstack.tls.authority import ensure as ensure_tls
from tests.devstack.container_groups.running import CHECKOUT, Service, free_port

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "slipway"


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return ensure_tls(tmp_path_factory.mktemp("tls"), dt.datetime.now(dt.UTC))


@pytest.fixture(scope="module")
def make_service(tmp_path_factory: pytest.TempPathFactory, tls: TlsFiles) -> Iterator[Callable[..., Service]]:
    """Make services with configuration changes; all are ended, with their groups, afterwards."""
    made: list[Service] = []

    def make(**changes: Any) -> Service:
        folder = tmp_path_factory.mktemp("service")
        config = {
            "listen": {"port": free_port()},
            "cert": str(tls.leaf),
            "key": str(tls.leaf_key),
            "state_dir": str(folder / "state"),
            **changes,
        }
        service = Service(folder, tls, config)
        made.append(service)
        service.start()
        return service

    yield make
    for service in made:
        if service.process is not None and service.process.poll() is not None:
            service.start()
        service.stop()


@pytest.fixture(scope="session")
def builder_image() -> dict[str, Any]:
    """Make the real builder image at first use."""
    image = ensure(CACHE, CHECKOUT)
    return {"lower": list(image.lower), "command": list(image.command), "env": list(image.environment)}
