import subprocess
import sys
from pathlib import Path

import pytest

from devstack.cli import az
from devstack.cli.main import main, split
from devstack.errors import StackError
from devstack.stack.layout import CHECKOUT


@pytest.mark.parametrize(
    ("arguments", "own", "rest"),
    [
        (["az", "acr", "--state", "x"], ["az"], ["acr", "--state", "x"]),
        (["--state", "x", "az", "--help"], ["--state", "x", "az"], ["--help"]),
        (["--state", "az", "status"], ["--state", "az", "status"], []),
        (["--port-base=8000", "test", "-k", "az"], ["--port-base=8000", "test"], ["-k", "az"]),
        (["up", "--background"], ["up", "--background"], []),
        ([], [], []),
    ],
)
def test_what_follows_a_passing_command_is_not_ours(arguments: list[str], own: list[str], rest: list[str]) -> None:
    assert split(arguments) == (own, rest)


def test_az_runs_as_the_owner_unless_told() -> None:
    assert az.split(["acr", "list"]) == ("owner", ["acr", "list"])
    assert az.split(["--as", "reader", "acr", "--as", "x"]) == ("reader", ["acr", "--as", "x"])


@pytest.mark.parametrize("arguments", [["--as"], ["--as", "root", "acr"]])
def test_an_unknown_principal_is_refused_with_the_known_ones(arguments: list[str]) -> None:
    with pytest.raises(StackError, match="owner, runner, reader, stranger"):
        az.split(arguments)


def test_a_command_that_needs_the_stack_says_how_to_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--state", str(tmp_path), "az", "acr", "list"]) == 1
    assert capsys.readouterr().err == "dev: The stack does not run: start it with ./dev up.\n"


def test_status_of_a_stack_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().out == "The stack does not run.\n"


def test_a_bad_port_base_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_DEV_PORT_BASE", "many")

    assert main(["--state", str(tmp_path), "status"]) == 1
    assert capsys.readouterr().err == "dev: SLIPWAY_DEV_PORT_BASE must be a number, not 'many'.\n"


def test_the_entry_point_is_understood_by_python_3_9() -> None:
    program = "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))"

    assert subprocess.run([sys.executable, "-c", program, str(CHECKOUT / "dev")], check=False).returncode == 0
