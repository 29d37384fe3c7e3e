"""What azd packs of a checkout, by .funcignore: the app, and nothing that is secret or of no use there."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = {"function_app.py", "host.json", "requirements.txt", "functions", "shared", "LICENSE"}
NOT_TRACKED = [
    ".azure/try/.env",
    ".dev/keys/entra.pem",
    ".venv/pyvenv.cfg",
    "slipway_env/pyvenv.cfg",
    "local.settings.json",
    "shared/__pycache__/settings.cpython-313.pyc",
    ".mypy_cache/x.json",
]


def packed(folder: Path) -> set[str]:
    """Answer what the patterns let pass; they are read as those of .gitignore."""
    argv = ["git", "ls-files", "--others", f"--exclude-from={ROOT / '.funcignore'}"]
    return set(subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in (*tracked.splitlines(), *NOT_TRACKED):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / ".gitignore").unlink()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_the_app_is_packed_and_nothing_else(checkout: Path) -> None:
    assert {name.split("/")[0] for name in packed(checkout)} == APP


def test_secrets_and_what_machines_leave_behind_stay(checkout: Path) -> None:
    assert packed(checkout).isdisjoint(NOT_TRACKED)
