"""`az acr build` and its sisters, unmodified, against the whole."""

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from devstack.stack import names

if TYPE_CHECKING:
    from tests.system.conftest import Said, Stack

pytestmark = pytest.mark.slow
SECRET = "correct horse/battery+staple"


def dockerfile(context: Path, stack: "Stack", *lines: str) -> Path:
    text = "\n".join((f"FROM {stack.login_server}/base/busybox:1.35", *lines)) + "\n"
    (context / "Dockerfile").write_text(text)
    return context


def failed(said: "Said") -> str:
    """Answer the last line of the log of a build that failed, as az showed it."""
    assert said.code == 1, said.out + said.err
    assert "Run failed" in said.err
    return said.out.strip().splitlines()[-1]


def test_a_build_is_streamed_pushed_and_listed(stack: "Stack", context: Path) -> None:
    dockerfile(context, stack, "COPY page.html /www/", "RUN echo built-$((40+2))")
    (context / "page.html").write_text("<p>hello</p>")
    said = stack.build(context, "-t", "shop/hello:v1", "-t", "shop/hello:{{.Run.ID}}")
    assert said.code == 0, said.err
    run_id = said.run_id
    assert "built-42" in said.out
    assert re.search(rf"Run ID: {run_id} was successful after \d+s", said.out)
    assert "The following dependencies were found:" in said.out
    assert re.search(r"runtime-dependency:\s+registry: localreg\S+\s+repository: base/busybox", said.out)
    pushed = stack.read_back("shop/hello:v1")
    assert pushed.platform == "linux/amd64"
    assert stack.read_back(f"shop/hello:{run_id}").digest == pushed.digest
    run = stack.run(run_id)
    assert run["status"] == "Succeeded"
    assert [(image["tag"], image["digest"]) for image in run["outputImages"]] == [
        ("v1", pushed.digest),
        (run_id, pushed.digest),
    ]
    listed = stack.az("acr", "task", "list-runs", "-r", names.REGISTRY, "-o", "table").out.splitlines()
    assert listed[0].split("  ")[0] == "RUN ID"
    assert re.split(r"\s{2,}", listed[0].strip()) == [
        "RUN ID", "TASK", "PLATFORM", "STATUS", "TRIGGER", "STARTED", "DURATION",
    ]  # fmt: skip
    assert re.search(rf"{run_id}\s+linux\s+Succeeded\s+Manual\s+\S+\s+00:00:\d\d", "\n".join(listed))


def test_no_push_publishes_nothing(stack: "Stack", context: Path) -> None:
    dockerfile(context, stack)
    said = stack.build(context, "-t", "never/pushed:v1", "--no-push")
    assert said.code == 0, said.err
    assert "outputImages" not in stack.run(said.run_id) or not stack.run(said.run_id)["outputImages"]
    with stack.http() as client:
        assert client.get(f"https://{stack.login_server}/v2/never/pushed/tags/list").status_code in {401, 404}


def test_no_wait_and_then_the_log(stack: "Stack", context: Path) -> None:
    dockerfile(context, stack, "RUN echo from-the-log")
    said = stack.build(context, "-t", "later:v1", "--no-wait")
    assert said.code == 0, said.err
    logs = stack.az("acr", "task", "logs", "-r", names.REGISTRY, "--run-id", said.run_id)
    assert logs.code == 0
    assert "from-the-log" in logs.out
    assert f"Run ID: {said.run_id} was successful" in logs.out


def test_arguments_target_and_file(stack: "Stack", context: Path) -> None:
    (context / "build").mkdir()
    (context / "build" / "Special.dockerfile").write_text(
        f"ARG TAG=none\nFROM {stack.login_server}/base/busybox:$TAG AS first\nARG WHO\nRUN echo hello $WHO\n"
        "FROM first AS second\nRUN echo second-stage && exit 1\n"
    )
    said = stack.build(
        context, "-t", "args:v1", "--file", str(context / "build" / "Special.dockerfile"),
        "--build-arg", "TAG=1.35", "--build-arg", "WHO=world", "--target", "first",
    )  # fmt: skip
    assert said.code == 0, said.out + said.err
    assert "hello world" in said.out
    assert "second-stage" not in said.out


