"""Alias sources come from the context, or from where the gate allows, in bounded time and size."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from builder.contexts.choose import Means
from builder.contexts.gate import Gate
from builder.tasks import alias_sources
from builder.tasks.alias_sources import AliasSources
from shared.errors import LanguageError
from shared.grant import LoginRequest, RegistryLogin, RunVariables
from shared.language import AliasConfig, TaskInput, load
from shared.language.errors import AliasError
from shared.network import Allowed
from tests.builder.contexts.web import Asked, Page, Reply, Site, basic, running_site

TASK = "version: v1.1.0\nalias:\n  src: [{}]\nsteps:\n - cmd: $tool x\n"
VARIABLES = RunVariables(id="ca1", registry="r.example", registry_name="r", date="20260102-030405z")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path / "site") as running:
        yield running


async def _no_login(_: LoginRequest) -> RegistryLogin:
    raise AssertionError("a source needs no login of the registry")


def command(site: Site, root: Path, *sources: str, allowed: bool = True) -> str:
    """Load a task with these sources as a builder does; answers its one command."""

    async def loaded() -> Any:
        async with httpx.AsyncClient() as http:
            means = Means(http, root, site.bundle, _no_login)
            gate = Gate(Allowed.read(site.allowed if allowed else ()))
            reader = AliasSources(root, means, gate, asyncio.get_running_loop())
            given = TaskInput(
                text=TASK.format(", ".join(sources)), variables=VARIABLES, aliases=AliasConfig(read_source=reader.read)
            )
            await asyncio.to_thread(load, given)
            return await asyncio.to_thread(load, given)

    return str(asyncio.run(asyncio.wait_for(loaded(), 30)).plan.steps[0].cmd)


def page(body: bytes, status: int = 200, **headers: str) -> Page:
    return lambda _: Reply(status, body, headers)


def test_an_address_is_read_once_however_often_the_task_is_loaded(site: Site, tmp_path: Path) -> None:
    site.pages["/names.yaml"] = page(b"\xef\xbb\xbftool: far/away:1\n")
    assert command(site, tmp_path, f"{site.origin}/names.yaml") == "far/away:1 x"
    assert [asked.path for asked in site.asked] == ["/names.yaml"]


def test_later_sources_win_wherever_they_lie(site: Site, tmp_path: Path) -> None:
    site.pages["/names.yaml"] = page(b"tool: far\n")
    (tmp_path / "near.yaml").write_text("tool: near\n")
    assert command(site, tmp_path, f"{site.origin}/names.yaml", "near.yaml") == "near x"
    assert command(site, tmp_path, "near.yaml", f"{site.origin}/names.yaml") == "far x"


def test_redirects_are_followed_and_a_login_stays_at_its_host(site: Site, tmp_path: Path) -> None:
    other = site.origin.replace("localhost", "127.0.0.1")
    site.pages["/1"] = page(b"", 302, Location="/2")
    site.pages["/2"] = page(b"tool: x/y:1\n")
    assert command(site, tmp_path, f"{site.origin.replace('://', '://me:pass@')}/1") == "x/y:1 x"
    assert [asked.headers.get("authorization") for asked in site.asked] == [basic("me:pass")] * 2
    site.pages["/1"] = page(b"", 302, Location=f"{other}/2")
    with pytest.raises(AliasError, match=r"127\.0\.0\.1 is not called"):
        command(site, tmp_path, f"{site.origin}/1")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://localhost/a", "only https addresses are fetched"),
        ("https://169.254.169.254/latest/meta-data", "leads to an address inside a network"),
        ("https://localhost/a", "leads to an address inside a network"),
        ("https://localhost:22/a", "Port 22 of localhost is not called"),
        ("https://example.com/x.git", "the address of a git repository"),
        ("https://me:secret-word@localhost:22/a?sig=secret-word#secret-word", "'https://localhost:22/a' cannot be"),
    ],
)
def test_what_is_not_called(site: Site, tmp_path: Path, address: str, words: str) -> None:
    with pytest.raises(AliasError, match=words) as fault:
        command(site, tmp_path, f'"{address}"', allowed=False)
    assert "secret-word" not in fault.value.message
    assert site.asked == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page(b"no", 404), "the server answers HTTP 404"),
        (page(b"", 302, Location="/a"), "redirects more than 3 times"),
        (page(b"- no\n- map\n"), "cannot unmarshal !!seq into map"),
        (page(b"x" * (alias_sources.TEXT_LIMIT + 1)), "longer than 4194304 bytes"),
        (page(b"x: " + b"y" * 300_000), "alias source"),
        (lambda _: Reply(body=b"tool: whole", break_after=3), "cannot be reached"),
    ],
)
def test_what_is_not_read(site: Site, tmp_path: Path, answer: Page, words: str) -> None:
    site.pages["/a"] = answer
    with pytest.raises(LanguageError, match=words):
        command(site, tmp_path, f"{site.origin}/a")


def test_all_addresses_together_have_their_time(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alias_sources, "_SECONDS", 0.3)
    over = threading.Event()

    def silent(_: Asked) -> Reply:
        over.wait(20)
        return Reply(body=b"tool: late\n")

    site.pages["/a"] = silent
    try:
        with pytest.raises(AliasError, match="seconds together"):
            command(site, tmp_path, f"{site.origin}/a")
    finally:
        over.set()


@pytest.mark.parametrize("name", ["../up.yaml", "/etc/passwd", "missing.yaml", "."])
def test_files_come_from_the_context_alone(site: Site, tmp_path: Path, name: str) -> None:
    with pytest.raises(AliasError, match=f"open {name}: no such file or directory"):
        command(site, tmp_path, name)
