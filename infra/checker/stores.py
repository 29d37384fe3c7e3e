"""The tables, queues and containers that the app opens exist in the deployment, and the other way round."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.checker.bicep import Binding, Declaration, File, Kind, Text, texts, walk
from infra.checker.findings import Finding, Tree

_ACCOUNT = "shared/storage/account.py"
_KINDS = {
    "TABLES": "Microsoft.Storage/storageAccounts/tableServices/tables",
    "QUEUES": "Microsoft.Storage/storageAccounts/queueServices/queues",
    "CONTAINERS": "Microsoft.Storage/storageAccounts/blobServices/containers",
}


@dataclass(frozen=True)
class Use:
    """A name that the code uses, and where."""

    kind: str
    name: str
    file: str
    line: int


def uses(tree: Tree) -> list[Use]:
    """Answer what the storage room opens and what the doors listen on."""
    opened = [
        Use(name, item.value, _ACCOUNT, item.lineno)
        for name, value in _constants(ast.parse((tree.root / _ACCOUNT).read_text()))
        if name in _KINDS and isinstance(value, ast.Tuple)
        for item in value.elts
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
    ]
    return opened + [
        use for path in sorted((tree.root / "functions").glob("*.py")) for use in _listens(tree, path.name)
    ]


def _constants(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement.value


def _listens(tree: Tree, name: str) -> Iterator[Use]:
    path = f"functions/{name}"
    text = (tree.root / path).read_text()
    for node in ast.walk(ast.parse(text)) if "queue_name" in text else ():
        if isinstance(node, ast.keyword) and node.arg == "queue_name" and isinstance(node.value, ast.Constant):
            yield Use("QUEUES", str(node.value.value), path, node.value.lineno)


def check_stores(tree: Tree, files: Mapping[str, File]) -> Iterator[Finding]:
    """Check both directions; a store of the deployment's own must be named in a second place of the Bicep files."""
    used = uses(tree)
    made = {kind: dict(_made(files, resource_type)) for kind, resource_type in _KINDS.items()}
    for use in used:
        if use.name not in made[use.kind]:
            what = use.kind.lower().removesuffix("s")
            yield Finding(
                use.file, use.line, f"the deployment makes no {what} {use.name} (infra/modules/storage.bicep)"
            )
    for kind, names in made.items():
        for name, (file, line) in names.items():
            if name not in {use.name for use in used if use.kind == kind} and not _is_named_elsewhere(files, name):
                yield Finding(file, line, f"nobody uses the {kind.lower().removesuffix('s')} {name}")


def _made(files: Mapping[str, File], resource_type: str) -> Iterator[tuple[str, tuple[str, int]]]:
    for file in files.values():
        for resource in file.resources(resource_type):
            for text in _names(file, resource):
                yield text.value or "", (file.path, text.line)


def _names(file: File, resource: Declaration) -> Iterator[Text]:
    """Answer the names that a resource gets: its own, or those that its loop goes through."""
    over = resource.value.over if isinstance(resource.value, Binding) else None
    yield from texts(file, over or (resource.body.get("name") if resource.body else None))


def _is_named_elsewhere(files: Mapping[str, File], name: str) -> bool:
    """Whether a name stands in another statement than the list that makes it."""
    return any(
        isinstance(part, Text) and (part.value == name or (part.value is None and name in part.pieces))
        for file in files.values()
        for declaration in file.declarations
        if declaration.kind is not Kind.VARIABLE and not declaration.is_existing
        for part in walk(declaration.value)
    )
