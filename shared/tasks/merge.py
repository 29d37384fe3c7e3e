"""PATCH of a task: what is given is changed, everything else stays. Pure, over JSON objects.

Objects merge member by member and null removes. Triggers merge by name and are never removed; other lists are
replaced. Logins of custom registries merge by host. Source: Tasks_Update as az uses it and as it was recorded.
"""

from collections.abc import Mapping
from typing import Any

from shared.arm.reading import as_object, read_as
from shared.errors import InvalidRequest
from shared.tasks.model import Identity, IdentityType

Json = Mapping[str, Any]
_BY_NAME = frozenset({"sourceTriggers", "timerTriggers"})
_BY_HOST = "customRegistries"
_MAX_DEPTH = 12


def merge_task(task: Json, patch: object) -> dict[str, Any]:
    """Answer the JSON of a task with a patch applied. Raises InvalidRequest for a patch that is no object."""
    changes = dict(as_object(patch, "the members to change"))
    identity = changes.pop("identity", None)
    properties = changes.get("properties")
    if properties is not None and not isinstance(properties, dict):
        raise InvalidRequest("The task's 'properties' is invalid: it must be an object.", target="properties")
    merged = merge(task, changes)
    if identity is not None:
        merged["identity"] = merge_identity(task.get("identity") or {}, identity)
    return merged


def merge(document: Json, patch: Json, depth: int = 0) -> dict[str, Any]:
    """Answer `document` with the members of `patch` in place. Raises InvalidRequest when it is nested too deep."""
    if depth > _MAX_DEPTH:
        raise InvalidRequest("The request body is nested too deep.", target="properties")
    merged = dict(document)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _member(name, document.get(name), value, depth)
    return merged


def _member(name: str, old: object, new: object, depth: int) -> object:
    if name in _BY_NAME and isinstance(new, list):
        return _by_name(old if isinstance(old, list) else [], new, depth)
    if not isinstance(new, dict):
        return new
    known: Json = old if isinstance(old, dict) else {}
    if name == _BY_HOST:
        return _by_host(known, new)
    if name == "step" and new.get("type") not in (None, known.get("type")):
        known = {}
    if name == "baseImageTrigger" and not known:
        known = {"baseImageTriggerType": "Runtime"}  # az names the type of a new one only when it was given
    return merge(known, new, depth + 1)


def _by_name(old: list[Any], new: list[Any], depth: int) -> list[Any]:
    merged = list(old)
    for one in new:
        if not isinstance(one, dict):
            raise InvalidRequest("A trigger must be an object with a name.", target="properties.trigger")
        place = next((i for i, known in enumerate(merged) if _same_name(known, one)), None)
        if place is None:
            merged.append(merge({}, one, depth + 1))
        else:
            merged[place] = merge(merged[place], {**one, "name": merged[place]["name"]}, depth + 1)
    return merged


def _same_name(known: Json, one: Json) -> bool:
    return str(known.get("name")).lower() == str(one.get("name")).lower()


def _by_host(old: Json, new: Json) -> dict[str, Any]:
    merged = dict(old)
    for host, login in new.items():
        key = host.lower()
        if login is None:
            merged.pop(key, None)
        elif isinstance(login, dict) and isinstance(merged.get(key), dict):
            merged[key] = _login(merged[key], login)
        else:
            merged[key] = login
    return merged


def _login(old: Json, new: Json) -> dict[str, Any]:
    # A login is by name and password or by an identity: what is given of one kind ends the other.
    # az sends a secret that was not given as one without a value.
    new = {name: value for name, value in new.items() if not (isinstance(value, dict) and value.get("value") is None)}
    given = {name for name, value in new.items() if value is not None}
    if given == {"identity"}:
        return dict(new)
    kept = dict(old) if "identity" in given else {name: value for name, value in old.items() if name != "identity"}
    return merge(kept, new)


def merge_identity(old: Json, patch: object) -> dict[str, Any]:
    """Answer the identities after a PATCH. Its type counts, and its user identities are added or, by null, removed.

    Nulls alone leave the system identity as it is: az sends type UserAssigned when it removes a user identity.
    """
    wanted = read_as(Identity, as_object(patch, "an identity"), "task's identity")
    known = read_as(Identity, old, "task's identity") if old else Identity(type=IdentityType.NONE)
    if wanted.type in {IdentityType.NONE, IdentityType.SYSTEM}:
        return {"type": wanted.type.value}
    users: dict[str, Any] = {name: {} for name in known.user_assigned_identities}
    for name, value in wanted.user_assigned_identities.items():
        same = next((one for one in users if one.lower() == name.lower()), name)
        if value is None:
            users.pop(same, None)
        else:
            users[same] = {}
    removes = bool(wanted.user_assigned_identities) and not any(
        value is not None for value in wanted.user_assigned_identities.values()
    )
    has_system = known.type.has_system if removes else wanted.type.has_system
    return {"type": identity_type(has_system=has_system, has_users=bool(users)).value, "userAssignedIdentities": users}


def identity_type(*, has_system: bool, has_users: bool) -> IdentityType:
    """Answer the type that says which identities there are."""
    if has_system:
        return IdentityType.BOTH if has_users else IdentityType.SYSTEM
    return IdentityType.USER if has_users else IdentityType.NONE
