import asyncio

from devstack.web import BODY_LIMIT, Message, Request, Response, application, json_response


def _ask(handler_answer: Response, *chunks: bytes) -> tuple[list[Message], list[Request]]:
    seen: list[Request] = []
    sent: list[Message] = []
    incoming = [{"body": chunk, "more_body": index + 1 < len(chunks)} for index, chunk in enumerate(chunks)]

    def handler(request: Request) -> Response:
        seen.append(request)
        return handler_answer

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/a//b/", "query_string": b"x=1&x=2&y=%20",
        "headers": [(b"x-one", b"1")],
    }  # fmt: skip
    asyncio.run(application(handler)(scope, receive, send))
    return sent, seen


def test_a_request_arrives_as_values() -> None:
    _, (request,) = _ask(Response(), b"a=1&", b"b=%C3%A4")

    assert request.segments == ("a", "b")
    assert request.parameters("x") == ("1", "2")
    assert request.parameters("y") == (" ",)
    assert request.headers == {"x-one": "1"}
    assert request.form == {"a": "1", "b": "ä"}


def test_an_answer_carries_status_length_and_no_store() -> None:
    (start, body), _ = _ask(json_response({"a": 1}, 201), b"")

    assert start["status"] == 201
    assert (b"content-length", b"8") in start["headers"]
    assert (b"cache-control", b"no-store") in start["headers"]
    assert body["body"] == b'{"a": 1}'


def test_a_body_over_the_limit_never_reaches_the_service() -> None:
    (start, _), seen = _ask(Response(), b"x" * BODY_LIMIT, b"x")

    assert (start["status"], seen) == (413, [])
