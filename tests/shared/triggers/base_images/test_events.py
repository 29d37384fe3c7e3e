"""Notifications of every shape name the tags to look at, and nothing else counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.settings import RegistrySettings
from shared.triggers.base_images.events import read_events
from shared.triggers.base_images.model import BaseTag

ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/myreg"
REGISTRIES = (RegistrySettings(id=ID, login_server="myreg.example:5000", location="x"),)
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
APP = BaseTag("myreg.example:5000", "team/app", "v1")


def event(action: str = "push", host: str = "myreg.example:5000", **target: Any) -> dict[str, Any]:
    known = {"mediaType": MANIFEST, "digest": f"sha256:{'a' * 64}", "repository": "team/app", "tag": "v1"} | target
    return {
        "id": "e1",
        "timestamp": "2026-11-21T00:00:00Z",
        "action": action,
        "target": {name: value for name, value in known.items() if value is not None},
        "request": {"id": "r", "host": host, "method": "PUT", "useragent": "x"},
        "actor": {},
        "source": {"addr": "a", "instanceID": "i"},
    }


def grid(kind: str = "ImagePushed", topic: str = ID, data: object = None) -> dict[str, Any]:
    return {
        "id": "1", "topic": topic, "subject": "team/app:v1", "eventType": f"Microsoft.ContainerRegistry.{kind}",
        "eventTime": "2026-11-21T00:00:00Z", "dataVersion": "2.0", "data": event() if data is None else data,
    }  # fmt: skip


def cloud(spelling: str = "specversion") -> dict[str, Any]:
    return {
        "id": "1", "source": ID, "subject": "team/app:v1", "type": "Microsoft.ContainerRegistry.ImagePushed",
        "time": "2026-11-21T00:00:00Z", spelling: "1.0", "data": event(host="spoofed.example"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"events": [event()]},
        {"events": [event(mediaType=INDEX)]},
        {"events": [event(), event()]},
        event(),
        [grid()],
        [grid(data=event(host="spoofed.example"))],
        grid(topic=ID.upper()),
        cloud(),
        cloud("specVersion"),
        {"events": [event(url="https://myreg.example:5000/v2/team/app/manifests/x", host="127.0.0.1:5000")]},
    ],
)
def test_a_pushed_tag_is_found_in_every_shape(body: object) -> None:
    assert read_events(body, REGISTRIES).tags == (APP,)


@pytest.mark.parametrize(
    "one",
    [
        event("pull"),
        event("delete"),
        event("delete", mediaType=None),
        event("mount", tag=None, mediaType="application/octet-stream", fromRepository="other"),
        event(tag=None),
        event(mediaType="application/octet-stream"),
        event("chart_push", mediaType="application/vnd.acr.helm.chart"),
        event(repository=None),
        event(repository="../etc"),
        event(tag="not a tag"),
        event(tag=7),
        grid("ImageDeleted"),
        grid("ChartPushed"),
        grid(topic=f"{ID}x"),
        grid(topic="junk"),
        grid(data="text"),
        {"action": "push"},
        {"target": []},
        None,
        3,
    ],
)
def test_everything_else_is_counted_and_ignored(one: object) -> None:
    told = read_events([one], REGISTRIES)
    assert (told.tags, told.ignored) == ((), 1)


def test_a_batch_is_read_whole_and_each_tag_once() -> None:
    told = read_events([grid(), grid(data=event(tag="v2")), grid("ImageDeleted"), cloud()], REGISTRIES)
    assert told.tags == (APP, BaseTag(APP.registry, APP.repository, "v2"))
    assert told.ignored == 1


def test_event_grids_question_is_answered_by_its_code() -> None:
    asked = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c0de"}}
    assert read_events([asked], REGISTRIES).validation_code == "c0de"


@pytest.mark.parametrize("body", ["text", 1, None, True, [{}] * 5001])
def test_what_is_no_notification_is_refused(body: object) -> None:
    with pytest.raises(InvalidRequest):
        read_events(body, REGISTRIES)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8) | st.sampled_from(["push", ID]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["events", "action", "target", "request", "tag", "repository", "data", "eventType", "topic"]
            ),
            inner,
            max_size=5,
        )
    ),
)


@given(JSON)
def test_whatever_comes_is_read_or_refused(body: object) -> None:
    try:
        told = read_events(body, REGISTRIES)
    except InvalidRequest:
        return
    assert told.ignored >= 0


@pytest.mark.parametrize(
    ("registry", "repository", "expected"),
    [
        ("registry.hub.docker.com", "library/node", "docker.io/library/node:1"),
        ("docker.io", "library/node", "docker.io/library/node:1"),
        ("MCR.microsoft.com", "dotnet/sdk", "mcr.microsoft.com/dotnet/sdk:1"),
        ("localhost:5000", "x", "localhost:5000/x:1"),
        ("nodots", "x", None),
        ("", "x", None),
        ("a.example/evil", "x", None),
        ("a.example", "UPPER", None),
    ],
)
def test_all_spellings_of_a_registry_are_one(registry: str, repository: str, expected: str | None) -> None:
    found = BaseTag.of(registry, repository, "1")
    assert (str(found) if found else None) == expected
