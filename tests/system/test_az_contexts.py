"""`az acr build` of contexts that are not uploaded, unmodified, against the whole."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.seeds.oci_layout import ImageConfig, write
from devstack.stack import names
from devstack.stack.settings import trust_environment

if TYPE_CHECKING:
    from tests.system.conftest import Said, Stack

pytestmark = pytest.mark.slow
ADVICE = (
    "failed to download context. Please check if the URL is incorrect."
    " If it has credentials, please check if they are expired: "
)


def build(stack: "Stack", location: str, *arguments: str) -> "Said":
    return stack.az("acr", "build", "-r", names.REGISTRY, *arguments, location)


def push(stack: "Stack", folder: Path, name: str) -> str:
    """Push a folder as an artifact of one tar layer."""
    layout = folder.parent / "layout"
    write(folder, ImageConfig(command=()), layout)
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--authfile", str(stack.target.layout.registry_auth)]
    argv += [f"oci:{layout}", f"docker://{stack.login_server}/{name}"]
    subprocess.run(argv, check=True, env=os.environ | trust_environment(stack.target.layout.tls.bundle))
    return f"oci://{stack.login_server}/{name}"


def test_an_artifact_of_the_own_registry(stack: "Stack", context: Path) -> None:
    (context / "Dockerfile").write_text(
        f"FROM {stack.login_server}/base/busybox:1.35\nCOPY page.html /\nRUN cat /page.html\n"
    )
    (context / "page.html").write_text("from-an-artifact\n")
    said = build(stack, push(stack, context, "contexts/page:v1"), "-t", "from/artifact:v1")
    assert said.code == 0, said.out + said.err
    assert "from-an-artifact" in said.out
    assert stack.read_back("from/artifact:v1").platform == "linux/amd64"


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://127.0.0.1/app.git#main", "leads to an address inside"),
        ("https://user:hunter2@169.254.169.254/app.git", "leads to an address inside"),
        ("https://localhost:11510/app.git", "Port 11510 of localhost is not called"),
        ("https://no-such-host.invalid/app.git", "is not known"),
        ("oci://{login_server}/contexts/none:v1", "not found"),
    ],
)
def test_a_context_that_cannot_be_had_ends_the_run_with_the_reason(stack: "Stack", location: str, words: str) -> None:
    said = build(stack, location.format(login_server=stack.login_server), "-t", "never:v1")
    assert said.code == 1, said.out + said.err
    last = said.out.strip().splitlines()[-1]
    assert ADVICE in last
    assert words in last
    assert "hunter2" not in said.out


@pytest.mark.parametrize("location", ["http://git.example/app.git", "git@git.example:app.git", "https://h/a.git#--x"])
def test_an_address_that_is_never_fetched_is_refused_at_once(stack: "Stack", location: str) -> None:
    said = build(stack, location, "-t", "never:v1")
    assert said.code != 0
    assert "Queued" not in said.err
    assert "context cannot be fetched" in said.err or "not the name of a branch" in said.err
