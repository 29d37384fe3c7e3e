"""What the Bicep compiler and the default rules of its linter say of a file, where it can be told without them."""

import re
from collections.abc import Iterator, Mapping

from infra.checker.bicep import (
    Binding,
    Call,
    Declaration,
    Expression,
    Fields,
    File,
    Guarded,
    Index,
    Items,
    Kind,
    Member,
    Name,
    Scalar,
    Text,
    walk,
)
from infra.checker.findings import Finding
from infra.checker.modules import called

_HOSTS = re.compile(
    r"core\.windows\.net|management\.azure\.com|login\.microsoftonline\.com|vault\.azure\.net|azurecr\.io"
)
_KNOWN_AT_START = frozenset({"id", "name", "type", "apiVersion"})
_RUNTIME_CALLS = frozenset({"reference", "listKeys", "listAccountSas", "list"})
_FOR_NUMBERS = frozenset({"minValue", "maxValue"})
_FOR_LENGTHS = frozenset({"minLength", "maxLength"})
_OF_SUBSCRIPTIONS = frozenset({"microsoft.resources/resourcegroups"})
_OF_A_PROVIDER = 2


def check_lint(file: File, files: Mapping[str, File]) -> Iterator[Finding]:
    """Check one file; `files` are all, by path."""
    for declaration in file.declarations:
        for part in walk(declaration.value):
            yield from (Finding(file.path, part.line, said) for said in _expression(part))
        for said in (*_declared(declaration), *_placed(file, declaration, files), *_ordered(file, declaration)):
            yield Finding(file.path, declaration.line, f"{declaration.name}: {said}")
    yield from _idle(file)


def _expression(part: Expression) -> Iterator[str]:
    match part:
        case Call(function="any", base=None):
            yield "any() keeps the compiler from checking types (no-explicit-any)"
        case Call(function="concat", base=None) if any(isinstance(one, Text) for one in part.arguments):
            yield "texts are joined by interpolation (prefer-interpolation)"
        case Text(value=None) if not "".join(part.pieces) and len(part.interpolated) == 1:
            yield "the interpolation holds nothing else (simplify-interpolation)"
        case Text() if found := _HOSTS.search("".join(part.pieces)):
            yield f"{found[0]} is another host in another cloud (no-hardcoded-env-urls)"


def _declared(one: Declaration) -> Iterator[str]:
    """Check decorators against the type, and the default against the decorators."""
    is_array, default = one.type.endswith("[]") or one.type == "array", one.value
    for decorator in one.decorators:
        if decorator.function in _FOR_NUMBERS and one.type != "int":
            yield f"{decorator.function} is for numbers"
        if decorator.function in _FOR_LENGTHS and one.type != "string" and not is_array:
            yield f"{decorator.function} is for texts and arrays"
        if one.kind is Kind.PARAMETER and isinstance(default, Text | Scalar) and not _within(decorator, default):
            yield f"its default is not what {decorator.function} lets pass"
    if one.decorator("secure") and default is not None and not _says_nothing(default):
        yield "a secure parameter has no default that tells something (secure-parameter-default)"


def _within(decorator: Call, default: Text | Scalar) -> bool:
    given = decorator.arguments[0] if decorator.arguments else None
    match decorator.function, given, default.value:
        case "allowed", Items(), value:
            return value in [one.value for one in given.values if isinstance(one, Text | Scalar)]
        case "minValue", Scalar(value=int(bound)), int(value):
            return value >= bound
        case "maxValue", Scalar(value=int(bound)), int(value):
            return value <= bound
        case _:
            return True


def _says_nothing(default: Expression) -> bool:
    match default:
        case Text(value="") | Fields(properties=()) | Call(function="newGuid"):
            return True
        case _:
            return False


def _placed(file: File, one: Declaration, files: Mapping[str, File]) -> Iterator[str]:
    """Check that scopes fit and that children have the parent that their type names."""
    body = one.body
    if body is None:
        return
    if one.kind is Kind.MODULE:
        target = called(file, one, files)
        if target and target.scope != file.scope and body.get("scope") is None:
            yield f"a module of a {target.scope} needs a scope here"
    if one.kind is not Kind.RESOURCE:
        return
    written = one.target.partition("@")[0].lower()
    if file.scope == "subscription" and written not in _OF_SUBSCRIPTIONS:
        yield "belongs into a resource group, and stands in a file for a subscription"
    segments = written.split("/")
    if len(segments) > _OF_A_PROVIDER and _type_of(file, body.get("parent")) != "/".join(segments[:-1]):
        yield f"a {written} has a parent of the type {'/'.join(segments[:-1])}"


def _type_of(file: File, parent: Expression | None) -> str:
    base = parent.base if isinstance(parent, Index) else parent
    known = file.by_name.get(base.name) if isinstance(base, Name) else None
    return known.target.partition("@")[0].lower() if known else ""


def _ordered(file: File, one: Declaration) -> Iterator[str]:
    if one.kind in {Kind.RESOURCE, Kind.MODULE}:
        yield from _too_early(file, one)
        yield from _needless(one)


def _too_early(file: File, one: Declaration) -> Iterator[str]:
    """Find what is known only once something is made, in what must be known at the start."""
    places = {"name": one.body and one.body.get("name"), "scope": one.body and one.body.get("scope")}
    value = one.value
    while isinstance(value, Binding | Guarded):
        place = "loop" if isinstance(value, Binding) else "condition"
        places[place] = value.over if isinstance(value, Binding) else value.condition
        value = value.body
    for place, expression in places.items():
        if any(_is_runtime(file, part) for part in _through(file, expression)):
            yield f"its {place} is not known at the start of the deployment (BCP120)"


def _through(file: File, expression: Expression | None) -> Iterator[Expression]:
    """Walk an expression and the variables that it names."""
    for part in walk(expression):
        yield part
        known = file.by_name.get(part.name) if isinstance(part, Name) else None
        if known and known.kind is Kind.VARIABLE:
            yield from _through(file, known.value)


def _is_runtime(file: File, part: Expression) -> bool:
    if isinstance(part, Call):
        return part.function in _RUNTIME_CALLS
    if not isinstance(part, Member):
        return False
    base = part.base.base if isinstance(part.base, Index) else part.base
    known = file.by_name.get(base.name) if isinstance(base, Name) else None
    if known is None or known.kind not in {Kind.RESOURCE, Kind.MODULE}:
        return False
    return known.kind is Kind.MODULE or part.name not in _KNOWN_AT_START


def _needless(one: Declaration) -> Iterator[str]:
    """Find dependencies that are said although the body uses what they name."""
    said = one.body.get("dependsOn") if one.body else None
    used = {
        part.name
        for property_ in (one.body.properties if one.body else ())
        if property_.key != "dependsOn"
        for part in walk(property_.value)
        if isinstance(part, Name)
    }
    for part in walk(said):
        if isinstance(part, Name) and part.name in used:
            yield f"depends on {part.name} anyway (no-unnecessary-dependson)"


def _idle(file: File) -> Iterator[Finding]:
    used = {part.name for one in file.declarations for part in walk(one.value) if isinstance(part, Name)}
    for resource in file.of(Kind.RESOURCE):
        if resource.is_existing and resource.name not in used:
            said = f"the existing resource {resource.name} is never used (no-unused-existing-resources)"
            yield Finding(file.path, resource.line, said)
