"""Sites that the tests of this folder call."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builder.contexts.web import Site, running_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path / "site") as running:
        yield running
