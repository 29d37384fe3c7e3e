"""An az that cannot write source triggers is spared them, or told what to do."""

from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.tasks.az_update import Shown, for_az, source_triggers_for

NEWEST = "AZURECLI/2.91.0 azsdk-python-core/1.39.0 Python/3.13.0"


@pytest.mark.parametrize(
    ("options", "agent", "shown"),
    [
        ("-n -r --cpu", NEWEST, Shown.NONE),
        ("-n -r --cmd --status --no-cache -o", NEWEST, Shown.NONE),
        ("-n -r --cpu", "AZURECLI/2.67.0 x", Shown.NONE),
        ("-n -r --commit-trigger-enabled", NEWEST, Shown.REFUSAL),
        ("-n -r --commit", NEWEST, Shown.REFUSAL),
        ("-n -r --pull-request-trigger-enabled --cpu", NEWEST, Shown.REFUSAL),
        ("-n -r -c", NEWEST, Shown.REFUSAL),
        ("-n -r --git-access-token", "AZURECLI/2.86.0 (PIP) x", Shown.REFUSAL),
        ("-n -r -c", "AZURECLI/2.84.0 x", Shown.ALL),
        ("-n -r -c", "AZURECLI/2.92.0 x", Shown.ALL),
        ("-n -r -c", "curl/8", Shown.ALL),
    ],
)
def test_what_of_source_triggers_an_update_is_shown(options: str, agent: str, shown: Shown) -> None:
    headers = {"commandname": "acr task update", "parametersetname": options, "user-agent": agent}
    assert source_triggers_for(headers) is shown


@pytest.mark.parametrize("headers", [{}, {"commandname": "acr task show"}, {"commandname": "acr task timer remove"}])
def test_whoever_else_asks_is_shown_all(headers: dict[str, str]) -> None:
    assert source_triggers_for(headers | {"user-agent": NEWEST}) is Shown.ALL


def test_an_update_of_unknown_options_may_mean_source_triggers() -> None:
    assert source_triggers_for({"commandname": "acr task update"}) is Shown.ALL


def test_details_without_source_triggers_still_have_triggers() -> None:
    headers = {"commandname": "acr task update", "parametersetname": "-n -r --cpu", "user-agent": NEWEST}
    details = {"name": "t", "properties": {"timeout": 300, "trigger": {"sourceTriggers": [{"name": "s"}]}}}
    assert for_az(details, headers)["properties"] == {"timeout": 300, "trigger": {"timerTriggers": []}}
    assert for_az(details, {})["properties"]["trigger"] == {"sourceTriggers": [{"name": "s"}]}


def test_an_az_that_would_fail_is_told_what_to_do() -> None:
    headers = {"commandname": "acr task update", "parametersetname": "-n -r -c", "user-agent": NEWEST}
    with pytest.raises(InvalidRequest, match="az acr task create"):
        for_az({"properties": {"trigger": {"sourceTriggers": [{"name": "s"}]}}}, headers)
    plain: dict[str, Any] = {"properties": {"trigger": {"timerTriggers": []}}}
    assert for_az(plain, headers) == plain
