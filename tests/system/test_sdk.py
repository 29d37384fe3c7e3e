"""The Azure SDK for Python, unmodified, against the whole."""

import io
import tarfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient, models

from devstack.stack import names
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
GROUP = "slipway"


class Token:
    """A credential that a token service has filled."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3000)


@pytest.fixture
def client(stack: "Stack") -> Iterator[Any]:
    with ContainerRegistryTasksMgmtClient(
        Token(stack.token()),
        names.SUBSCRIPTION_ID,
        base_url=stack.target.ports.public_url,
        connection_verify=str(stack.target.layout.tls.bundle),
    ) as made:
        yield made


def upload(client: Any, dockerfile: str) -> str:
    """Upload a context of one Dockerfile and answer its location."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        archive.addfile(member, io.BytesIO(dockerfile.encode()))
    place = client.registries.get_build_source_upload_url(GROUP, names.REGISTRY)
    headers = {"x-ms-blob-type": "BlockBlob"}
    httpx.put(str(place.upload_url), content=packed.getvalue(), headers=headers).raise_for_status()
    return str(place.relative_path)


def request(client: Any, dockerfile: str, **changes: Any) -> models.DockerBuildRequest:
    body = {
        "type": "DockerBuildRequest",
        "sourceLocation": upload(client, dockerfile),
        "dockerFilePath": "Dockerfile",
        "platform": {"os": "Linux", "architecture": "amd64"},
        "imageNames": [],
        "isPushEnabled": False,
    }
    return models.DockerBuildRequest(body | changes)


def ended(client: Any, run_id: str) -> Any:
    def over() -> Any:
        run = client.runs.get(GROUP, names.REGISTRY, run_id)
        return run if run.properties.finish_time else None

    return until(over, f"the end of the run {run_id}")


def test_a_build_through_the_sdk(stack: "Stack", client: Any) -> None:
    text = f"FROM {stack.login_server}/base/busybox:1.35\nRUN echo by-the-sdk\n"
    wanted = request(client, text, imageNames=["sdk/hello:v1"], isPushEnabled=True)
    queued = client.registries.schedule_run(GROUP, names.REGISTRY, wanted)
    assert queued.properties.status in {"Queued", "Started", "Running"}
    run = ended(client, queued.name)
    assert run.properties.status == "Succeeded"
    image = run.properties.output_images[0]
    assert (image.repository, image.tag) == ("sdk/hello", "v1")
    assert image.digest == stack.read_back("sdk/hello:v1").digest
    link = client.runs.get_log_sas_url(GROUP, names.REGISTRY, run.name).log_link
    assert "by-the-sdk" in httpx.get(link).text


def test_runs_are_listed_filtered_updated_and_canceled(client: Any, stack: "Stack") -> None:
    text = f"FROM {stack.login_server}/base/busybox:1.35\nRUN sleep 60\n"
    run_id = client.registries.schedule_run(GROUP, names.REGISTRY, request(client, text)).name
    newest = next(iter(client.runs.list(GROUP, names.REGISTRY, top=1)))
    assert newest.name == run_id
    client.runs.cancel(GROUP, names.REGISTRY, run_id)
    assert ended(client, run_id).properties.status == "Canceled"
    canceled = client.runs.list(GROUP, names.REGISTRY, filter="Status eq 'Canceled'", top=5)
    assert run_id in [run.name for run in canceled]
    updated = client.runs.update(GROUP, names.REGISTRY, run_id, models.RunUpdateParameters(is_archive_enabled=True))
    assert updated.properties.is_archive_enabled is True


def test_errors_are_the_sdks_own(client: Any) -> None:
    with pytest.raises(ResourceNotFoundError) as missing:
        client.runs.get(GROUP, names.REGISTRY, "c9999999")
    assert missing.value.error is not None
    assert missing.value.error.code == "ResourceNotFound"
    without_source = {"type": "DockerBuildRequest", "dockerFilePath": "Dockerfile", "platform": {"os": "linux"}}
    with pytest.raises(HttpResponseError) as refused:
        client.registries.schedule_run(GROUP, names.REGISTRY, without_source)
    assert refused.value.status_code == 400


def hostile_archive(kind: str) -> bytes:
    """Pack a context that must be refused."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("../../etc/cron.d/evil" if kind == "escape" else "evil")
        if kind == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../../../etc/passwd"
        if kind == "device":
            member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3
        if kind == "bomb":
            member.size = 512 * 1024 * 1024
            archive.addfile(member, Zeros())
        else:
            archive.addfile(member, io.BytesIO())
    return packed.getvalue() if kind != "rubbish" else b"\x1f\x8b rubbish"


class Zeros(io.RawIOBase):
    """Nothing, without end."""

    def read(self, size: int = -1) -> bytes:
        return bytes(max(0, size))


@pytest.mark.parametrize("kind", ["escape", "link", "device", "bomb", "rubbish"])
def test_a_hostile_context_fails_its_run_with_a_reason(client: Any, stack: "Stack", kind: str) -> None:
    place = client.registries.get_build_source_upload_url(GROUP, names.REGISTRY)
    headers = {"x-ms-blob-type": "BlockBlob"}
    httpx.put(str(place.upload_url), content=hostile_archive(kind), headers=headers, timeout=60).raise_for_status()
    wanted = models.DockerBuildRequest(
        source_location=place.relative_path,
        docker_file_path="Dockerfile",
        platform=models.PlatformProperties(os="linux"),
        image_names=[],
        is_push_enabled=False,
    )
    run = ended(client, client.registries.schedule_run(GROUP, names.REGISTRY, wanted).name)
    assert run.properties.status == "Failed"
    assert run.properties.run_error_message
    log = stack.az("acr", "task", "logs", "-r", names.REGISTRY, "--run-id", run.name).out
    assert run.properties.run_error_message in log
