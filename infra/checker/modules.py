"""What modules are given and what is read from them; the parameters file of the whole."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.checker.bicep import (
    Declaration,
    Expression,
    Fields,
    File,
    Index,
    Items,
    Kind,
    Member,
    Name,
    Scalar,
    Text,
    walk,
)
from infra.checker.findings import Finding, Tree

_KINDS: Mapping[str, type] = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}


def called(file: File, module: Declaration, files: Mapping[str, File]) -> File | None:
    """Answer the file that a module statement names."""
    path = Path(file.path).parent / module.target
    return files.get(path.as_posix())


def check_modules(file: File, files: Mapping[str, File]) -> Iterator[Finding]:
    """Check the module statements of a file and the outputs that it reads."""
    for module in file.of(Kind.MODULE):
        target = called(file, module, files)
        if target is None:
            yield Finding(file.path, module.line, f"{module.name}: there is no file {module.target}")
        else:
            yield from _arguments(file, module, target)
    for declaration in file.declarations:
        for part in walk(declaration.value):
            yield from _output(file, part, files)


def _arguments(file: File, module: Declaration, target: File) -> Iterator[Finding]:
    given = module.body.get("params") if module.body else None
    properties = given.properties if isinstance(given, Fields) else ()
    wanted = {one.name: one for one in target.of(Kind.PARAMETER)}
    for one in properties:
        if one.key is not None and one.key not in wanted:
            yield Finding(file.path, one.line, f"{module.name}: {target.path} has no parameter {one.key}")
        elif one.key is not None and not _fits(file, one.value, wanted[one.key].type):
            yield Finding(file.path, one.line, f"{module.name}: the parameter {one.key} is {wanted[one.key].type}")
    present = {one.key for one in properties}
    for name, declaration in wanted.items():
        if declaration.value is None and name not in present:
            yield Finding(file.path, module.line, f"{module.name}: the parameter {name} of {target.path} is not given")


def _fits(file: File, value: Expression, declared: str) -> bool:
    """Whether a literal, or a parameter that is handed on, can be of the declared type."""
    wanted = "array" if declared.endswith("[]") else declared
    if isinstance(value, Name):
        known = file.by_name.get(value.name)
        handed = known.type if known and known.kind is Kind.PARAMETER else ""
        handed = "array" if handed.endswith("[]") else handed
        return handed not in _KINDS or wanted not in _KINDS or handed == wanted
    literal = {Text: "string", Fields: "object", Items: "array"}.get(type(value))
    if isinstance(value, Scalar) and value.value is not None:
        literal = "bool" if isinstance(value.value, bool) else "int"
    return literal is None or wanted not in _KINDS or literal == wanted


def _output(file: File, part: Expression, files: Mapping[str, File]) -> Iterator[Finding]:
    if not (isinstance(part, Member) and isinstance(part.base, Member) and part.base.name == "outputs"):
        return
    base = part.base.base.base if isinstance(part.base.base, Index) else part.base.base
    module = file.by_name.get(base.name) if isinstance(base, Name) else None
    target = called(file, module, files) if module and module.kind is Kind.MODULE else None
    if target is not None and part.name not in {one.name for one in target.of(Kind.OUTPUT)}:
        yield Finding(file.path, part.line, f"{target.path} has no output {part.name}")


def check_parameters(tree: Tree, main: File) -> Iterator[Finding]:
    """Check that the parameters file gives what main.bicep wants, and nothing else."""
    path = tree.infra / "main.parameters.json"
    name = tree.name(path)
    given = json.loads(path.read_text())["parameters"]
    wanted = {one.name: one for one in main.of(Kind.PARAMETER)}
    for key, told in given.items():
        if key not in wanted:
            yield Finding(name, 1, f"main.bicep has no parameter {key}")
            continue
        kind = _KINDS.get("array" if wanted[key].type.endswith("[]") else wanted[key].type)
        if kind and not isinstance(told["value"], kind):
            yield Finding(name, 1, f"the parameter {key} is {wanted[key].type}")
    for key, declaration in wanted.items():
        if declaration.value is None and key not in given:
            yield Finding(name, 1, f"the parameter {key} is not given")
