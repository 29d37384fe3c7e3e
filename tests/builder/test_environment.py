"""The group's token is read once and then gone."""

from pathlib import Path

import pytest

from builder.environment import confined, take
from shared.errors import InvalidRequest

FULL = {
    "SLIPWAY_URL": "https://localhost:7443/",
    "SLIPWAY_GROUP": "g1",
    "SLIPWAY_GROUP_TOKEN": "tok",
    "SLIPWAY_CA_BUNDLE": "PEM",
    "PATH": "/bin",
}


def test_the_token_leaves_the_environment() -> None:
    environ = dict(FULL)
    found = take(environ)
    assert (found.url, found.group, found.token, found.ca_bundle) == ("https://localhost:7443", "g1", "tok", "PEM")
    assert "SLIPWAY_GROUP_TOKEN" not in environ
    assert "tok" not in repr(found)


@pytest.mark.parametrize("name", ["SLIPWAY_URL", "SLIPWAY_GROUP", "SLIPWAY_GROUP_TOKEN"])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(InvalidRequest, match=name):
        take({key: value for key, value in FULL.items() if key != name})


def test_the_extra_authorities_are_optional() -> None:
    environ = dict(FULL)
    del environ["SLIPWAY_CA_BUNDLE"]
    assert not take(environ).ca_bundle


def test_a_confined_builder_works_where_kaniko_wipes_nothing() -> None:
    paths = confined(Path("/kaniko/executor"))
    home = Path("/kaniko/slipway")
    places = {paths.private, paths.workspace, paths.images, paths.shared, paths.home}
    assert len(places) == 5
    assert {place.parent for place in places} == {home}
