import sys
from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.setup import mirror, packages
from devstack.setup.azurite import version_for
from devstack.setup.run import run


@pytest.mark.parametrize(
    ("node", "azurite"), [("v20.20.2\n", "3.35.0"), ("v10.0.0", "3.35.0"), ("v22.1.0", "3.37.0"), ("v24.0.0", "3.37.0")]
)
def test_azurite_fits_the_node_that_is_there(node: str, azurite: str) -> None:
    assert version_for(node) == azurite


@pytest.mark.parametrize("node", ["v8.17.0", "", "garbage"])
def test_a_node_too_old_is_told_in_a_sentence(node: str) -> None:
    with pytest.raises(StackError, match=r"needs Node\.js 10 or newer"):
        version_for(node)


def test_system_programs_are_found_without_roots_path() -> None:
    assert packages.search_path("/usr/bin:/sbin") == "/usr/bin:/sbin:/usr/local/sbin:/usr/sbin"


def test_missing_packages_give_a_plain_user_the_exact_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find", lambda program: "/usr/bin/apt-get" if program == "apt-get" else None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(StackError, match=r"As root: apt-get install --yes .* debootstrap runc "):
        packages.ensure()


def test_the_mirror_is_the_first_full_debian_archive() -> None:
    targets = """\
http://security.example/debian-security/ bookworm-security main Debian Debian-Security
http://other.example/ stable main Other Other
http://mirror.example/debian/ bookworm main Debian Debian
http://second.example/debian/ bookworm-updates main Debian Debian
"""
    assert mirror.first_archive(targets) == "http://mirror.example/debian/"


def test_a_machine_without_a_debian_archive_is_told_so() -> None:
    with pytest.raises(StackError, match="no Debian archive"):
        mirror.first_archive("http://archive.example/ubuntu/ noble main Ubuntu Ubuntu\n")


def test_a_failing_program_shows_its_last_words() -> None:
    program = "import sys; print('\\n'.join(map(str, range(40)))); sys.exit(4)"

    with pytest.raises(StackError, match=r"(?s)Trying failed \(.*, exit 4\):\n    25\n.*\n    39$"):
        run((sys.executable, "-c", program), "Trying")


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"Trying failed: .*/none could not be started \(No such file"):
        run((str(tmp_path / "none"),), "Trying")
