"""Real parts for tests: an Azurite of their own."""

from collections.abc import Iterator

import pytest

from devstack.setup.azurite_account import AzuriteAccount, azurite_account


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteAccount]:
    """Run an Azurite in memory."""
    with azurite_account() as account:
        yield account
