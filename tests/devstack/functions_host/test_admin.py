"""The host's own doors: who has the master key may enter, and everybody where there is none."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from devstack.functions_host.__main__ import main
from devstack.functions_host.admin import Admin

KEY = "opens-everything"


def status(method: str, path: str, headers: dict[str, str] | None = None, query: bytes = b"", key: str = KEY) -> int:
    invoker: Any = None  # nothing is run here
    admin = Admin("host", {}, invoker, is_running=lambda: True, master_key=key)
    return asyncio.run(admin.answer(method, path, headers or {}, query, b"")).status


@pytest.mark.parametrize("path", ["/admin/functions", "/admin/host/status", "/admin/functions/x", "/admin", "/admin/x"])
@pytest.mark.parametrize(
    ("headers", "query"),
    [({}, b""), ({"x-functions-key": "wrong"}, b""), ({}, b"code=wrong"), ({"x-functions-key": "ä"}, b"code=\xff")],
)
def test_without_the_key_nothing_is_told(path: str, headers: dict[str, str], query: bytes) -> None:
    assert status("GET", path, headers, query) == 401
    assert status("POST", path, headers, query) == 401


@pytest.mark.parametrize(("headers", "query"), [({"x-functions-key": KEY}, b""), ({}, f"a=b&code={KEY}".encode())])
def test_the_key_opens(headers: dict[str, str], query: bytes) -> None:
    assert status("GET", "/admin/functions", headers, query) == 200
    assert status("GET", "/admin/host/status", headers, query) == 200
    assert status("GET", "/admin/x", headers, query) == 404


def test_everybody_may_ping() -> None:
    assert status("GET", "/admin/host/ping") == 200


def test_a_host_without_a_key_asks_for_none() -> None:
    assert status("GET", "/admin/functions", key="") == 200


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("\n", "is empty")])
def test_a_key_that_cannot_be_used_stops_the_start(
    content: str | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr("sys.argv", ["host", "--root", str(tmp_path), "--master-key-file", str(file)])
    assert main() == 1
    assert words in capsys.readouterr().err
