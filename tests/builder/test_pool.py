"""A machine that serves a pool: what it reads, what it says, and when it gives up."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from builder.faults import Dismissed
from builder.pool import PoolEnvironment, register, take_pool
from shared.errors import InvalidRequest
from shared.grant import Reuse

TOLD = {
    "SLIPWAY_URL": "https://app.example/",
    "SLIPWAY_POOL": "myreg/mypool",
    "SLIPWAY_POOL_TOKEN": "id.secret",
    "SLIPWAY_MACHINE": "rack 1",
}


def test_the_environment_is_read_and_the_token_taken_out() -> None:
    environ = {**TOLD, "SLIPWAY_POOL_PLATFORMS": "linux/arm64, linux/arm/v7", "SLIPWAY_POOL_REUSE": "tasks"}
    told = take_pool(environ)
    assert (told.url, told.pool, told.token) == ("https://app.example", "myreg/mypool", "id.secret")
    assert told.registration.platforms == ("linux/arm64", "linux/arm/v7")
    assert (told.registration.machine, told.registration.reuse) == ("rack-1", Reuse.TASKS)
    assert "SLIPWAY_POOL_TOKEN" not in environ
    assert "secret" not in repr(told)


def test_a_machine_tells_what_it_runs_natively(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert take_pool(dict(TOLD)).registration.platforms == ("linux/arm64", "linux/arm")


def test_the_token_may_lie_in_a_file_that_no_step_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("id.secret\n")
    told = {**TOLD, "SLIPWAY_POOL_TOKEN": "", "SLIPWAY_POOL_TOKEN_FILE": str(tmp_path / "token")}
    monkeypatch.setattr("builder.pool._HIDDEN", (tmp_path,))
    assert take_pool(told, "otherreg/pool").token == "id.secret"

    monkeypatch.setattr("builder.pool._HIDDEN", (tmp_path / "elsewhere",))
    with pytest.raises(InvalidRequest, match="below /run"):
        take_pool(told, "otherreg/pool")


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"SLIPWAY_URL": "ftp://x"}, "SLIPWAY_URL"),
        ({"SLIPWAY_URL": "https://x/../builders"}, "SLIPWAY_URL"),
        ({"SLIPWAY_URL": "http://app.example"}, "SLIPWAY_URL"),
        ({"SLIPWAY_URL": "http://localhost@app.example"}, "SLIPWAY_URL"),
        ({"SLIPWAY_POOL": "nopool"}, "SLIPWAY_POOL"),
        ({"SLIPWAY_POOL": "myreg/../x"}, "SLIPWAY_POOL"),
        ({"SLIPWAY_POOL_TOKEN": ""}, "SLIPWAY_POOL_TOKEN"),
        ({"SLIPWAY_POOL_TOKEN": "", "SLIPWAY_POOL_TOKEN_FILE": "/nowhere"}, "SLIPWAY_POOL_TOKEN_FILE"),
        ({"SLIPWAY_POOL_PLATFORMS": "beos/ppc"}, "SLIPWAY_POOL_PLATFORMS"),
        ({"SLIPWAY_POOL_REUSE": "always"}, "SLIPWAY_POOL_REUSE"),
    ],
)
def test_a_bad_environment_is_told(changes: dict[str, str], target: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        take_pool({**TOLD, **changes})
    assert refusal.value.target == target
    assert "secret" not in refusal.value.message


def registered(answers: list[int | Exception]) -> tuple[PoolEnvironment, list[httpx.Request], str]:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return httpx.Response(given, json={"group": "g7", "token": "group-token"})

    async def go() -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            return (await register(http, told)).group

    told = take_pool(dict(TOLD))
    return told, asked, asyncio.run(go())


def test_a_machine_registers_once_the_app_is_there() -> None:
    told, asked, group = registered([httpx.ConnectError("down"), 503, 200])
    assert group == "g7"
    assert str(asked[-1].url) == "https://app.example/pools/myreg/mypool/machines"
    assert asked[-1].headers["authorization"] == "Bearer id.secret"
    assert json.loads(asked[-1].content) == told.registration.model_dump(mode="json", by_alias=True)


def test_a_refused_machine_does_not_ask_again() -> None:
    with pytest.raises(Dismissed, match="401"):
        registered([401])


@pytest.mark.parametrize(
    "page", ["samples/agent-pool/deployment.yaml", "samples/agent-pool/job.yaml", "docs/agent-pools.md"]
)
def test_what_the_pages_name_is_what_a_machine_reads(page: str) -> None:
    root = Path(__file__).parents[2]
    apps = {"SLIPWAY_POOL_MINIMUM", "SLIPWAY_POOL_IDLE_MINUTES", "SLIPWAY_POOL_RUNS", "SLIPWAY_POOL_HOURS"}
    named = set(re.findall(r"SLIPWAY_[A-Z_]+", (root / page).read_text())) - apps - {"SLIPWAY_POOL_SILENCE"}
    read = set(re.findall(r"SLIPWAY_[A-Z_]+", (root / "builder/pool.py").read_text()))
    assert named
    assert named <= read
