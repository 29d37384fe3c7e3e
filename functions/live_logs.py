"""The live log: the few blob requests that az makes of a log, answered when there is something new."""

import asyncio
import time

import azure.functions as func

from functions._http import answering
from functions._services import Services
from shared.arm.names import parse_run_id
from shared.runs.live_log import Piece, Readers, is_complete, log_state, read_piece
from shared.storage.blobs import BlobState

blueprint = func.Blueprint()
_READERS = Readers()
_HOLD_SECONDS = 20
_LOOK_AGAIN_SECONDS = 0.1
_NOT_SATISFIABLE = 416


@blueprint.function_name("live_logs")
@blueprint.route(route="logs/{registry}/{run}/rawtext.log", methods=["GET", "HEAD"])
async def live_logs(req: func.HttpRequest) -> func.HttpResponse:
    """Answer HEAD with size and metadata once they are news to this reader, GET with the bytes asked for."""
    if req.method.upper() == "GET":
        return await asyncio.to_thread(answering, req, lambda known: _get(known, req))
    end = time.monotonic() + _HOLD_SECONDS
    while not await asyncio.to_thread(_is_news, req) and time.monotonic() < end:  # noqa: ASYNC110 - a blob tells
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return await asyncio.to_thread(answering, req, lambda known: _head(known, req))


def _is_news(req: func.HttpRequest) -> bool:
    news = True

    def use(known: Services) -> func.HttpResponse:
        nonlocal news
        reader, registry, run_id = _reader(known, req)
        state = log_state(known.shop, registry, run_id)
        news = is_complete(state) or not _READERS.knows(reader, state.size)
        return func.HttpResponse()

    answering(req, use)
    return news


def _head(known: Services, req: func.HttpRequest) -> func.HttpResponse:
    reader, registry, run_id = _reader(known, req)
    state = log_state(known.shop, registry, run_id)
    _READERS.tell(reader, state.size)
    return func.HttpResponse(status_code=200, headers=_headers(state, state.size), mimetype="text/plain")


def _get(known: Services, req: func.HttpRequest) -> func.HttpResponse:
    reader, registry, run_id = _reader(known, req)
    piece = read_piece(known.shop, registry, run_id, req.headers.get("x-ms-range") or req.headers.get("range"))
    state = log_state(known.shop, registry, run_id)
    if piece is None:
        headers = _headers(state, 0) | {"x-ms-error-code": "InvalidRange"}
        return func.HttpResponse(status_code=_NOT_SATISFIABLE, headers=headers)
    _READERS.tell(reader, piece.start + len(piece.data))
    headers = _headers(state, len(piece.data)) | {"Content-Range": _content_range(piece)}
    return func.HttpResponse(piece.data, status_code=206, headers=headers, mimetype="text/plain")


def _reader(known: Services, req: func.HttpRequest) -> tuple[str, str, str]:
    registry, run_id = req.route_params["registry"].lower(), parse_run_id(req.route_params["run"])
    return known.log_tokens.check(req.params.get("sig", ""), registry, run_id), registry, run_id


def _headers(state: BlobState, length: int) -> dict[str, str]:
    metadata = {f"x-ms-meta-{name}": value for name, value in state.metadata.items()}
    return metadata | {
        "Content-Length": str(length),
        "ETag": f'"{state.size}-{len(state.metadata)}"',
        "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        "x-ms-blob-type": "AppendBlob",
        "x-ms-version": "2021-12-02",
    }


def _content_range(piece: Piece) -> str:
    return f"bytes {piece.start}-{piece.start + len(piece.data) - 1}/{piece.size}"


def live_url(public_url: str, registry: str, run_id: str, token: str) -> str:
    """Answer the address of a live log. az takes it for a blob and keeps only query members that a SAS has."""
    return f"{public_url}/logs/{registry}/{run_id}/rawtext.log?sig={token}"
