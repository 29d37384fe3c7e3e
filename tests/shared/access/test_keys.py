"""Sealed documents open only under their name and with their key."""

import base64
from pathlib import Path

import pytest

from shared.access.keys import Keys, read_keys
from shared.errors import SlipwayError
from shared.settings import Settings, SettingsError


def settings(**values: object) -> Settings:
    return Settings.model_construct(**{"key": None, "key_file": None, **values})  # type: ignore[arg-type]


def test_a_sealed_document_opens_again() -> None:
    keys = Keys(bytes(32))
    sealed = keys.seal(b'{"password": "hunter2"}', "localreg/c1")
    assert b"hunter2" not in sealed
    assert keys.open(sealed, "localreg/c1") == b'{"password": "hunter2"}'


@pytest.mark.parametrize("other", [b"", b"{}", b"[]", b"\xff", b'{"wrapped": 1, "nonce": 2, "sealed": 3}'])
def test_rubbish_does_not_open(other: bytes) -> None:
    with pytest.raises(SlipwayError, match="does not open"):
        Keys(bytes(32)).open(other, "localreg/c1")


def test_another_name_or_key_does_not_open() -> None:
    sealed = Keys(bytes(32)).seal(b"x", "localreg/c1")
    with pytest.raises(SlipwayError):
        Keys(bytes(32)).open(sealed, "localreg/c2")
    with pytest.raises(SlipwayError):
        Keys(b"\1" * 32).open(sealed, "localreg/c1")


def test_the_same_document_is_sealed_differently_each_time() -> None:
    keys = Keys(bytes(32))
    assert keys.seal(b"x", "n") != keys.seal(b"x", "n")


def test_the_key_is_read_from_text_or_file(tmp_path: Path) -> None:
    text = base64.b64encode(b"k" * 32).decode()
    (tmp_path / "key").write_text(text + "\n")
    sealed = read_keys(settings(key=text)).seal(b"x", "n")
    assert read_keys(settings(key_file=tmp_path / "key")).open(sealed, "n") == b"x"


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"k" * 16).decode(), "%%%"])
def test_a_bad_key_stops_the_start_without_showing_it(text: str) -> None:
    with pytest.raises(SettingsError, match="SLIPWAY_KEY: must hold 32 random bytes") as refusal:
        read_keys(settings(key=text))
    assert not text or text not in str(refusal.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_keys(settings(key_file=tmp_path / "missing"))
