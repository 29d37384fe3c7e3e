"""What the deployment would make, worked out without Azure: each name, id and setting, with stand-ins."""

import hashlib
import ipaddress
import json
import operator
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.checker.bicep import (
    Binding,
    Call,
    Choice,
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
    Operation,
    Scalar,
    Text,
)
from infra.checker.modules import called

type Value = Any

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-00000000000f"
_ENVIRONMENT = {
    "resourceManager": "https://management.azure.com/",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com/",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
    },
    "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net", "acrLoginServer": ".azurecr.io"},
}
_OPERATORS: Mapping[str, Callable[[Value, Value], Value]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "-": operator.sub,
    "+": operator.add,
    "<": operator.lt,
    ">": operator.gt,
}


class NotWorkedOutError(Exception):
    """An expression, or a property of something that is made, for which there is no stand-in."""


@dataclass(frozen=True)
class Place:
    """Where a file is deployed to."""

    subscription: str
    group: str = ""

    @property
    def id(self) -> str:
        """The resource id of the group, or of the subscription."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"


@dataclass
class Deployed:
    """One file with its parameters, at one place: what it makes and puts out, worked out when asked for."""

    root: Path
    files: Mapping[str, File]
    file: File
    place: Place
    parameters: Mapping[str, Value]
    known: dict[str, Value] = field(default_factory=dict)

    def outputs(self) -> dict[str, Value]:
        """Answer all outputs."""
        return {one.name: self._value(one.value, {}) for one in self.file.of(Kind.OUTPUT)}

    def made(self) -> dict[str, Value]:
        """Answer resources and modules by symbol: a dictionary, a list for a loop, None where a condition fails."""
        kinds = (*self.file.of(Kind.RESOURCE), *self.file.of(Kind.MODULE))
        return {one.name: self._named(one.name) for one in kinds}

    def _named(self, name: str) -> Value:
        if name not in self.known:
            declaration = self.file.by_name.get(name)
            if declaration is None:
                raise NotWorkedOutError(name)
            self.known[name] = self._declared(declaration)
        return self.known[name]

    def _declared(self, one: Declaration) -> Value:
        if one.kind is Kind.PARAMETER and one.name in self.parameters:
            return self.parameters[one.name]
        if one.kind in {Kind.RESOURCE, Kind.MODULE}:
            return self._looped(one, one.value, {})
        return self._value(one.value, {})

    def _looped(self, one: Declaration, value: Expression | None, bound: Mapping[str, Value]) -> Value:
        match value:
            case Binding():
                return [
                    self._looped(one, value.body, {**bound, **dict(zip(value.names, (item, index), strict=False))})
                    for index, item in enumerate(self._value(value.over, bound))
                ]
            case Guarded():
                return self._looped(one, value.body, bound) if self._value(value.condition, bound) else None
            case Fields() if one.kind is Kind.MODULE:
                return self._module(one, value, bound)
            case Fields():
                return self._resource(one, value, bound)
            case _:
                raise NotWorkedOutError(one.name)

    def _module(self, one: Declaration, body: Fields, bound: Mapping[str, Value]) -> Value:
        target = called(self.file, one, self.files)
        scope, given = self._value(body.get("scope"), bound), self._value(body.get("params"), bound)
        if target is None or not isinstance(scope, dict):
            raise NotWorkedOutError(one.name)
        place = scope["place"]
        inner = Deployed(self.root, self.files, target, place, given)
        return {"name": self._value(body.get("name"), bound), "deployed": inner, "outputs": inner.outputs()}

    def _resource(self, one: Declaration, body: Fields, bound: Mapping[str, Value]) -> Value:
        told = {
            each.key: self._value(each.value, bound)
            for each in body.properties
            if each.key not in {"dependsOn", "parent", "scope"}
        }
        parent = body.get("parent")
        above = self._value(parent, bound) if parent else None
        kind, _, version = one.target.partition("@")
        id_ = _resource_id(self.place, kind, told["name"], above)
        made = {"type": kind, "apiVersion": version, "id": id_, "existing": one.is_existing, **told}
        if kind == "Microsoft.Resources/resourceGroups":
            made["place"] = Place(self.place.subscription, told["name"])
        runtime = _RUNTIME.get(kind)
        return _merged(runtime(told["name"]), made) if runtime else made

    def _value(self, expression: Expression | None, bound: Mapping[str, Value]) -> Value:  # noqa: C901, PLR0911, PLR0912 - one line for each form
        match expression:
            case None:
                return None
            case Text(value=None):
                return "".join(one if isinstance(one, str) else self._text(one, bound) for one in expression.sequence)
            case Text() | Scalar():
                return expression.value
            case Fields():
                return {
                    one.key if one.key is not None else self._text(one.computed[0], bound): self._value(
                        one.value, bound
                    )
                    for one in expression.properties
                }
            case Items():
                return [self._value(one, bound) for one in expression.values]
            case Name():
                return bound[expression.name] if expression.name in bound else self._named(expression.name)
            case Member():
                return self._member(self._value(expression.base, bound), expression.name)
            case Index():
                return self._value(expression.base, bound)[self._value(expression.index, bound)]
            case Choice():
                chosen = expression.first if self._value(expression.condition, bound) else expression.second
                return self._value(chosen, bound)
            case Binding(over=None):
                return lambda *items: self._value(
                    expression.body, {**bound, **dict(zip(expression.names, items, strict=False))}
                )
            case Binding():
                over = self._value(expression.over, bound)
                bind = self._value(Binding(expression.line, expression.names, None, expression.body), bound)
                return [bind(item, index) for index, item in enumerate(over)]
            case Operation():
                return self._operation(expression, bound)
            case Call():
                return self._call(expression, [self._value(one, bound) for one in expression.arguments])
            case _:
                raise NotWorkedOutError(repr(expression))

    def _text(self, expression: Expression, bound: Mapping[str, Value]) -> str:
        value = self._value(expression, bound)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _member(self, base: Value, name: str) -> Value:
        if base is None:
            return None
        if not isinstance(base, dict):
            raise NotWorkedOutError(name)
        if name not in base and base.get("type"):
            raise NotWorkedOutError(f"{base['type']} has no {name}")
        return base.get(name)

    def _operation(self, one: Operation, bound: Mapping[str, Value]) -> Value:
        first = self._value(one.operands[0], bound)
        match one.operator:
            case "!":
                return not first
            case "&&":
                return first and self._value(one.operands[1], bound)
            case "||":
                return first or self._value(one.operands[1], bound)
            case "??":
                return first if first is not None else self._value(one.operands[1], bound)
            case known if known in _OPERATORS:
                return _OPERATORS[known](first, self._value(one.operands[1], bound))
            case _:
                raise NotWorkedOutError(one.operator)

    def _call(self, one: Call, given: list[Value]) -> Value:
        match one.function:
            case "subscription":
                return {"id": Place(self.place.subscription).id, "subscriptionId": self.place.subscription}
            case "resourceGroup":
                place = Place(*given) if given else self.place
                return {"id": place.id, "name": place.group, "place": place}
            case "subscriptionResourceId":
                return f"{Place(self.place.subscription).id}/providers/{given[0]}/{given[1]}"
            case "loadJsonContent":
                return json.loads((self.root / Path(self.file.path).parent / given[0]).read_text())
            case known if known in _FUNCTIONS:
                return _FUNCTIONS[known](*given)
            case _:
                raise NotWorkedOutError(f"{one.function}()")


def _resource_id(place: Place, kind: str, name: str, above: Value) -> str:
    if kind == "Microsoft.Resources/resourceGroups":
        return f"{place.id}/resourceGroups/{name}"
    if above is not None:
        return f"{above['id']}/{kind.rsplit('/', 1)[1]}/{name}"
    return f"{place.id}/providers/{kind}/{name}"


def _merged(first: Value, second: Value) -> Value:
    if isinstance(first, dict) and isinstance(second, dict):
        return first | {key: _merged(first.get(key), value) for key, value in second.items()}
    return second


def _hash(*told: str) -> str:
    return hashlib.sha256("|".join(told).encode()).hexdigest()


def _subnet(network: str, bits: int, index: int) -> str:
    return str(list(ipaddress.ip_network(network).subnets(new_prefix=bits))[index])


def _union(*told: Value) -> Value:
    if isinstance(told[0], dict):
        return {key: value for one in told for key, value in one.items()}
    items = [each for part in told for each in part]
    return [one for index, one in enumerate(items) if one not in items[:index]]


_FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "tenant": lambda: {"tenantId": TENANT},
    "environment": lambda: _ENVIRONMENT,
    "uniqueString": lambda *told: "u" + _hash(*told)[:12],
    "guid": lambda *told: str(uuid.UUID(_hash(*told)[:32])),
    "union": _union,
    "concat": lambda *told: [one for part in told for one in part],
    "map": lambda items, apply: [apply(one) for one in items],
    "toObject": lambda items, key, value: {key(one): value(one) for one in items},
    "join": lambda items, by: by.join(items),
    "split": lambda text, by: text.split(by),
    "empty": lambda told: not told,
    "endsWith": lambda text, end: text.endswith(end),
    "substring": lambda text, start, length: text[start : start + length],
    "take": lambda told, count: told[:count],
    "length": len,
    "replace": lambda text, old, new: text.replace(old, new),
    "string": lambda told: told if isinstance(told, str) else json.dumps(told, separators=(",", ":")),
    "cidrSubnet": _subnet,
}

_RUNTIME: Mapping[str, Callable[[str], Value]] = {
    "Microsoft.Storage/storageAccounts": lambda name: {
        "properties": {
            "primaryEndpoints": {
                kind: f"https://{name}.{kind}.core.windows.net/" for kind in ("blob", "queue", "table")
            }
        }
    },
    "Microsoft.KeyVault/vaults": lambda name: {"properties": {"vaultUri": f"https://{name}.vault.azure.net/"}},
    "Microsoft.KeyVault/vaults/keys": lambda name: {
        "properties": {"keyUri": f"https://kv-of-the-deployment.vault.azure.net/keys/{name}"}
    },
    "Microsoft.ManagedIdentity/userAssignedIdentities": lambda name: {
        "properties": {
            "principalId": _FUNCTIONS["guid"]("principal", name),
            "clientId": _FUNCTIONS["guid"]("client", name),
        }
    },
    "Microsoft.Insights/components": lambda name: {
        "properties": {
            "ConnectionString": f"InstrumentationKey={uuid.uuid5(uuid.NAMESPACE_DNS, name)};"
            "IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;"
            "LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/"
        }
    },
    "Microsoft.ContainerRegistry/registries": lambda name: {
        "location": "northeurope",
        "sku": {"name": "Premium"},
        "properties": {"loginServer": f"{name}.azurecr.io"},
    },
    "Microsoft.Web/sites": lambda name: {"properties": {"defaultHostName": f"{name}.azurewebsites.net"}},
}
"""What only Azure knows of what is made, by type: stand-ins of the same form."""


def deployed(root: Path, files: Mapping[str, File], main: File, parameters: Mapping[str, Value]) -> Deployed:
    """Work out a deployment of the whole to one subscription."""
    return Deployed(root, files, main, Place(SUBSCRIPTION), parameters)
