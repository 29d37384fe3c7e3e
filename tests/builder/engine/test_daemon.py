"""A daemon that does not come up says why, and nothing of it stays."""

import asyncio
from pathlib import Path

import pytest

from builder.engine.daemon import Daemon
from builder.faults import EngineUnavailable

GOOD = """#!/usr/bin/env python3
import http.server, json, os, socketserver, sys
path = json.load(open(sys.argv[2]))["hosts"][0].removeprefix("unix://")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"OK")
    def address_string(self): return "-"
    def log_message(self, *_): pass
socketserver.UnixStreamServer(path, Answer).serve_forever()
"""


def daemon(tmp_path: Path, program: str) -> Daemon:
    path = tmp_path / "bin/dockerd"
    path.parent.mkdir()
    path.write_text(program)
    path.chmod(0o755)
    return Daemon(tmp_path / "home", tmp_path / "data", {"PATH": f"{path.parent}:/usr/local/bin:/usr/bin:/bin"})


def test_it_is_ready_when_the_socket_answers_and_gone_after_stop(tmp_path: Path) -> None:
    one = daemon(tmp_path, GOOD)

    async def scenario() -> int | None:
        await one.start()
        async with one.client() as client:
            assert (await client.get("/_ping")).text == "OK"
        await one.stop()
        assert one._process is not None
        return one._process.returncode

    assert asyncio.run(scenario()) is not None


def test_a_daemon_that_ends_gives_its_last_words(tmp_path: Path) -> None:
    one = daemon(
        tmp_path, "#!/bin/sh\necho starting\necho 'failed to mount overlay: operation not permitted' >&2\nexit 1\n"
    )
    with pytest.raises(EngineUnavailable, match="failed to mount overlay"):
        asyncio.run(one.start())


def test_one_that_ignores_the_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = GOOD.replace(
        "import http.server", "import signal; signal.signal(15, signal.SIG_IGN)\nimport http.server"
    )
    one = daemon(tmp_path, stubborn)
    monkeypatch.setattr("builder.engine.daemon._STOP_SECONDS", 0.05)

    async def scenario() -> int | None:
        await one.start()
        await one.stop()
        assert one._process is not None
        return one._process.returncode

    assert asyncio.run(scenario()) == -9
