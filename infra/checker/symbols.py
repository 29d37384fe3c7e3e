"""Names of one file: all that are used exist, all that are declared are used, parameters are explained."""

from collections.abc import Iterator
from itertools import chain

from infra.checker.bicep import Binding, Call, Declaration, Expression, File, Kind, Member, Name, Text, walk
from infra.checker.findings import Finding

_FUNCTION_NAMES = """
any array base64 base64ToJson base64ToString bool cidrHost cidrSubnet coalesce concat contains dataUri
dataUriToString dateTimeAdd dateTimeFromEpoch dateTimeToEpoch deployer deployment empty endsWith environment
extensionResourceId fail filter first flatten format getSecret groupBy guid indexOf int intersection items join
json last lastIndexOf length list listAccountSas listKeys loadFileAsBase64 loadJsonContent loadTextContent
loadYamlContent managementGroup managementGroupResourceId map mapValues max min newGuid objectKeys padLeft
parseCidr pickZones range readEnvironmentVariable reduce reference replace resourceGroup resourceId
shallowMerge skip sort split startsWith string subscription subscriptionResourceId substring take tenant
tenantResourceId toLogicalZone toLogicalZones toLower toObject toPhysicalZone toPhysicalZones toUpper trim
union uniqueString uri uriComponent uriComponentToString utcNow
"""
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""Functions of Bicep. Source: its documentation of functions."""

NAMESPACES = frozenset({"az", "sys"})
_DECORATOR_NAMES = """
allowed batchSize description discriminator export maxLength maxValue metadata minLength minValue sealed secure
"""
_DECORATORS = frozenset(_DECORATOR_NAMES.split())
_SECRETS = frozenset({"listKeys", "listAccountSas", "list", "getSecret"})
_USED = (Kind.PARAMETER, Kind.VARIABLE, Kind.TYPE)


def check_symbols(file: File) -> Iterator[Finding]:
    """Check the names of a file."""
    functions = FUNCTIONS | {one.name for one in file.of(Kind.FUNCTION)}
    for declaration in file.declarations:
        for name in _free(declaration):
            if name.name not in file.by_name and name.name not in NAMESPACES:
                yield Finding(file.path, name.line, f"the name {name.name} is not declared")
        for part in chain.from_iterable(map(walk, (declaration.value, *declaration.decorators))):
            if isinstance(part, Call) and part.base is None and part.function not in functions | _DECORATORS:
                yield Finding(file.path, part.line, f"{part.function} is no function of Bicep")
    yield from _twice(file)
    yield from _unused(file)
    yield from _unexplained(file)
    yield from _given_away(file)


def _free(declaration: Declaration) -> Iterator[Name]:
    """Answer the names that a declaration uses and does not bind itself."""
    yield from (one for one in declaration.type_names if one.name not in {"string", "int", "bool", "object", "array"})
    if declaration.kind is not Kind.FUNCTION:
        yield from _unbound(declaration.value, frozenset())


def _unbound(expression: Expression | None, bound: frozenset[str]) -> Iterator[Name]:
    match expression:
        case None:
            return
        case Name():
            if expression.name not in bound:
                yield expression
        case Binding():
            yield from _unbound(expression.over, bound)
            yield from _unbound(expression.body, bound | set(expression.names))
        case _:
            for part in expression.parts:
                yield from _unbound(part, bound)


def _twice(file: File) -> Iterator[Finding]:
    seen: set[tuple[bool, str]] = set()
    for declaration in file.declarations:
        key = (declaration.kind is Kind.OUTPUT, declaration.name)
        if key in seen:
            yield Finding(file.path, declaration.line, f"{declaration.name} is declared twice")
        seen.add(key)


def _unused(file: File) -> Iterator[Finding]:
    used = {name.name for declaration in file.declarations for name in _free(declaration)}
    for declaration in file.declarations:
        if declaration.kind in _USED and declaration.name not in used:
            yield Finding(file.path, declaration.line, f"the {declaration.kind} {declaration.name} is never used")


def _unexplained(file: File) -> Iterator[Finding]:
    for declaration in file.of(Kind.PARAMETER):
        told = declaration.decorator("description")
        words = [one.value for one in walk(told) if isinstance(one, Text)] if told else []
        if not any(words):
            yield Finding(file.path, declaration.line, f"the parameter {declaration.name} has no description")


def _given_away(file: File) -> Iterator[Finding]:
    """Find keys and secret parameters in outputs, which stay readable in the history of deployments."""
    for output in file.of(Kind.OUTPUT):
        for part in walk(output.value):
            secret = part.function in _SECRETS if isinstance(part, Call) else False
            if isinstance(part, Name) and (known := file.by_name.get(part.name)):
                secret = known.decorator("secure") is not None
            if isinstance(part, Member) and part.name in {"primaryMasterKey", "sharedKey", "InstrumentationKey"}:
                secret = True
            if secret:
                yield Finding(file.path, output.line, f"the output {output.name} gives a secret away")
