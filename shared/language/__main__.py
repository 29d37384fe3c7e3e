"""Shows what a task file means, without running anything: `python -m shared.language FILE`."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import LanguageError
from shared.grant import NamedValue, Platform, RunVariables
from shared.language import AliasConfig, TaskInput, load, report, secret_requests
from shared.language.errors import AliasError

_HIDDEN = "***"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plan", description="Show what a task file means, without running it.")
    parser.add_argument("file", help="the task file; - reads standard input")
    parser.add_argument("--values", type=Path, metavar="FILE", help="a values file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a value of the template")
    parser.add_argument("--secret", action="append", default=[], metavar="ID=VALUE", help="stands for a vault's secret")
    parser.add_argument("--run", action="append", default=[], metavar="NAME=VALUE", help=f"one of: {_names()}")
    parser.add_argument("--os", choices=("linux", "windows"), default="linux")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser


def _names() -> str:
    return ", ".join(RunVariables.model_fields)


def _variables(pairs: Sequence[str]) -> RunVariables:
    given = dict(_pair(pair) for pair in pairs)
    unknown = sorted(set(given) - set(RunVariables.model_fields))
    if unknown:
        raise SystemExit(f"plan: no run variable is called {unknown[0]}; there are {_names()}")
    registry = given.get("registry", "myregistry.azurecr.io")
    defaults = {
        "id": "run1",
        "registry": registry,
        "registry_name": registry.partition(".")[0],
        "date": f"{datetime.now(UTC):%Y%m%d-%H%M%S}z",
    }
    return RunVariables(**{**defaults, **given})


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SystemExit(f"plan: expected NAME=VALUE, got {text}")
    return name, value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"plan: cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def _sources(base: Path) -> AliasConfig:
    """Read alias sources below the task file's folder; addresses are left to real runs."""

    def read_source(name: str) -> str:
        path = (base / name).resolve()
        if "://" in name:
            raise AliasError(f"{name}: addresses are not fetched here; a run does")
        if not path.is_relative_to(base.resolve()) or not path.is_file():
            raise AliasError(f"open {name}: no such file or directory")
        return _read(path)

    return AliasConfig(read_source=read_source)


def _input(options: argparse.Namespace) -> TaskInput:
    base = Path() if options.file == "-" else Path(options.file).parent
    return TaskInput(
        text=sys.stdin.read() if options.file == "-" else _read(Path(options.file)),
        variables=_variables(options.run),
        values=_read(options.values) if options.values else None,
        overrides=[NamedValue(name=name, value=value) for name, value in map(_pair, options.set)],
        aliases=_sources(base),
        platform=Platform(os=options.os),
        name=Path(options.file).name,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Show one task; gives 0, or 1 when the task does not hold."""
    options = _parser().parse_args(arguments)
    given = _input(options)
    stand_ins = dict(map(_pair, options.secret))
    try:
        wanted = {secret.id: stand_ins.get(secret.id, _HIDDEN) for secret in secret_requests(given)}
        loaded = load(given, wanted)
    except LanguageError as error:
        print(json.dumps(report.error_json(error), indent=2) if options.output == "json" else f"Error: {error.message}")
        return 1
    if options.output == "json":
        print(json.dumps(report.as_json(loaded), indent=2, ensure_ascii=False))
    else:
        print("\n".join(report.as_text(loaded)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
