"""The tests of kaniko itself do run, and can be passed: shown with a stand-in that does what kaniko would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builder.engine.kaniko import EXECUTOR_SETTING
from devstack.builder_image import layers
from devstack.stack.layout import CHECKOUT, cache
from tests.builder.engine.stand_in import pack

pytestmark = pytest.mark.slow
TESTS = CHECKOUT / "tests" / "builder" / "engine" / "test_real_kaniko.py"
CHOSEN = "stage_to_stage or canceled"


def test_the_tests_of_kaniko_are_passed_by_its_stand_in(tmp_path: Path) -> None:
    home = Path(layers.confined(cache(), CHECKOUT, TESTS).lower[-1]) / "kaniko"
    folder = tmp_path / "kaniko"
    shutil.copytree(home, folder, symlinks=True, ignore=shutil.ignore_patterns("agent", "slipway"))
    environment = {**os.environ, EXECUTOR_SETTING: str(pack(folder / "executor"))}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN, str(TESTS)]
    done = subprocess.run(argv, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
