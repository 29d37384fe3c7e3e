"""Every published answer of Azure Container Instances, as the app understands it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.container_groups.views import group_state
from shared.container_groups.loss import LossKind
from shared.container_groups.service import NO_ROOM, ContainerGroups, GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import Conflict, SlipwayError, Throttled, Unavailable
from shared.grant import StepContainer
from shared.settings import BuilderKind
from tests.shared.container_groups.cloud import IMAGE, Cloud, client_of

REQUEST = GroupRequest("slipway-reg-c1-1", "westeurope", "token")
SPOT = GroupRequest("slipway-reg-c1-1", "westeurope", "token", kind=BuilderKind.CONFINED, is_spot=True)


def refusing(answer: str, **headers: str) -> ContainerGroups:
    status, code = answer.split()
    body = json.dumps({"error": {"code": code, "message": "No."}}).encode()
    return client_of(lambda *_: (int(status), {name.replace("_", "-"): value for name, value in headers.items()}, body))


@pytest.mark.parametrize(
    ("answer", "headers", "pause", "is_of_region"),
    [
        ("429 TooManyRequests", {"Retry_After": "37"}, 37, False),
        ("429 SubscriptionRequestsThrottled", {}, 10, False),
        ("429 TooManyRequests", {"Retry_After": "Sat, 21 Nov 2026 10:00:00 GMT"}, 10, False),
        ("409 ContainerGroupQuotaReached", {}, 60, True),
        ("400 ContainerGroupQuotaReached", {"Retry_After": "90"}, 90, True),
        ("409 ServiceUnavailable", {}, 60, True),
        ("503 ServiceUnavailable", {"Retry_After": "5"}, 5, True),
        ("409 ResourceRequestsNotAvailable", {}, 60, True),
        ("409 RegistryErrorResponse", {}, 10, False),
    ],
)
def test_what_azure_refuses_for_now_is_asked_again(
    answer: str, headers: dict[str, str], pause: int, *, is_of_region: bool
) -> None:
    with pytest.raises(Throttled) as refused:
        refusing(answer, **headers).start(REQUEST)
    assert refused.value.retry_after == pause
    assert (refused.value.code == NO_ROOM) is is_of_region
    assert "token" not in refused.value.message


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("400 InaccessibleImage", Conflict),
        ("400 InvalidRequestContent", Conflict),
        ("403 AuthorizationFailed", Conflict),
        ("404 ResourceGroupNotFound", Conflict),
        ("500 InternalServerError", Unavailable),
        ("503 ServerTimeout", Unavailable),
    ],
)
def test_other_refusals_are_final_unless_azure_is_away(answer: str, error: type[SlipwayError]) -> None:
    with pytest.raises(error, match="slipway-reg-c1-1"):
        refusing(answer).start(REQUEST)


@pytest.mark.parametrize(
    "code", ["InvalidContainerGroupUpdate", "InvalidResourceLocation", "ContainerGroupTransitioning"]
)
def test_a_group_that_is_there_already_is_fine(code: str) -> None:
    refusing(f"409 {code}").start(REQUEST)


def test_a_group_on_its_way_is_deleted_later() -> None:
    with pytest.raises(Throttled):
        refusing("409 ContainerGroupTransitioning").delete("g")


def test_a_group_that_is_gone_is_deleted_and_absent() -> None:
    gone = refusing("404 ResourceNotFound")
    gone.delete("g")
    assert gone.state("g") is GroupState.ABSENT
    assert gone.loss("g") is None


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with Cloud(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("cause", "kind", "reason"),
    [
        ("capacity", LossKind.NO_ROOM, "no room for its container group in westeurope (InsufficientCapacity)"),
        ("quota", LossKind.QUOTA, "quota"),
        ("image", LossKind.IMAGE, "could not pull the image slipway/builder:test in westeurope."),
    ],
)
def test_a_group_that_was_accepted_and_then_failed_tells_why(
    cloud: Cloud, cause: str, kind: LossKind, reason: str
) -> None:
    assert cloud.ask("PUT", "/devstack/limits", fail_starts=1, fail_cause=cause).status_code == 200
    cloud.client.start(REQUEST)
    cloud.settle()
    assert cloud.client.state(REQUEST.name) is GroupState.ENDED
    told = cloud.client.loss(REQUEST.name)
    assert told is not None
    assert told.kind is kind
    assert reason in told.reason


def test_a_group_has_ended_with_its_builder_whoever_waits_beside_it(cloud: Cloud) -> None:
    steps = (StepContainer(step="a", image=IMAGE), StepContainer(step="b", image=IMAGE))
    cloud.client.start(replace(SPOT, steps=steps, is_spot=False))
    cloud.settle()
    assert cloud.client.state(SPOT.name) is GroupState.RUNNING
    (shim,) = [one for one in cloud.shims.made if one.orders]
    cloud.call(lambda: shim.end(137, "Error"))
    (group,) = cloud.groups.find("/")
    assert group_state(group.record, group.status) == "Running"
    assert cloud.client.state(SPOT.name) is GroupState.ENDED
    assert cloud.client.loss(SPOT.name) is None, "a regular one: nobody took it away"


@pytest.mark.parametrize("restarts", [False, True])
def test_a_spot_group_can_be_taken_away(cloud: Cloud, *, restarts: bool) -> None:
    cloud.client.start(SPOT)
    cloud.settle()
    assert cloud.client.state(SPOT.name) is GroupState.RUNNING
    assert cloud.client.loss(SPOT.name) is None
    assert cloud.ask("POST", "/devstack/evictions", group=SPOT.name, restarts=restarts).status_code == 204
    cloud.settle()
    told = cloud.client.loss(SPOT.name)
    if restarts:
        assert cloud.client.state(SPOT.name) is GroupState.RUNNING
        assert (told, len(cloud.begun)) == (None, 2)
    else:
        assert cloud.client.state(SPOT.name) is GroupState.ENDED
        assert told is not None
        assert told.kind is LossKind.EVICTED


def test_nobody_takes_a_regular_group_away(cloud: Cloud) -> None:
    cloud.client.start(REQUEST)
    cloud.settle()
    assert cloud.ask("POST", "/devstack/evictions", group=REQUEST.name).json()["error"]["code"] == "NotSpot"
    assert cloud.ask("POST", "/devstack/evictions", group="nobody").status_code == 404
    assert cloud.ask("POST", "/devstack/evictions", grp="x").status_code == 400
    assert cloud.client.state(REQUEST.name) is GroupState.RUNNING
