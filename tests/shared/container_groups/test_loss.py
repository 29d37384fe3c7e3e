"""Why a group fell, by what Azure says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.container_groups.loss import End, Happening, Loss, LossKind, Remains, loss_of

NO_ROOM = "The requested resource is not available in the location 'uksouth' at this moment. Please retry."
QUOTA = "Resource type 'x' container group quota 'StandardSpotCores' exceeded in region 'uksouth'."
PULL = "Failed to pull image 'reg.azurecr.io/builder:1': 401"
IMAGES = ("reg.azurecr.io/builder:1", "busybox")


def lost(*happenings: tuple[str, str], is_spot: bool = False, **members: object) -> Loss | None:
    known = tuple(Happening(*one) for one in happenings)
    remains = Remains("uksouth", is_spot, known, images=IMAGES)
    return loss_of(Remains(**{**remains.__dict__, **members}))


@pytest.mark.parametrize(
    ("name", "message", "kind", "reason"),
    [
        ("InsufficientCapacity.", NO_ROOM, LossKind.NO_ROOM, "for its container group in uksouth (InsufficientCapac"),
        ("Failed", NO_ROOM, LossKind.NO_ROOM, "no room"),
        ("ResourceRequestsNotAvailable", "", LossKind.NO_ROOM, "no room"),
        ("ContainerGroupQuotaReached", QUOTA, LossKind.QUOTA, "quota"),
        ("Failed", QUOTA, LossKind.QUOTA, "was used up in uksouth (Failed)."),
        ("Failed", PULL, LossKind.IMAGE, "could not pull the image reg.azurecr.io/builder:1 in uksouth."),
        ("InaccessibleImage", "", LossKind.IMAGE, "could not pull the image of its container group"),
        ("RegistryErrorResponse", "An error response is received from the docker registry", LossKind.IMAGE, "image"),
    ],
)
def test_a_group_that_never_began_fell_for_what_its_events_say(
    name: str, message: str, kind: LossKind, reason: str
) -> None:
    told = lost(("Pulling", "pulling image 'busybox'"), (name, message))
    assert told is not None
    assert (told.kind, told.region) == (kind, "uksouth")
    assert reason in told.reason
    begun = lost((name, message), has_begun=True)
    assert begun is None, "what came before the start is no cause of the end"


def test_the_image_of_a_step_is_named() -> None:
    told = lost(("Failed", "Failed to pull image 'busybox'."))
    assert told is not None
    assert told.image == "busybox"


@pytest.mark.parametrize(("name", "message"), [("Preempted", ""), ("Killing", "The spot container group was evicted.")])
def test_a_spot_group_that_was_evicted_is_told_by_its_event(name: str, message: str) -> None:
    told = lost((name, message), is_spot=True, has_begun=True)
    assert told is not None
    assert (told.kind, told.is_spot) == (LossKind.EVICTED, True)
    assert lost((name, message), has_begun=True) is None, "nobody evicts a regular one"


@pytest.mark.parametrize(
    ("end", "is_evicted"),
    [
        (End(137, "Error"), True),
        (End(143, "Error"), True),
        (End(None), True),
        (End(137, "OOMKilled"), False),
        (End(0, "Completed"), False),
        (End(1, "Error"), False),
    ],
)
def test_a_spot_group_that_was_killed_from_outside_counts_as_evicted(end: End, *, is_evicted: bool) -> None:
    told = lost(is_spot=True, end=end, has_begun=True)
    assert (told is not None) is is_evicted
    assert lost(end=end, has_begun=True) is None


TEXTS = st.text(max_size=40) | st.sampled_from(["quota", "Preempted", "InsufficientCapacity.\r\nx"])


@given(st.lists(st.tuples(TEXTS, st.text(max_size=200)), max_size=5), st.booleans())
def test_a_reason_is_one_printable_line_whatever_the_events_say(
    happenings: list[tuple[str, str]],
    is_spot: bool,  # noqa: FBT001 - hypothesis gives it by place
) -> None:
    told = lost(*happenings, is_spot=is_spot)
    assert told is None or (told.reason.isprintable() and len(told.reason) < 300)
