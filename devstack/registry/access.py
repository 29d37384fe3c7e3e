"""Who may do what in the registry: scopes as the Docker token specification writes them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
NAME_LIMIT = 255
SCOPE_LIMIT = 100
"""Scopes that one token request may name."""

PULL, PUSH, DELETE = "pull", "push", "delete"


class Right(StrEnum):
    """What an account may do in every repository."""

    READ = "read"
    """Pull, as ACR's AcrPull."""
    WRITE = "write"
    """Pull, push and delete, as ACR's AcrPush with AcrDelete; list the catalog."""


_ACTIONS = {
    Right.READ: frozenset({PULL, "metadata_read"}),
    Right.WRITE: frozenset({PULL, PUSH, DELETE, "metadata_read", "metadata_write"}),
}


@dataclass(frozen=True)
class Scope:
    """One resource and the actions asked for or granted on it."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def claim(self) -> dict[str, object]:
        """Write one entry of a token's `access` claim."""
        return {"type": self.kind, "name": self.name, "actions": list(self.actions)}


def parse(values: Iterable[str]) -> tuple[Scope, ...]:
    """Read `scope` parameters; each may hold several scopes parted by spaces. What is malformed is left out.

    A resource's name may hold a colon (a registry's port), so the kind ends at the first and the actions begin
    at the last one.
    """
    texts = [text for value in values for text in value.split()][:SCOPE_LIMIT]
    return tuple(scope for text in texts if (scope := _parse_one(text)))


def _parse_one(text: str) -> Scope | None:
    kind, first, rest = text.partition(":")
    name, last, actions = rest.rpartition(":")
    if not (first and last and name):
        return None
    asked = tuple(dict.fromkeys(action for action in actions.split(",") if action))
    if kind == "repository" and len(name) <= NAME_LIMIT and REPOSITORY.fullmatch(name):
        return Scope(kind, name, asked)
    if (kind, name) == ("registry", "catalog"):
        return Scope(kind, name, asked)
    return None


def grant(asked: Iterable[Scope], right: Right | None) -> tuple[Scope, ...]:
    """Cut scopes down to what a right allows; a scope of which nothing is left disappears."""
    granted = []
    for scope in asked:
        allowed = _allowed(scope, right)
        actions = tuple(action for action in scope.actions if action in allowed)
        if actions:
            granted.append(Scope(scope.kind, scope.name, actions))
    return tuple(granted)


def _allowed(scope: Scope, right: Right | None) -> frozenset[str]:
    if right is None:
        return frozenset()
    if scope.kind == "registry":
        return frozenset({"*"}) if right is Right.WRITE else frozenset()
    actions = _ACTIONS[right]
    if "*" in scope.actions and right is Right.WRITE:
        return actions | {"*"}
    return actions
