"""The ARM surface as raw HTTP: what az never sends but somebody will."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from devstack.stack import names

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow


@pytest.fixture
def owner(stack: "Stack") -> Iterator[httpx.Client]:
    with stack.http("owner") as client:
        yield client


def error(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()["error"]
    assert body["message"]
    assert "Traceback" not in answer.text
    return body


@pytest.mark.parametrize("path", ["/subscriptions", "/tenants", f"{names.REGISTRY_ID}", f"{names.REGISTRY_ID}/runs"])
@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic dTpw"])
def test_anonymous_callers_get_the_challenge(stack: "Stack", path: str, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    with stack.http() as client:
        answer = client.get(f"{stack.target.ports.public_url}{path}", headers=headers)
    assert answer.status_code == 401
    assert stack.target.ports.authority in answer.headers["www-authenticate"]
    error(answer)


@pytest.mark.parametrize("version", ["2019-06-01-preview", "2025-03-01-preview", "2031-01-01", ""])
def test_any_api_version_is_served(stack: "Stack", owner: httpx.Client, version: str) -> None:
    answer = owner.get(f"{stack.registry_url}/runs", params={"api-version": version, "$top": "1"})
    assert answer.status_code == 200


def test_ids_compare_without_case(stack: "Stack", owner: httpx.Client) -> None:
    assert owner.get(stack.target.ports.public_url + names.REGISTRY_ID.lower()).status_code == 200
    assert owner.get(stack.target.ports.public_url + names.REGISTRY_ID.upper()).status_code == 200


def test_an_unknown_registry_is_not_found(stack: "Stack", owner: httpx.Client) -> None:
    answer = owner.get(stack.registry_url.replace(names.REGISTRY, "nosuchreg"))
    assert answer.status_code == 404
    assert error(answer)["code"] == "ResourceNotFound"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"type": 7}'])
def test_a_body_that_is_no_request_is_refused(stack: "Stack", owner: httpx.Client, body: bytes) -> None:
    answer = owner.post(f"{stack.registry_url}/scheduleRun", content=body)
    assert answer.status_code == 400
    error(answer)


def test_an_oversized_body_is_refused(stack: "Stack", owner: httpx.Client) -> None:
    answer = owner.post(f"{stack.registry_url}/scheduleRun", content=b"[" + b" " * (5 * 1024 * 1024) + b"]")
    assert answer.status_code == 413
    assert error(answer)["code"] == "RequestEntityTooLarge"


@pytest.mark.parametrize("query", [{"$top": "0"}, {"$top": "x"}, {"$filter": "Status is x"}, {"$skiptoken": "../x"}])
def test_a_bad_query_is_refused(stack: "Stack", owner: httpx.Client, query: dict[str, str]) -> None:
    answer = owner.get(f"{stack.registry_url}/runs", params=query)
    assert answer.status_code == 400
    assert error(answer)["target"] in {"$top", "$filter", "runId"}


@pytest.mark.parametrize("action", ["cancel", "listLogSasUrl"])
def test_an_unknown_run_is_not_found(stack: "Stack", owner: httpx.Client, action: str) -> None:
    assert owner.post(f"{stack.registry_url}/runs/c9999999/{action}").status_code == 404
    assert owner.post(f"{stack.registry_url}/runs/..%2f/{action}").status_code == 400


def test_a_builder_door_needs_a_builders_token(stack: "Stack", owner: httpx.Client) -> None:
    base = f"{stack.target.ports.public_url}/builders/slipway-x"
    for path in ("claim", "runs/c1/heartbeat", "runs/c1/login", "runs/c1/report"):
        assert owner.post(f"{base}/{path}", json={}).status_code == 401


def test_a_log_needs_its_address(stack: "Stack", owner: httpx.Client) -> None:
    url = f"{stack.target.ports.public_url}/logs/{names.REGISTRY}/c1/rawtext.log"
    assert owner.get(url).status_code == 403
    assert owner.get(url, params={"sig": "x.y.z"}).status_code == 403


def test_a_repeated_request_makes_one_run(stack: "Stack", owner: httpx.Client) -> None:
    upload = owner.post(f"{stack.registry_url}/listBuildSourceUploadUrl").json()
    httpx.put(upload["uploadUrl"], content=b"", headers={"x-ms-blob-type": "BlockBlob"}).raise_for_status()
    body = {
        "type": "DockerBuildRequest",
        "imageNames": [],
        "isPushEnabled": False,
        "sourceLocation": upload["relativePath"],
        "dockerFilePath": "Dockerfile",
    }
    headers = {"x-ms-client-request-id": "the-same"}
    answers = [owner.post(f"{stack.registry_url}/scheduleRun", json=body, headers=headers) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["name"] for answer in answers}) == 1
    other = owner.post(f"{stack.registry_url}/scheduleRun", json=body, headers={"x-ms-client-request-id": "another"})
    assert other.json()["name"] != answers[0].json()["name"]


def test_an_upload_address_cannot_read(stack: "Stack", owner: httpx.Client) -> None:
    upload = owner.post(f"{stack.registry_url}/listBuildSourceUploadUrl").json()
    httpx.put(upload["uploadUrl"], content=b"x", headers={"x-ms-blob-type": "BlockBlob"}).raise_for_status()
    assert httpx.get(upload["uploadUrl"]).status_code == 403
