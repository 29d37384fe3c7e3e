"""The steps' home directory: logins are put in, what steps wrote stays, no link is followed."""

import json
import stat
from pathlib import Path

import pytest

from builder.engine.logins import login_of, merged_config, read_home, update_home
from builder.faults import ContextRefused
from shared.grant import RegistryLogin

OURS = RegistryLogin(registry="reg.example", token="t.o.k")


def auths(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())["auths"]
    return found


def test_a_fresh_home(tmp_path: Path) -> None:
    update_home(tmp_path / "home", (OURS,))
    path = tmp_path / "home/.docker/config.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert auths(path) == {"reg.example": {"registrytoken": "t.o.k"}}


def test_what_a_step_has_logged_in_to_stays(tmp_path: Path) -> None:
    update_home(tmp_path, (OURS,))
    path = tmp_path / ".docker/config.json"
    settings = json.loads(path.read_text())
    settings["auths"]["other.example"] = {"auth": "dTpwOnc="}
    path.write_text(json.dumps(settings))
    update_home(tmp_path, (RegistryLogin(registry="reg.example", token="newer"),))
    assert auths(path) == {"reg.example": {"registrytoken": "newer"}, "other.example": {"auth": "dTpwOnc="}}
    other = login_of(tmp_path, "other.example")
    assert other is not None
    assert (other.username, other.password) == ("u", "p:w")
    assert login_of(tmp_path, "third.example") is None
    merged_config(tmp_path / "for-build", tmp_path, (OURS,))
    assert set(auths(tmp_path / "for-build/config.json")) == {"reg.example", "other.example"}


def test_a_login_of_a_step_for_our_registry_wins(tmp_path: Path) -> None:
    update_home(tmp_path, (OURS,))
    path = tmp_path / ".docker/config.json"
    path.write_text(json.dumps({"auths": {"reg.example": {"auth": "dTpw"}}}))
    update_home(tmp_path, (OURS,))
    assert auths(path) == {"reg.example": {"auth": "dTpw"}}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"auths": []}', '{"auths": {"r": 1}}', "\0", "[" * 100_000])
def test_nonsense_counts_as_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(text)
    assert login_of(tmp_path, "r") is None
    update_home(tmp_path, (OURS,))
    assert auths(tmp_path / ".docker/config.json")["reg.example"]


def test_links_lead_nowhere(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.mkdir()
    (outside / "config.json").write_text('{"auths": {"reg.example": {"registrytoken": "stolen"}}}')
    (home / ".docker").symlink_to(outside)
    assert read_home(home) == {}
    with pytest.raises(ContextRefused):
        update_home(home, (OURS,))
    (home / ".docker").unlink()
    (home / ".docker").mkdir()
    (home / ".docker/config.json").symlink_to(outside / "config.json")
    update_home(home, (OURS,))
    assert "stolen" in (outside / "config.json").read_text()
    assert auths(home / ".docker/config.json") == {"reg.example": {"registrytoken": "t.o.k"}}
