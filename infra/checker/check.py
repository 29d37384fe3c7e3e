"""All checks of the deployment, one after the other."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.checker.app_settings import check_settings
from infra.checker.azd import check_azd
from infra.checker.bicep import File
from infra.checker.bodies import check_bodies
from infra.checker.findings import Finding, Tree
from infra.checker.linter import check_lint
from infra.checker.modules import called, check_modules, check_parameters
from infra.checker.names import check_names
from infra.checker.reading import read
from infra.checker.rights import check_rights
from infra.checker.stores import check_stores
from infra.checker.symbols import check_symbols

MAIN = "infra/main.bicep"


def check(root: Path) -> list[Finding]:
    """Check the deployment of a checkout. Where the syntax is wrong, nothing else is said."""
    tree = Tree(root)
    read_files = [read(tree, path) for path in sorted(tree.infra.rglob("*.bicep"))]
    faults = [fault for _, faults in read_files for fault in faults]
    if faults:
        return sorted(set(faults))
    return sorted(set(_checks(tree, {file.path: file for file, _ in read_files})))


def _checks(tree: Tree, files: Mapping[str, File]) -> Iterator[Finding]:
    main = files[MAIN]
    for file in files.values():
        yield from check_symbols(file)
        yield from check_bodies(file)
        yield from check_modules(file, files)
        yield from check_lint(file, files)
        yield from check_names(file)
    yield from _orphans(files, main)
    yield from check_parameters(tree, main)
    yield from check_rights(tree, files, main)
    yield from check_stores(tree, files)
    yield from check_settings(tree, files)
    yield from check_azd(tree, main)


def _orphans(files: Mapping[str, File], main: File) -> Iterator[Finding]:
    used = {target.path for one in main.declarations if (target := called(main, one, files))}
    for path in files.keys() - used - {MAIN}:
        yield Finding(path, 1, "no module statement of main.bicep uses this file")
