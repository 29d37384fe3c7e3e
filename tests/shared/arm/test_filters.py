"""`$filter` of runs: what az sends, what the grammar allows, and a clear refusal of the rest."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.arm.filters import Facts, parse_filter, parse_resource_type
from shared.errors import InvalidRequest

RUN: Facts = {
    "taskname": "nightly",
    "status": "Failed",
    "createtime": "2026-11-20T10:00:00.0000000+00:00",
    "outputimagemanifests": ["hello@sha256:aa", "hello/two@sha256:bb"],
    "agentpoolname": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, True),
        ("", True),
        ("   ", True),
        ("TaskName eq 'nightly'", True),
        ("taskname EQ 'Nightly'", True),
        ("TaskName eq 'other'", False),
        ("TaskName ne 'other'", True),
        ("TaskName eq 'nightly' and Status eq 'Failed'", True),
        ("TaskName eq 'nightly' and Status eq 'Succeeded'", False),
        ("Status eq 'Succeeded' or Status eq 'Failed'", True),
        ("Status eq Failed", True),
        ("(Status eq 'x' or Status eq 'Failed') and TaskName eq 'nightly'", True),
        ("Status eq 'x' or Status eq 'Failed' and TaskName eq 'other'", False),
        ("contains(OutputImageManifests, 'hello/two@sha256:bb')", True),
        ("contains(OutputImageManifests, 'hello@sha256:cc')", False),
        ("properties/status eq 'Failed'", True),
        ("CreateTime ge 2026-11-20", True),
        ("CreateTime lt '2026-11-20'", False),
        ("AgentPoolName eq 'p'", False),
        ("TaskName eq 'it''s'", False),
    ],
)
def test_filters(text: str | None, expected: bool) -> None:  # noqa: FBT001 - a parametrised expectation
    assert parse_filter(text)(RUN) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Status",
        "Status eq",
        "eq 'x'",
        "Nonsense eq 'x'",
        "Status is 'x'",
        "not Status eq 'x'",
        "Status eq 'x' and",
        "Status eq 'x' Status eq 'y'",
        "contains(Status 'x')",
        "startswith(Status, 'x')",
        "(Status eq 'x'",
        "Status eq 'x",
        "Status eq 'x' ; drop",
        "x" * 3000,
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"\$filter"):
        parse_filter(text)


@given(st.text(alphabet="()', abcStatusTaskNameandoreq'contains", max_size=120))
def test_any_text_is_a_filter_or_an_invalid_request(text: str) -> None:
    with suppress(InvalidRequest):
        assert parse_filter(text)(RUN) in {True, False}


def test_parentheses_nest_only_so_deep() -> None:
    assert parse_filter("(" * 40 + "Status eq 'Failed'" + ")" * 40)(RUN)
    with pytest.raises(InvalidRequest, match="nested"):
        parse_filter("(" * 950 + "Status eq 'Failed'" + ")" * 950)


def test_the_type_of_a_resource_list() -> None:
    assert parse_resource_type("resourceType eq 'Microsoft.ContainerRegistry/registries'") == (
        "microsoft.containerregistry/registries"
    )
    assert parse_resource_type(None) is None
    with pytest.raises(InvalidRequest):
        parse_resource_type("name eq 'x'")
