"""Who is given which role where: every role is a known one, every identity has a use and a right."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.checker.bicep import Binding, Declaration, Expression, Fields, File, Kind, Member, Name, walk
from infra.checker.findings import Finding, Tree
from infra.checker.modules import called

KNOWN_ROLES = {
    "c2f4ef07-c644-48eb-af81-4b1b4947fb11": "AcrDelete",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
    "5d977122-f97e-4b4d-a52f-6b43003ddb4d": "Azure Container Instances Contributor Role",
    "2efddaa5-3f1f-4df3-97df-af3f13818f4c": "Container Registry Repository Contributor",
    "b93aa761-3e63-49ed-ac28-beffa264f7ac": "Container Registry Repository Reader",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
}
"""Built-in roles that this deployment may use. Source: Azure's documentation of built-in roles."""

_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"


@dataclass(frozen=True)
class Right:
    """A role assignment: who, by the name that leads to the principal; which role; on what."""

    file: File
    line: int
    resource: str
    principal: frozenset[str]
    roles: tuple[str, ...]
    scope: str


def role_names(tree: Tree) -> Mapping[str, str]:
    """Read roles.json: role id by the name that the Bicep files use."""
    names: Mapping[str, str] = json.loads((tree.infra / "roles.json").read_text())
    return names


def rights(file: File) -> Iterator[Right]:
    """Answer the role assignments of a file."""
    for resource in file.resources(_ASSIGNMENT):
        properties = resource.body.get("properties") if resource.body else None
        if not isinstance(properties, Fields) or resource.body is None:
            continue
        scope = resource.body.get("scope")
        yield Right(
            file,
            resource.line,
            resource.name,
            frozenset(_names(properties.get("principalId"))),
            tuple(_roles(file, resource, properties.get("roleDefinitionId"))),
            scope.name if isinstance(scope, Name) else "",
        )


def check_rights(tree: Tree, files: Mapping[str, File], main: File) -> Iterator[Finding]:
    """Check the roles, that each is used, and that each identity has a right and somebody who wears it."""
    names = role_names(tree)
    given = [right for file in files.values() for right in rights(file)]
    yield from _unknown_roles(tree, names)
    for right in given:
        if not right.roles:
            yield Finding(right.file.path, right.line, f"{right.resource}: the role must be one of roles.json")
        for role in right.roles:
            if role not in names:
                yield Finding(right.file.path, right.line, f"{right.resource}: roles.json has no role {role}")
        if not right.scope and right.file.path != "infra/modules/builders.bicep":
            yield Finding(right.file.path, right.line, f"{right.resource}: the right has no scope of its own")
    used = {role for right in given for role in right.roles}
    for name in names:
        if name not in used:
            yield Finding(tree.name(tree.infra / "roles.json"), 1, f"nobody has the role {name}")
    yield from _idle_identities(files, main)


def _unknown_roles(tree: Tree, names: Mapping[str, str]) -> Iterator[Finding]:
    path = tree.name(tree.infra / "roles.json")
    for name, role in names.items():
        known = KNOWN_ROLES.get(role)
        if known is None:
            yield Finding(path, 1, f"{name}: {role} is no known role")
        elif known.replace(" ", "").lower() != name.lower():
            yield Finding(path, 1, f"{name}: {role} is the role {known}")


def _roles(file: File, resource: Declaration, expression: Expression | None) -> Iterator[str]:
    """Answer the members of `roles` that an expression means, through variables and the loop of the resource."""
    for part in walk(expression):
        if isinstance(part, Member) and isinstance(part.base, Name) and part.base.name == "roles":
            yield part.name
        elif isinstance(part, Name) and part.name != "roles":
            known = file.by_name.get(part.name)
            if known and known.kind is Kind.VARIABLE:
                yield from _roles(file, resource, known.value)
            elif known is None and isinstance(resource.value, Binding):
                yield from _roles(file, resource, resource.value.over)


def _names(expression: Expression | None) -> Iterator[str]:
    return (part.name for part in walk(expression) if isinstance(part, Name))


def _idle_identities(files: Mapping[str, File], main: File) -> Iterator[Finding]:
    for file in files.values():
        for identity in file.resources(_IDENTITY):
            if not _reaches(files, main, file, identity.name, "principalId"):
                yield Finding(file.path, identity.line, f"the identity {identity.name} has no right")
            if not _reaches(files, main, file, identity.name, "id"):
                yield Finding(file.path, identity.line, f"the identity {identity.name} is worn by nobody")


def _reaches(files: Mapping[str, File], main: File, file: File, identity: str, member: str) -> bool:
    """Whether an identity's principal ends in a role assignment, or its id in some other resource."""
    if member == "principalId" and any(identity in right.principal for right in rights(file)):
        return True
    outputs = {
        output.name
        for output in file.of(Kind.OUTPUT)
        for part in walk(output.value)
        if isinstance(part, Member) and part.name == member and identity in set(_names(part))
    }
    return any(_is_used(target, name, member) for target, name in _handed_on(files, main, file, outputs))


def _handed_on(files: Mapping[str, File], main: File, source: File, outputs: set[str]) -> Iterator[tuple[File, str]]:
    """Answer the parameters of modules that get one of the outputs."""
    origins = {one.name for one in main.of(Kind.MODULE) if called(main, one, files) is source}
    for module in main.of(Kind.MODULE):
        target = called(main, module, files)
        given = module.body.get("params") if module.body else None
        for one in given.properties if isinstance(given, Fields) and target else ():
            reads = {p.name for p in walk(one.value) if isinstance(p, Member) and origins & set(_names(p))}
            if target and one.key and reads & outputs:
                yield target, one.key


def _is_used(file: File, name: str, member: str) -> bool:
    if member == "principalId":
        return any(name in right.principal for right in rights(file))
    return any(
        name in set(_names(resource.value)) or _by_variable(file, resource, name) for resource in file.of(Kind.RESOURCE)
    )


def _by_variable(file: File, resource: Declaration, name: str) -> bool:
    used = set(_names(resource.value))
    return any(one.name in used and name in set(_names(one.value)) for one in file.of(Kind.VARIABLE))
