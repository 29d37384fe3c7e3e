"""A checkout of links, in which single files of the deployment can be changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__", "checker"))
    shutil.copy(ROOT / "azure.yaml", tmp_path)
    for name in ("shared", "functions", "function_app.py", "host.json"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def edit(checkout: Path) -> Callable[[str, str, str], None]:
    """Replace the first place where a text stands in a file; the real file stays as it is."""

    def replace(name: str, old: str, new: str) -> None:
        path = _own(checkout, name)
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))

    return replace


def _own(root: Path, name: str) -> Path:
    """Turn a link on the way to a file into a folder of links, and the file's into a copy."""
    at = root
    for part in Path(name).parts:
        at = at / part
        if at.is_symlink():
            target = at.readlink()
            at.unlink()
            if target.is_file():
                shutil.copy(target, at)
            else:
                at.mkdir()
                for child in target.iterdir():
                    (at / child.name).symlink_to(child)
    return at
