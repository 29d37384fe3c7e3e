"""What registries and Event Grid tell of pushes, as tags that may have changed. Pure.

Three shapes: the distribution registry's envelope of events, Azure Container Registry's webhook with one bare event,
and events of Event Grid in either schema. Nothing of them is believed but that a tag is worth a look.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.arm.names import parse_registry_id
from shared.errors import InvalidRequest
from shared.settings import RegistrySettings
from shared.triggers.base_images.model import BaseTag

_PUSHED = "microsoft.containerregistry.imagepushed"
_VALIDATION = "microsoft.eventgrid.subscriptionvalidationevent"
_NOT_IMAGES = frozenset({"application/octet-stream", "application/vnd.acr.helm.chart"})
MAX_EVENTS = 5000
"""Event Grid's own bound of a batch."""


@dataclass(frozen=True)
class Told:
    """The tags of which a body tells, and how many of its events were none of ours or told nothing."""

    tags: tuple[BaseTag, ...] = ()
    ignored: int = 0
    validation_code: str = ""
    """Set when Event Grid asks whether its events are wanted here."""


def read_events(body: object, registries: Sequence[RegistrySettings]) -> Told:
    """Read a body of any of the three shapes. Raises InvalidRequest for what is none."""
    if isinstance(body, list):
        events = body
    elif isinstance(body, dict):
        events = body["events"] if isinstance(body.get("events"), list) else [body]
    else:
        raise InvalidRequest("A notification is an event, a list of events, or an object with 'events'.")
    if len(events) > MAX_EVENTS:
        raise InvalidRequest(f"A notification has at most {MAX_EVENTS} events.")
    code = next(_validation_codes(events), "")
    tags = [_tag(event, registries) for event in events]
    found = tuple(dict.fromkeys(tag for tag in tags if tag))
    return Told(found, sum(tag is None for tag in tags), code)


def _validation_codes(events: list[Any]) -> Iterator[str]:
    for event in events:
        members = _members(event)
        if str(members.get("eventtype")).lower() == _VALIDATION:
            yield str(_members(members.get("data")).get("validationcode", ""))


def _tag(event: object, registries: Sequence[RegistrySettings]) -> BaseTag | None:
    members = _members(event)
    kind = members.get("eventtype") or members.get("type")
    if not isinstance(kind, str):
        return _pushed(members, _host(members, registries))
    if kind.lower() != _PUSHED:
        return None
    return _pushed(_members(members.get("data")), _served(members.get("topic") or members.get("source"), registries))


def _pushed(event: Mapping[str, Any], registry: str) -> BaseTag | None:
    target = _members(event.get("target"))
    repository, tag = target.get("repository"), target.get("tag")
    is_image = str(target.get("mediatype", "")).lower() not in _NOT_IMAGES
    if event.get("action") != "push" or not is_image or not registry:
        return None
    if not isinstance(repository, str) or not isinstance(tag, str):
        return None
    return BaseTag.of(registry, repository, tag)


def _served(topic: object, registries: Sequence[RegistrySettings]) -> str:
    """Answer the login server of the registry that Event Grid names: only a topic cannot be chosen by a pusher."""
    try:
        asked = parse_registry_id(str(topic))
    except InvalidRequest:
        return ""
    return next((one.login_server for one in registries if parse_registry_id(one.id).same_as(asked)), "")


def _host(event: Mapping[str, Any], registries: Sequence[RegistrySettings]) -> str:
    """Answer the registry's name: the address of the manifest has it, the pusher's own words for it come second."""
    own = {one.login_server for one in registries}
    try:
        address = urlsplit(str(_members(event.get("target")).get("url", ""))).netloc
    except ValueError:
        address = ""
    told = str(_members(event.get("request")).get("host", ""))
    return next((name for name in (address, told) if name in own), address or told)


def _members(value: object) -> Mapping[str, Any]:
    """Answer an object's members by their names in lower case: the schemas differ in case here and there."""
    return {str(name).lower(): member for name, member in value.items()} if isinstance(value, dict) else {}
