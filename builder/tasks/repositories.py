"""Which repositories of the run's registry a task names: what the logins of its steps must reach. Pure.

A registry's token is for named repositories, so whatever a step pulls or pushes by itself must be found in its text.
A name that a step computes at run time is not found; docs/deviations.md says so.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from builder.contexts.tree import read_text
from builder.faults import ContextRefused
from shared.language import BuildStep, CmdStep, Plan, PushStep

MOST: Final = 60
"""Repositories in one login; a token lists them all, and registries limit its size."""
_COMPONENT: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_MANY_FILES: Final = 5000
_FILE_LIMIT: Final = 256 * 1024


def named(plan: Plan, registry: str) -> tuple[str, ...]:
    """Return the repositories of `registry` that the plan's texts name, in the order of the file."""
    return _found((text for step in plan.steps for text in _texts(step)), registry)


def named_in_dockerfiles(root: Path, registry: str) -> tuple[str, ...]:
    """Return those that Dockerfiles of the workspace name, for steps that call `docker build` by themselves."""
    return _found(_dockerfiles(root), registry)


def calls_docker(plan: Plan) -> bool:
    """Tell whether a step may call docker by itself."""
    return any(isinstance(step, CmdStep) and "docker" in step.cmd for step in plan.steps)


def _texts(step: CmdStep | BuildStep | PushStep) -> Iterator[str]:
    match step:
        case CmdStep():
            yield step.cmd
            yield from step.environment
        case BuildStep():
            yield step.build
            yield step.cache
        case PushStep():
            yield from step.images


def _found(texts: Iterable[str], registry: str) -> tuple[str, ...]:
    pattern = re.compile(rf"(?<![\w.\-/]){re.escape(registry)}/({_COMPONENT}(?:/{_COMPONENT})*)")
    return tuple(dict.fromkeys(name for text in texts for name in pattern.findall(text)))[:MOST]


def _dockerfiles(root: Path) -> Iterator[str]:
    seen = 0
    for folder, _, files in os.walk(root):
        for name in files:
            seen += 1
            if "dockerfile" in name.lower():
                yield _text(root, Path(folder, name).relative_to(root))
        if seen > _MANY_FILES:
            return


def _text(root: Path, path: Path) -> str:
    try:
        return read_text(root, str(path), _FILE_LIMIT) or ""
    except (ContextRefused, OSError):
        return ""
