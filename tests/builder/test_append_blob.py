"""The log's blob gets every byte once and in order, whatever storage does."""

import asyncio
import random
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from builder.append_blob import AppendBlob, Pace

URL = "https://blobs.example/logs/ca1?sp=a&sig=s"
QUICK = Pace(seconds=600, interval=0.001)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.append_blob._RETRY_FIRST", 0.001)
    monkeypatch.setattr("builder.append_blob._RETRY_MOST", 0.005)


class Blob:
    """An append blob; `fault` may fail a request before or after it has taken effect."""

    def __init__(self, fault: Callable[[], str] = lambda: "") -> None:
        self.data = bytearray()
        self.blocks: list[int] = []
        self.fault = fault

    def __call__(self, request: httpx.Request) -> httpx.Response:
        fault = self.fault()
        match fault:
            case "away":
                raise httpx.ConnectError("down")
            case "lost":
                raise httpx.ReadTimeout("late")
            case "busy":
                return httpx.Response(503)
        if int(request.headers["x-ms-blob-condition-appendpos"]) != len(self.data):
            return httpx.Response(412)
        assert request.url.params["comp"] == "appendblock"
        assert request.url.params["sig"] == "s"
        self.data += request.content
        self.blocks.append(len(request.content))
        if fault == "landed":
            raise httpx.ReadTimeout("late")
        return httpx.Response(201)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 -- what is watched has no event
        await asyncio.sleep(0)


async def written(blob: Blob, pieces: list[bytes], pace: Pace = QUICK, position: int = 0, grace: float = 10) -> int:
    """Write the pieces with a turn of the loop between them; return how often the log was found closed."""
    closed = 0

    def on_closed() -> None:
        nonlocal closed
        closed += 1

    async with httpx.AsyncClient(transport=httpx.MockTransport(blob)) as http:
        append = AppendBlob(http, URL, pace=pace, on_closed=on_closed, position=position)
        task = asyncio.create_task(append.run())
        for piece in pieces:
            append.write(piece)
            await asyncio.sleep(0)
        append.finish(grace)
        await task
    return closed


@pytest.mark.parametrize("seed", range(20))
def test_every_byte_once_and_in_order_under_faults(seed: int) -> None:
    dice = random.Random(seed)
    blob = Blob(lambda: dice.choice(["", "", "away", "lost", "landed", "busy"]))
    pieces = [b"line %d\r\n" % number for number in range(200)]
    assert asyncio.run(written(blob, pieces)) == 0
    assert bytes(blob.data) == b"".join(pieces)


def test_a_log_that_somebody_else_has_continued_is_closed() -> None:
    blob = Blob()
    blob.data += b"Run ID: ca1 was canceled\r\n"
    assert asyncio.run(written(blob, [b"late\r\n"])) == 1
    assert blob.data == b"Run ID: ca1 was canceled\r\n"


def test_an_append_whose_answer_was_lost_does_not_hide_a_closed_log() -> None:
    faults = iter(["landed"])
    blob = Blob(lambda: next(faults, ""))

    async def scenario() -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(blob)) as http:
            closed = asyncio.Event()
            append = AppendBlob(http, URL, pace=QUICK, on_closed=closed.set)
            task = asyncio.create_task(append.run())
            append.write(b"mine\r\n")
            await until(lambda: bool(blob.data))
            blob.data += b"theirs\r\n"
            append.write(b"mine again\r\n")
            await asyncio.wait_for(closed.wait(), 5)
            await task
        return len(blob.data)

    assert asyncio.run(scenario()) == len(b"mine\r\ntheirs\r\n")


def test_a_refused_signature_ends_the_log_but_fences_nobody() -> None:
    async def scenario() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(403))) as http:
            append = AppendBlob(http, URL, pace=QUICK, on_closed=lambda: pytest.fail("fenced"))
            append.write(b"x")
            await asyncio.wait_for(append.run(), 5)

    asyncio.run(scenario())


def test_writing_begins_at_the_given_position() -> None:
    blob = Blob()
    blob.data += b"queued\r\n"
    assert asyncio.run(written(blob, [b"more\r\n"], position=8)) == 0
    assert blob.data == b"queued\r\nmore\r\n"


def test_output_during_an_append_is_gathered() -> None:
    blob = Blob()
    assert asyncio.run(written(blob, [b"x\r\n"] * 1000, Pace(seconds=600, interval=10))) == 0
    assert len(blob.blocks) == 2


