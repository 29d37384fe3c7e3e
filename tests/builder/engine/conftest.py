"""The confined engine around an executor that records what it is given."""

import sys
from pathlib import Path

import pytest

from builder.engine import kaniko
from tests.builder.engine.kaniko_bench import RECORDING, Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    table = tmp_path / "mounts"
    table.write_text("4 2 0:5 / /proc rw - proc proc rw\n")
    monkeypatch.setattr(kaniko, "_MOUNTS", table)
    home = tmp_path / "kaniko"
    home.mkdir()
    program = RECORDING.read_text().replace("#!/usr/bin/python3", f"#!{sys.executable}", 1)
    (home / "executor").write_text(program)
    (home / "executor").chmod(0o755)
    return Bench(tmp_path, home / "executor")
