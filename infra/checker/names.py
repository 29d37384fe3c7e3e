"""Names of resources and modules are as long, and of such characters, as Azure takes them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from infra.checker.bicep import (
    Binding,
    Call,
    Declaration,
    Expression,
    Fields,
    File,
    Items,
    Kind,
    Member,
    Name,
    Scalar,
    Text,
    walk,
)
from infra.checker.findings import Finding


@dataclass(frozen=True)
class Rule:
    """How long a name may be in characters, and what it is made of (a pattern)."""

    shortest: int
    longest: int
    pattern: str = r"[\w.()-]+"


_HYPHENS = r"[A-Za-z0-9-]+"
RULES = {
    "microsoft.resources/resourcegroups": Rule(1, 90),
    "microsoft.storage/storageaccounts": Rule(3, 24, r"[a-z0-9]+"),
    "microsoft.storage/storageaccounts/blobservices/containers": Rule(3, 63, r"[a-z0-9-]+"),
    "microsoft.storage/storageaccounts/queueservices/queues": Rule(3, 63, r"[a-z0-9-]+"),
    "microsoft.storage/storageaccounts/tableservices/tables": Rule(3, 63, r"[A-Za-z][A-Za-z0-9]+"),
    "microsoft.keyvault/vaults": Rule(3, 24, r"[A-Za-z][A-Za-z0-9-]+"),
    "microsoft.keyvault/vaults/keys": Rule(1, 127, _HYPHENS),
    "microsoft.containerregistry/registries": Rule(5, 50, r"[A-Za-z0-9]+"),
    "microsoft.eventgrid/systemtopics": Rule(3, 50, _HYPHENS),
    "microsoft.eventgrid/systemtopics/eventsubscriptions": Rule(3, 64, _HYPHENS),
    "microsoft.managedidentity/userassignedidentities": Rule(3, 128, r"[\w-]+"),
    "microsoft.operationalinsights/workspaces": Rule(4, 63, _HYPHENS),
    "microsoft.insights/components": Rule(1, 260),
    "microsoft.network/virtualnetworks": Rule(2, 64),
    "microsoft.network/privateendpoints": Rule(2, 64),
    "microsoft.web/serverfarms": Rule(1, 60, _HYPHENS),
    "microsoft.web/sites": Rule(2, 60, _HYPHENS),
}
"""Source: Azure's documentation of naming rules; what a module is called is the name of a deployment."""

FIXED = {
    "microsoft.storage/storageaccounts/blobservices": ("default",),
    "microsoft.storage/storageaccounts/queueservices": ("default",),
    "microsoft.storage/storageaccounts/tableservices": ("default",),
    "microsoft.storage/storageaccounts/managementpolicies": ("default",),
    "microsoft.web/sites/basicpublishingcredentialspolicies": ("ftp", "scm"),
    "microsoft.web/sites/config": ("appsettings",),
}
"""Types of which Azure has but these; the compiler tells the shape by the name, which must stand there as a text."""

_MODULE = Rule(1, 64)
_HASH = "abcdefghijklm"
_INDEX = "999"


@dataclass(frozen=True)
class Scope:
    """What names mean where a name is made: the file's, and those of the loop around it."""

    file: File
    items: tuple[Expression, ...] = ()
    item: str = ""
    index: str = ""

    @classmethod
    def of(cls, file: File, declaration: Declaration) -> Self:
        """Look into the loop of a declaration."""
        loop = declaration.value
        if not isinstance(loop, Binding):
            return cls(file)
        over = file.resolve(loop.over)
        items = over.values if isinstance(over, Items) else ()
        return cls(file, items, loop.names[0], loop.names[1] if len(loop.names) > 1 else "")


def check_names(file: File) -> Iterator[Finding]:
    """Check each name that is made in a file in its longest form; one without a known length is a fault, too."""
    for declaration in (*file.of(Kind.RESOURCE), *file.of(Kind.MODULE)):
        written = declaration.target.partition("@")[0].lower()
        rule = _MODULE if declaration.kind is Kind.MODULE else RULES.get(written)
        name = declaration.body.get("name") if declaration.body else None
        if written in FIXED and not (isinstance(name, Text) and name.value in FIXED[written]):
            said = f"{declaration.name}: its name must be {' or '.join(FIXED[written])}, as a text"
            yield Finding(file.path, declaration.line, said)
        if rule is None or name is None or declaration.is_existing:
            continue
        for text in _longest(Scope.of(file, declaration), name):
            yield from _judged(file, declaration, rule, text)


def _judged(file: File, declaration: Declaration, rule: Rule, text: str | None) -> Iterator[Finding]:
    if text is None:
        yield Finding(file.path, declaration.line, f"{declaration.name}: nothing tells how long its name may become")
    elif not rule.shortest <= len(text) <= rule.longest:
        told = f"its name has up to {len(text)} characters, and must have {rule.shortest} to {rule.longest}"
        yield Finding(file.path, declaration.line, f"{declaration.name}: {told}")
    elif not re.fullmatch(rule.pattern, text):
        yield Finding(file.path, declaration.line, f"{declaration.name}: its name must be of {rule.pattern}")


def _longest(scope: Scope, value: Expression) -> Sequence[str | None]:  # noqa: PLR0911 - one line for each form
    """Answer the longest texts that an expression may become, None for one without a bound."""
    match value:
        case Text(value=str(text)):
            return [text]
        case Text():
            return _joined(value, [_longest(scope, part) for part in value.interpolated])
        case Call(function="uniqueString"):
            return [_HASH]
        case Call(function="take", arguments=(first, Scalar(value=int(count)))):
            return [None if one is None else one[:count] for one in _longest(scope, first)]
        case Name():
            return _named(scope, value.name)
        case Member(base=Name(name=item), name=key) if item == scope.item:
            found = [one.get(key) for one in scope.items if isinstance(one, Fields)]
            return [text for one in found if one for text in _longest(scope, one)] or [None]
        case _:
            return [None]


def _joined(text: Text, parts: Sequence[Sequence[str | None]]) -> Sequence[str | None]:
    filled = ["".join(text.pieces)]
    for part in parts:
        known = [one for one in part if one is not None]
        if len(known) < len(part):
            return [None]
        filled.append(max(known, key=len))
    return ["".join(filled)]


def _named(scope: Scope, name: str) -> Sequence[str | None]:
    if name == scope.index:
        return [_INDEX]
    if name == scope.item:
        return [text for one in scope.items for text in _longest(scope, one)] or [None]
    known = scope.file.by_name.get(name)
    if known is None:
        return [None]
    if known.kind is Kind.VARIABLE and known.value is not None:
        return _longest(scope, known.value)
    bound = next((one for one in walk(known.decorator("maxLength")) if isinstance(one, Scalar)), None)
    return ["x" * bound.value] if bound is not None and bound.value else [None]
