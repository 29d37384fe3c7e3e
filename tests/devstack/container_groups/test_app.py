"""The wire: status codes, headers, shapes and errors, without a single container."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from devstack.container_groups.pretended import TIME
from devstack.container_groups.tokens import TokenCheck
from tests.devstack.container_groups.fakes import Service

SCOPE = "/subscriptions/S1/resourceGroups/builders/providers/Microsoft.ContainerInstance/containerGroups"
RUN = f"{SCOPE}/Run1"

type Serve = Callable[[Callable[[Service], Awaitable[None]]], None]


def body(**properties: Any) -> dict[str, Any]:
    container = {
        "image": "img",
        "environmentVariables": [{"name": "P", "value": "1"}, {"name": "T", "secureValue": "s3cr3t"}],
        "resources": {"requests": {"cpu": 2, "memoryInGB": 4}},
    }
    base = {"osType": "Linux", "restartPolicy": "Never", "containers": [{"name": "builder", "properties": container}]}
    return {"location": "local", "tags": {"a": "b"}, "properties": base | properties}


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Run a scenario against a service in a fresh state directory."""

    def run(scenario: Callable[[Service], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(20), Service(tmp_path) as service:
                await scenario(service)

        asyncio.run(main())

    return run


def test_creation_answers_201_then_200_with_an_operation_to_ask(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        made = await service.client.put(RUN, json=body())
        assert made.status_code == 201
        assert made.json()["properties"]["provisioningState"] == "Pending"
        await service.started(RUN)
        operation = await service.client.get(made.headers["azure-asyncoperation"])
        assert operation.json()["status"] == "Succeeded"
        again = await service.client.put(RUN.upper().replace("MICROSOFT", "microsoft"), json=body())
        assert again.status_code == 200
        assert len(service.shims.made) == 1

    serve(scenario)


def test_the_resource_has_azures_shape(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        await service.client.put(RUN, json=body())
        await service.started(RUN)
        group = (await service.client.get(RUN)).json()
        assert group["id"] == RUN
        assert (group["name"], group["location"], group["tags"]) == ("Run1", "local", {"a": "b"})
        assert group["type"] == "Microsoft.ContainerInstance/containerGroups"
        properties = group["properties"]
        assert properties["provisioningState"] == "Succeeded"
        assert properties["instanceView"] == {"events": [], "state": "Running"}
        container = properties["containers"][0]["properties"]
        assert container["environmentVariables"] == [{"name": "P", "value": "1"}, {"name": "T"}]
        view = container["instanceView"]
        assert view["currentState"] == {"state": "Running", "startTime": TIME, "detailStatus": ""}
        assert [event["name"] for event in view["events"]] == ["Started"]

    serve(scenario)


@pytest.mark.parametrize(("code", "state"), [(0, "Succeeded"), (3, "Failed")])
def test_the_end_of_the_container_is_the_end_of_the_group(serve: Serve, code: int, state: str) -> None:
    async def scenario(service: Service) -> None:
        await service.client.put(RUN, json=body())
        await service.started(RUN)
        service.shims.made[0].end(code, "Completed" if code == 0 else "Error")
        ended = await service.ended(RUN)
        assert ended["exitCode"] == code
        assert ended["finishTime"] == TIME
        assert (await service.client.get(RUN)).json()["properties"]["instanceView"]["state"] == state

    serve(scenario)


def test_lists_have_no_instance_view_and_keep_to_their_scope(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        others = [RUN.replace("S1", "S2"), RUN.replace("/builders/", "/builders2/"), RUN.replace("Run1", "Run2")]
        for path in (RUN, *others):
            assert (await service.client.put(path, json=body())).status_code == 201
        group = (await service.client.get(SCOPE.lower())).json()["value"]
        assert [each["name"] for each in group] == ["Run1", "Run2"]
        assert "instanceView" not in group[0]["properties"]
        everywhere = "/subscriptions/s1/providers/Microsoft.ContainerInstance/containerGroups"
        assert len((await service.client.get(everywhere)).json()["value"]) == 3

    serve(scenario)


def test_deletion_answers_200_then_204_and_the_name_is_free_again(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        await service.client.put(RUN, json=body())
        await service.started(RUN)
        assert (await service.client.delete(RUN)).status_code == 200
        assert (await service.client.delete(RUN)).status_code == 204
        assert (await service.client.get(RUN)).status_code == 404
        other = body(tags={})
        del other["properties"]["tags"]
        other["tags"] = {"x": "y"}
        assert (await service.client.put(RUN, json=other)).status_code == 201

    serve(scenario)


def test_a_group_deleted_before_it_starts_never_does(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        await service.client.put("/devstack/limits", json={"start_delay_seconds": 60})
        await service.client.put(RUN, json=body())
        assert (await service.client.get(RUN)).json()["properties"]["instanceView"]["state"] == "Pending"
        assert (await service.client.delete(RUN)).status_code == 200
        assert service.shims.made == []

    serve(scenario)


def test_stop_start_and_restart(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        await service.client.put(RUN, json=body())
        await service.started(RUN)
        assert (await service.client.post(f"{RUN}/stop")).status_code == 204
        assert (await service.client.get(RUN)).json()["properties"]["instanceView"]["state"] == "Stopped"
        start = await service.client.post(f"{RUN}/start")
        assert start.status_code == 202
        await service.started(RUN)
        assert (await service.client.get(start.headers["azure-asyncoperation"])).json()["status"] == "Succeeded"
        assert (await service.client.post(f"{RUN}/restart")).status_code == 204
        await service.started(RUN)
        assert len(service.shims.made) == 3

    serve(scenario)


def test_the_quota_in_force_answers_as_azure_does(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        assert (await service.client.put("/devstack/limits", json={"groups": 1})).json()["groups"] == 1
        await service.client.put(RUN, json=body())
        assert (await service.client.put(RUN, json=body())).status_code == 200
        refused = await service.client.put(f"{SCOPE}/run2", json=body())
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "ContainerGroupQuotaReached"
        await service.client.put("/devstack/limits", json={"creates_per_5_minutes": 1})
        throttled = await service.client.put(f"{SCOPE}/run2", json=body())
        assert throttled.status_code == 429
        assert throttled.headers["retry-after"] == "300"
        assert throttled.json()["error"]["code"] == "TooManyRequests"
        service.now += 300
        assert (await service.client.put(f"{SCOPE}/run2", json=body())).status_code == 201

    serve(scenario)


def test_a_start_can_be_made_to_fail(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        await service.client.put("/devstack/limits", json={"fail_starts": 1})
        made = await service.client.put(RUN, json=body())
        await service.started(RUN)
        assert (await service.client.get(RUN)).json()["properties"]["provisioningState"] == "Failed"
        operation = (await service.client.get(made.headers["azure-asyncoperation"])).json()
        assert operation["status"] == "Failed"
        await service.client.put(f"{SCOPE}/run2", json=body())
        await service.started(f"{SCOPE}/run2")
        assert (await service.client.get(f"{SCOPE}/run2")).json()["properties"]["provisioningState"] == "Succeeded"

    serve(scenario)


@pytest.mark.parametrize(
    ("method", "path", "content", "error"),
    [
        ("PUT", RUN, "{", "400 InvalidRequestContent"),
        ("PUT", RUN, "[]", "400 InvalidRequest"),
        ("PUT", RUN, json.dumps(body() | {"kind": "x"}), "400 InvalidRequest"),
        ("PUT", RUN, json.dumps(body() | {"location": None}), "400 LocationRequired"),
        ("PUT", RUN, json.dumps(body()).replace('"img"', '"other"'), "400 InaccessibleImage"),
        ("PUT", f"{SCOPE}/Not_A_Name", json.dumps(body()), "400 InvalidContainerGroupName"),
        ("PUT", f"{SCOPE}/..%2f..%2fetc", json.dumps(body()), "404 InvalidResourceType"),
        ("PUT", "/devstack/limits", '{"groups": -1}', "400 InvalidRequest"),
        ("PUT", "/devstack/limits", '{"typo": 1}', "400 InvalidRequest"),
        ("GET", f"{SCOPE}/unknown", "", "404 ResourceNotFound"),
        ("GET", f"{SCOPE}/unknown/containers/c/logs", "", "404 ResourceNotFound"),
        ("POST", f"{SCOPE}/unknown/start", "", "404 ResourceNotFound"),
        ("PATCH", RUN, "{}", "404 InvalidResourceType"),
        ("GET", "/", "", "404 InvalidResourceType"),
    ],
)
def test_errors_have_the_arm_form(serve: Serve, method: str, path: str, content: str, error: str) -> None:
    status, code = error.split()

    async def scenario(service: Service) -> None:
        answer = await service.client.request(method, path, content=content)
        assert answer.status_code == int(status)
        assert answer.json()["error"]["code"] == code
        assert answer.json()["error"]["message"]

    serve(scenario)


def test_a_body_over_the_limit_is_refused(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        answer = await service.client.put(RUN, content=b" " * (4 * 1024**2 + 1))
        assert answer.json()["error"]["code"] == "RequestContentTooLarge"

    serve(scenario)


def test_the_api_version_is_required_but_any_will_do(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        service.client.params = cast("Any", {})
        answer = await service.client.get(SCOPE)
        assert answer.json()["error"]["code"] == "MissingApiVersionParameter"
        assert (await service.client.get(f"{SCOPE}?API-Version=2099-01-01")).status_code == 200

    serve(scenario)


def test_logs_are_given_by_container_and_tail(serve: Serve) -> None:
    async def scenario(service: Service) -> None:
        await service.client.put(RUN, json=body())
        await service.started(RUN)
        log = Path(service.shims.made[0].orders[0].directory) / "output.log"
        log.write_bytes(b"one\ntwo\n\xff\n")
        path = f"{RUN}/containers/BUILDER/logs"
        assert (await service.client.get(path)).json() == {"content": "one\ntwo\n�\n"}
        assert (await service.client.get(path, params={"tail": 2})).json() == {"content": "two\n�\n"}
        assert (await service.client.get(path, params={"tail": 0})).json() == {"content": ""}
        assert (await service.client.get(path, params={"tail": -1})).status_code == 400
        missing = await service.client.get(f"{RUN}/containers/other/logs")
        assert missing.json()["error"]["code"] == "ContainerNotFound"

    serve(scenario)


def test_a_new_service_knows_the_groups_of_the_old_one(tmp_path: Path) -> None:
    async def main() -> None:
        first = Service(tmp_path)
        await first.groups.open()
        await first.client.put(RUN, json=body())
        await first.started(RUN)
        first.shims.made[0].end(4, "Error")
        await first.ended(RUN)
        await first.groups.close(stop_groups=False)
        async with Service(tmp_path) as second:
            assert (await second.ended(RUN))["exitCode"] == 4
            assert (await second.client.put(RUN, json=body())).status_code == 200
            assert second.shims.made == []

    asyncio.run(main())


class TestTokens:
    """With an issuer configured, only its tokens for Azure Resource Manager open the door."""

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    audience = "https://management.azure.com/"
    claims: ClassVar = {
        "iss": "https://sts.test/t",
        "aud": audience,
        "exp": int(time.time()) + 600,
    }

    def status(self, folder: Path, authorization: str | None) -> int:
        keys = SimpleNamespace(get_signing_key_from_jwt=lambda _token: self.key.public_key())
        check = TokenCheck("https://sts.test/t", (self.audience,), cast("jwt.PyJWKClient", keys))

        async def main() -> int:
            async with Service(folder, check=check) as service:
                headers = {"Authorization": authorization} if authorization is not None else {}
                return (await service.client.get(SCOPE, headers=headers)).status_code

        return asyncio.run(main())

    def token(self, *, key: rsa.RSAPrivateKey | None = None, **changes: Any) -> str:
        claims = {name: value for name, value in (self.claims | changes).items() if value is not None}
        return f"Bearer {jwt.encode(claims, key or self.key, algorithm='RS256')}"

    def test_a_good_token_opens(self, tmp_path: Path) -> None:
        assert self.status(tmp_path, self.token()) == 200

    @pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x.y.z", "Basic dTpw"])
    def test_no_token_does_not(self, tmp_path: Path, authorization: str | None) -> None:
        assert self.status(tmp_path, authorization) == 401

    @pytest.mark.parametrize(
        "changes",
        [{"iss": "https://sts.test/u"}, {"aud": "https://vault.azure.net"}, {"exp": 1}, {"exp": None}, {"aud": None}],
    )
    def test_a_token_with_a_wrong_claim_does_not(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        assert self.status(tmp_path, self.token(**changes)) == 401

    def test_an_issuer_that_is_away_is_not_the_callers_fault(self, tmp_path: Path) -> None:
        keys = jwt.PyJWKClient("http://127.0.0.1:1/keys", timeout=1)
        check = TokenCheck("https://sts.test/t", (self.audience,), keys)

        async def main() -> int:
            async with Service(tmp_path, check=check) as service:
                return (await service.client.get(SCOPE, headers={"Authorization": self.token()})).status_code

        assert asyncio.run(main()) == 503

    def test_a_token_of_another_key_or_algorithm_does_not(self, tmp_path: Path) -> None:
        assert self.status(tmp_path, self.token(key=self.other)) == 401
        unsigned = jwt.encode(self.claims, "", algorithm="none")
        assert self.status(tmp_path, f"Bearer {unsigned}") == 401