def test_a_secret_argument_is_masked_in_every_form(stack: "Stack", context: Path) -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    dockerfile(
        context, stack, "ARG TOKEN", f'RUN echo "plain $TOKEN"; echo "base {encoded}"; echo "url {quote(SECRET)}"'
    )
    said = stack.build(context, "-t", "secret:v1", "--secret-build-arg", f"TOKEN={SECRET}")
    assert said.code == 0, said.out + said.err
    assert SECRET not in said.out
    assert encoded not in said.out
    assert quote(SECRET) not in said.out
    assert SECRET not in str(stack.run(said.run_id))


def test_a_failing_step_says_so(stack: "Stack", context: Path) -> None:
    dockerfile(context, stack, "RUN echo about-to-fail; exit 37")
    said = stack.build(context, "-t", "fails:v1")
    assert re.search(r"Run ID: \w+ failed after \d+s\. Error: failed during run, err: exit status 1", failed(said))
    assert "exit code: 37" in said.out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FRUM scratch\n", "FRUM"),
        ("FROM {registry}/base/missing:v9\n", "base/missing"),
        ("FROM {registry}/base/busybox:1.35\nCOPY nothing /\n", "nothing"),
        ("FROM {registry}/base/busybox:1.35\nRUN <<EOF\n", "EOF"),
        ("", "Dockerfile"),
    ],
)
def test_a_bad_dockerfile_is_explained(stack: "Stack", context: Path, text: str, expected: str) -> None:
    (context / "Dockerfile").write_text(text.format(registry=stack.login_server))
    said = stack.build(context, "-t", "bad:v1")
    failed(said)
    assert expected in said.out


def test_cancel_while_it_builds(stack: "Stack", context: Path) -> None:
    dockerfile(context, stack, "RUN sleep 120")
    run_id = stack.build(context, "-t", "canceled:v1", "--no-wait").run_id
    assert stack.az("acr", "task", "cancel-run", "-r", names.REGISTRY, "--run-id", run_id).code == 0
    assert stack.run(run_id)["status"] == "Canceled"
    logs = stack.az("acr", "task", "logs", "-r", names.REGISTRY, "--run-id", run_id)
    assert f"Run ID: {run_id} was canceled after" in logs.out


def test_archive(stack: "Stack", context: Path) -> None:
    run_id = stack.build(dockerfile(context, stack), "--no-push", "--no-wait").run_id
    update = ("acr", "task", "update-run", "-r", names.REGISTRY, "--run-id", run_id)
    assert stack.az(*update, "--no-archive", "false").json()["isArchiveEnabled"] is True
    assert stack.az(*update, "--no-archive", "true").json()["isArchiveEnabled"] is False


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-t", "Upper:v1"), "lower-case"),
        (("-t", "x:v1", "--timeout", "299"), "300"),
        (("-t", "x:v1", "--platform", "windows/arm64"), "Windows"),
    ],
)
def test_a_request_that_cannot_work_is_refused(
    stack: "Stack", context: Path, arguments: tuple[str, ...], expected: str
) -> None:
    said = stack.build(dockerfile(context, stack), *arguments)
    assert said.code == 1
    assert expected in said.err
    assert "Queued" not in said.err


def test_roles(stack: "Stack", context: Path) -> None:
    dockerfile(context, stack)
    assert stack.az("acr", "task", "list-runs", "-r", names.REGISTRY, principal="reader").code == 0
    refused = stack.build(context, "-t", "x:v1", principal="reader")
    assert refused.code == 1
    assert "AuthorizationFailed" in refused.err
    assert stack.build(context, "--no-push", principal="runner").code == 0
    assert "could not be found" in stack.build(context, "-t", "x:v1", principal="stranger").err


def test_unknown_names(stack: "Stack") -> None:
    missing = stack.az("acr", "task", "show-run", "-r", names.REGISTRY, "--run-id", "c9999999")
    assert missing.code == 3
    assert "ResourceNotFound" in missing.err
    assert "could not be found" in stack.az("acr", "task", "list-runs", "-r", "nosuchreg").err
