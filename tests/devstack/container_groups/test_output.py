import os
from pathlib import Path

from devstack.container_groups.shim.output import OutputFile


def written(path: Path, *texts: bytes, limit: int) -> bytes:
    read, write = os.pipe()
    thread = OutputFile(path, limit).follow(read)
    for text in texts:
        os.write(write, text)
    os.close(write)
    thread.join(10)
    return path.read_bytes()


def test_everything_under_the_limit_is_kept(tmp_path: Path) -> None:
    assert written(tmp_path / "log", b"one\n", b"two\n", limit=100) == b"one\ntwo\n"


def test_over_the_limit_the_newest_whole_lines_stay(tmp_path: Path) -> None:
    lines = [f"line {number:05}\n".encode() for number in range(1000)]
    kept = written(tmp_path / "log", *lines, limit=1000)
    assert len(kept) <= 1000
    assert kept.endswith(lines[-1])
    assert kept == b"".join(lines[-(len(kept) // 11) :])


def test_a_second_start_goes_on_behind_the_first(tmp_path: Path) -> None:
    written(tmp_path / "log", b"first\n", limit=100)
    assert written(tmp_path / "log", b"second\n", limit=100) == b"first\nsecond\n"
