import subprocess
import sys
from pathlib import Path

import pytest

from devstack.setup.once import Made

RACER = """
import sys, pathlib
from devstack.setup.once import Made
journal = pathlib.Path(sys.argv[2])
def fill(directory):
    with journal.open("a") as stream:
        stream.write("made\\n")
Made("thing", pathlib.Path(sys.argv[1]), fill).ensure()
"""


def test_a_thing_is_made_once(tmp_path: Path) -> None:
    calls: list[Path] = []
    made = Made("thing", tmp_path / "thing", calls.append)

    assert made.ensure() == made.ensure() == tmp_path / "thing"
    assert calls == [tmp_path / "thing"]


def test_what_was_interrupted_is_made_anew_from_nothing(tmp_path: Path) -> None:
    found: list[bool] = []

    def fill(directory: Path) -> None:
        torso = directory / "half"
        found.append(torso.exists())
        torso.touch()
        if len(found) == 1:
            raise KeyboardInterrupt

    made = Made("thing", tmp_path / "thing", fill)
    with pytest.raises(KeyboardInterrupt):
        made.ensure()
    assert not made.is_ready

    made.ensure()

    assert found == [False, False]


def test_two_processes_make_it_once_between_them(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", RACER, str(tmp_path / "thing"), str(tmp_path / "journal")]
    racers = [subprocess.Popen(argv, stderr=subprocess.DEVNULL) for _ in range(4)]

    assert [racer.wait() for racer in racers] == [0, 0, 0, 0]
    assert (tmp_path / "journal").read_text() == "made\n"