def test_blocks_stay_below_azures_limit() -> None:
    blob = Blob()
    pace = Pace(seconds=600, interval=0.001, block=1000)
    assert asyncio.run(written(blob, [b"y" * 2500, b"z" * 700], pace)) == 0
    assert blob.data == b"y" * 2500 + b"z" * 700
    assert max(blob.blocks) == 1000


def test_what_does_not_fit_while_storage_is_away_leaves_a_visible_line() -> None:
    down = True
    blob = Blob(lambda: "away" if down else "")

    async def scenario() -> None:
        nonlocal down
        async with httpx.AsyncClient(transport=httpx.MockTransport(blob)) as http:
            append = AppendBlob(http, URL, pace=Pace(seconds=600, buffer=100), on_closed=lambda: None)
            task = asyncio.create_task(append.run())
            append.write(b"a" * 90)
            await asyncio.sleep(0)
            append.write(b"b" * 90)
            append.write(b"c" * 90)
            down = False
            await until(lambda: bool(blob.data))
            append.write(b"after\r\n")
            append.finish(10)
            await task

    asyncio.run(scenario())
    assert blob.data.startswith(b"a" * 90)
    assert b"bytes of output were lost: storage did not answer]\r\n" in blob.data
    assert blob.data.endswith(b"after\r\n")


def test_a_storage_that_stays_away_does_not_keep_the_builder() -> None:
    blob = Blob(lambda: "away")
    assert asyncio.run(asyncio.wait_for(written(blob, [b"x"], grace=0.01), 5)) == 0


@pytest.mark.parametrize("hours", [0.1, 1, 8])
def test_output_without_pause_never_reaches_azures_50000_blocks(hours: float) -> None:
    pace = Pace(seconds=hours * 3600)
    used, now = 0, 0.0
    while now < pace.seconds:
        now += pace.wait(used, pace.seconds - now)
        used += 1
    assert used <= pace.appends


def test_the_first_hour_is_never_slowed_down() -> None:
    pace = Pace(seconds=28_800)
    assert all(pace.wait(used, 28_800 - used * 0.1) == 0.1 for used in range(30_000))


def signed(azurite: Any) -> tuple[str, BlobClient]:
    """Make an empty append blob on the real Azurite; return a URL that may only append, and its owner's client."""
    service = BlobServiceClient.from_connection_string(azurite.connection)
    name = f"log-{random.getrandbits(64):x}"
    container = service.get_container_client("logs")
    if not container.exists():
        container.create_container()
    client = container.get_blob_client(name)
    client.create_append_blob()
    token = generate_blob_sas(
        "slipway",
        "logs",
        name,
        account_key=service.credential.account_key,
        permission=BlobSasPermissions(add=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"{client.url}?{token}", client


@pytest.mark.slow
def test_a_line_is_readable_within_200_ms_on_a_real_storage(azurite: Any) -> None:
    url, client = signed(azurite)
    delays: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with httpx.AsyncClient() as http:
            append = AppendBlob(http, url, pace=Pace(seconds=600), on_closed=lambda: pytest.fail("closed"))
            task = asyncio.create_task(append.run())
            for number in range(100):
                append.write(b"line %d\r\n" % number)
                began, size = loop.time(), append._position + append._size
                while await asyncio.to_thread(lambda: client.get_blob_properties().size) < size:
                    pass
                delays.append(loop.time() - began)
            append.finish(10)
            await task

    asyncio.run(scenario())
    assert client.download_blob().readall() == b"".join(b"line %d\r\n" % number for number in range(100))
    p95 = statistics.quantiles(delays, n=20)[-1]
    print(f"line to readable: median {statistics.median(delays) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms")  # noqa: T201
    assert p95 < 0.25


@pytest.mark.slow
def test_a_closed_log_is_recognised_on_a_real_storage(azurite: Any) -> None:
    url, client = signed(azurite)

    async def scenario() -> None:
        async with httpx.AsyncClient() as http:
            closed = asyncio.Event()
            append = AppendBlob(http, url, pace=Pace(seconds=600), on_closed=closed.set)
            task = asyncio.create_task(append.run())
            append.write(b"one\r\n")
            await until(lambda: append._position > 0)
            await asyncio.to_thread(client.append_block, b"trailer\r\n")
            append.write(b"two\r\n")
            await asyncio.wait_for(closed.wait(), 10)
            await task

    asyncio.run(scenario())
    assert client.download_blob().readall() == b"one\r\ntrailer\r\n"
