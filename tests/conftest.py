"""Real parts for tests: an Azurite of their own."""

from collections.abc import Callable, Iterator

import pytest

from devstack.setup.azurite_account import AzuriteAccount, azurite_account
from shared.metrics import TALLY, Metric

type Counted = Callable[[Metric], dict[tuple[str, ...], int]]
"""What was counted of a metric, by its labels' values."""


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteAccount]:
    """Run an Azurite in memory."""
    with azurite_account() as account:
        yield account


@pytest.fixture
def counted() -> Iterator[Counted]:
    """Have the process count, and answer what it has counted of a metric, by its labels' values."""
    TALLY.listen(lambda: None)
    TALLY.take()

    def take(metric: Metric) -> dict[tuple[str, ...], int]:
        return {tuple(one.labels.values()): one.number for one in TALLY.take() if one.metric is metric}

    yield take
    TALLY.listen(None)
    TALLY.take()
