"""Provenance as somebody who pulled the image checks it: with the app's public keys and the registry alone."""

import base64
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy
from cryptography.hazmat.primitives.asymmetric import ec

from devstack.cli.seed import seed
from devstack.stack import credentials, names, settings
from devstack.stack.layout import CHECKOUT
from shared.access.signing import FileSigner
from shared.images.client import perform
from shared.images.credentials import Basic
from shared.images.distribution import referrers
from shared.images.publishing import Artifact, Blob, attach
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from shared.provenance.envelope import ENVELOPE_TYPE, STATEMENT_TYPE, Statement, signed
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Said, Stack

pytestmark = pytest.mark.slow
"""Less than what the app waits for a builder that tells nothing."""
_STATEMENTS = 2


def keys_of(stack: "Stack", tmp_path: Path) -> Path:
    """Keep the deployment's keys in a file; there are none before it has signed something."""
    with stack.http() as client:
        answer = client.get(f"{stack.target.ports.public_url}/provenance/keys").raise_for_status()
    file = tmp_path / "keys.pem"
    file.write_bytes(answer.content)
    return file


def verify(stack: "Stack", image: str, keys: Path) -> subprocess.CompletedProcess[str]:
    layout = stack.target.layout
    argv = [sys.executable, "-m", "shared.provenance", f"{stack.login_server}/{image}", "--keys", str(keys)]
    return subprocess.run(
        [*argv, "--login", str(layout.registry_auth)],
        cwd=CHECKOUT,
        env={"SSL_CERT_FILE": str(layout.tls.bundle)},
        capture_output=True,
        text=True,
        check=False,
    )


def built(stack: "Stack", context: Path, image: str, base: str = "base/busybox:1.35") -> "Said":
    (context / "Dockerfile").write_text(f"FROM {stack.login_server}/{base}\nRUN echo {image} > /name\n")
    said = stack.build(context, "-t", image, "--secret-build-arg", "TOKEN=not-to-be-told")
    assert said.code == 0, said.out + said.err
    return said


def attached(stack: "Stack", image: str) -> Any:
    with registry(stack) as (client, session):
        return perform(client, referrers(session, named(stack, image), STATEMENT_TYPE))


def named(stack: "Stack", image: str) -> Reference:
    return Reference.parse(f"{stack.login_server}/{image}").with_digest(stack.read_back(image).digest)


@contextmanager
def registry(stack: "Stack") -> Iterator[tuple[httpx.Client, Session]]:
    """Answer the registry as its owner has it."""
    auth = json.loads(stack.target.layout.registry_auth.read_text())["auths"][stack.login_server]["auth"]
    user, _, password = base64.b64decode(auth).decode().partition(":")
    with stack.http() as client:
        yield client, Session(lambda _: Basic(user, password), guard=allow_all)


def wait_for_provenance(stack: "Stack", image: str) -> None:
    """Wait for both statements: the provenance, and what the image holds."""
    until(lambda: len(attached(stack, image)) >= _STATEMENTS, f"all that is to be attached to {image}")


def test_what_was_built_is_proven_and_what_was_forged_is_not(stack: "Stack", context: Path, tmp_path: Path) -> None:
    image = f"proven/app:{uuid.uuid4().hex[:8]}"
    seed(stack.target, ["trixie"])
    run_id = built(stack, context, image, "base/debian:trixie").run_id
    wait_for_provenance(stack, image)
    keys = keys_of(stack, tmp_path)

    said = verify(stack, image, keys)

    assert said.returncode == 0, said.stderr
    told, bill = map(json.loads, said.stdout.splitlines())
    definition = told["predicate"]["buildDefinition"]
    assert told["subject"][0]["digest"] == {"sha256": stack.read_back(image).digest.partition(":")[2]}
    assert definition["internalParameters"]["run"] == run_id
    assert definition["externalParameters"]["secretArguments"] == ["TOKEN"]
    assert "not-to-be-told" not in said.stdout
    assert [one["uri"] for one in definition["resolvedDependencies"]] == [
        f"docker://{stack.login_server}/base/debian:trixie"
    ]

    assert bill["predicateType"] == "https://cyclonedx.org/bom"
    assert bill["subject"] == told["subject"]
    components = {one["name"]: one for one in bill["predicate"]["components"]}
    assert components["debian"] == {"type": "operating-system", "name": "debian", "version": "13"}
    assert components["base-files"]["purl"].startswith("pkg:deb/debian/base-files@13")
    assert bill["predicate"]["compositions"][0]["aggregate"] == "unknown"
    assert {"name": "slipway:statedBy", "value": "builder"} in bill["predicate"]["metadata"]["properties"]

    forge(stack, image)
    assert len(attached(stack, image)) == _STATEMENTS + 1
    assert verify(stack, image, keys).stdout == said.stdout

    other = keys.with_name("other.pem")
    other.write_text(FileSigner(ec.generate_private_key(ec.SECP256R1())).public_key().pem)
    refused = verify(stack, image, other)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not signed by this key" in refused.stderr


def test_a_repeated_message_attaches_nothing_more(stack: "Stack", context: Path) -> None:
    first, second = (f"proven/twice:{uuid.uuid4().hex[:8]}" for _ in range(2))
    run_id = built(stack, context, first).run_id
    wait_for_provenance(stack, first)
    known = attached(stack, first)
    message = {"run": run_id, "registry": names.REGISTRY, "attempt": "1"}

    key = credentials.load_or_create(stack.target.layout).storage_key
    connection = settings.connection_string(stack.target.ports, key)
    with QueueClient.from_connection_string(
        connection, "provenance", message_encode_policy=TextBase64EncodePolicy()
    ) as queue:
        queue.send_message(json.dumps(message))
    built(stack, context, second)
    wait_for_provenance(stack, second)  # the queue hands messages on in order

    assert attached(stack, first) == known


def forge(stack: "Stack", image: str) -> None:
    """Attach what a thief of the registry's login could: a statement by a key of his own."""
    name = named(stack, image)
    thief = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    claim = Statement(f"{name.registry}/{name.repository}", str(name.digest), "https://slsa.dev/provenance/v1", {})
    layers = (Blob(ENVELOPE_TYPE, signed(claim, thief)),)
    with registry(stack) as (client, session):
        perform(client, attach(session, name, Artifact(STATEMENT_TYPE, Blob("application/json", b"{}"), layers)))
