from pathlib import Path

import pytest

from devstack.stack import hosts_file

ONE, TWO = Path("/one"), Path("/two")


@pytest.mark.parametrize("before", ["127.0.0.1 localhost\n", "127.0.0.1 localhost", ""])
def test_a_line_comes_and_goes_and_leaves_the_rest_alone(tmp_path: Path, before: str) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(before)

    hosts_file.add(ONE, hosts)
    assert (
        hosts.read_text()
        .splitlines()[-1]
        .startswith("127.0.0.1 localreg.slipway.test otherreg.slipway.test # slipway ")
    )
    hosts_file.remove(ONE, hosts)

    assert hosts.read_text().rstrip("\n") == before.rstrip("\n")


def test_each_stack_has_a_line_of_its_own(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("")
    for state in (ONE, TWO, ONE):
        hosts_file.add(state, hosts)

    hosts_file.remove(ONE, hosts)

    assert hosts.read_text() == hosts_file.line(TWO) + "\n"


def test_the_mode_of_the_file_stays(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("")
    hosts.chmod(0o640)

    hosts_file.add(ONE, hosts)

    assert hosts.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(16, "Device or resource busy", str(self), None, str(target))

    hosts = tmp_path / "hosts"
    hosts.write_text("a\n")
    monkeypatch.setattr(Path, "replace", refuse)

    hosts_file.add(ONE, hosts)

    assert hosts.read_text() == f"a\n{hosts_file.line(ONE)}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["hosts"]
