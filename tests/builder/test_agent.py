"""The whole life of a builder, against doubles of the app, storage and registries."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from builder.faults import EngineUnavailable
from shared.errors import Unavailable
from shared.grant import DockerBuild, NamedValue, Outcome, Source, Work
from tests.builder.engine.scripted import Act

REGISTRY = "localreg.example:7455"
BASE = "sha256:" + "b" * 64

type World = Any  # the class lives in conftest.py, which test modules cannot import
type Undated = Callable[[str], list[str]]


def run(world: World) -> int:
    return int(asyncio.run(asyncio.wait_for(world.live(), 10)))


def push(*names: str, **fields: Any) -> DockerBuild:
    return DockerBuild(docker_file_path="Dockerfile", image_names=names, is_push_enabled=True, **fields)


def test_a_build_and_push(world: World, undated: Undated) -> None:
    world.files = {
        "Dockerfile": "ARG V=1\nFROM busybox:$V AS a\nFROM localreg.example:7455/base/app\nCOPY --from=a /x /x\n"
    }
    world.manifests = {"library/busybox:1.35": BASE, "base/app:latest": BASE}
    world.build = push(
        "hello:{{.Run.ID}}", "localreg.example:7455/other", arguments=(NamedValue(name="V", value="1.35"),)
    )
    assert run(world) == 0

    report = world.report
    built = world.engine.built[0]
    digest = world.engine.digest(built)
    assert (report.run_id, report.epoch, report.outcome, report.error) == ("ca1", 3, Outcome.SUCCEEDED, None)
    assert [(one.repository, one.tag, one.digest) for one in report.images] == [
        ("hello", "ca1", digest),
        ("other", "latest", digest),
    ]
    assert world.result is not None
    assert world.calls.index("results") < world.calls.index("report")
    assert f"docker.io/library/busybox:1.35@{BASE}" in built.dockerfile
    assert f"localreg.example:7455/base/app:latest@{BASE}" in built.dockerfile
    assert [str(tag) for tag in built.tags] == [f"{REGISTRY}/hello:ca1", f"{REGISTRY}/other:latest"]
    assert world.logins == [
        {"pull": ["base/app"], "push": []},
        {"pull": ["hello", "other"], "push": ["hello", "other"]},
    ]
    assert [login.token for login in built.logins] == ["registry-token-1"]
    assert [login.token for _, login in world.engine.pushed] == ["registry-token-2"] * 2
    assert world.engine.stopped

    said = undated(world.text)
    assert said[:4] == [
        "Downloading source code...",
        "Finished downloading source code",
        "Executing step ID: build. Timeout(sec): 28800, Working directory: '', Network: ''",
        "Scanning for dependencies...",
    ]
    end = said.index("The following dependencies were found:")
    assert said[end + 1 :][:18] == [
        "",
        "- image:",
        "    registry: localreg.example:7455",
        "    repository: hello",
        "    tag: ca1",
        f"    digest: {digest}",
        "  runtime-dependency:",
        "    registry: localreg.example:7455",
        "    repository: base/app",
        "    tag: latest",
        f"    digest: {BASE}",
        "  buildtime-dependency:",
        "  - registry: registry.hub.docker.com",
        "    repository: library/busybox",
        '    tag: "1.35"',
        f"    digest: {BASE}",
        "  git: {}",
        "- image:",
    ]
    assert world.text.count("\n") == world.text.count("\r\n")


def test_without_push_nothing_is_pushed_and_no_token_is_asked_for(world: World) -> None:
    world.build = DockerBuild(docker_file_path="Dockerfile", image_names=("hello",))
    assert run(world) == 0
    assert (world.report.outcome, world.report.images) == (Outcome.SUCCEEDED, ())
    assert (world.engine.pushed, world.logins) == ([], [])
    assert world.report.dependencies[0].image.repository == "hello"


def test_secret_arguments_never_reach_log_or_report(world: World) -> None:
    secret = "s3cr3t-value"
    world.build = DockerBuild(
        docker_file_path="Dockerfile", arguments=(NamedValue(name="T", value=secret, is_secret=True),)
    )
    world.engine.builds = [Act((b"token s3cr", b"3t-value\n"), error=f"process 'echo {secret}' failed")]
    assert run(world) == 0
    assert secret not in world.text + world.report.model_dump_json()
    assert "token ***" in world.text
    assert world.report.error == "failed during run, err: process 'echo ***' failed"


FAILURES = {
    "missing Dockerfile": ({}, "the Dockerfile 'Dockerfile' is not in the context"),
    "syntax error": ({"Dockerfile": "FROM scratch\nRUM x\n"}, "RUM"),
    "base without image": ({"Dockerfile": "FROM nowhere/base:1\n"}, "nowhere/base"),
    "not a reference": ({"Dockerfile": "FROM Nowhere/Base\n"}, "lower-case"),
    "unknown target": ({"Dockerfile": "FROM scratch AS a\n"}, "no-such-stage"),
}


def test_what_a_confined_builder_cannot_do_is_handed_over_where_somebody_else_can(
    world: World, undated: Undated
) -> None:
    world.engine.refuses = "line 2: RUN asks for --network=none"
    world.grant = {"may_hand_over": True}
    assert run(world) == 0
    assert (world.report.needs_full, world.report.outcome) == (True, Outcome.FAILED)
    assert undated(world.text)[-2:] == [
        "line 2: RUN asks for --network=none.",
        "The run is handed over to a full builder.",
    ]
    assert not world.engine.pushed


def test_and_fails_with_the_reason_where_nobody_can(world: World, undated: Undated) -> None:
    world.engine.refuses = "line 2: RUN asks for --network=none"
    assert run(world) == 0
    assert (world.report.needs_full, world.report.outcome) == (False, Outcome.FAILED)
    assert (
        undated(world.text)[-1] == world.report.error == "failed during run, err: line 2: RUN asks for --network=none"
    )


@pytest.mark.parametrize("name", FAILURES)
def test_a_faulty_build_fails_with_the_reason_as_its_last_words(world: World, undated: Undated, name: str) -> None:
    world.files, words = FAILURES[name]
    target = "no-such-stage" if name == "unknown target" else None
    world.build = DockerBuild(docker_file_path="Dockerfile", target=target)
    assert run(world) == 0
    last = undated(world.text)[-1]
    assert last.startswith("failed to run step ID: build: ")
    assert words in last
    assert world.report.outcome is Outcome.FAILED
    assert world.report.error == "failed during run, err: " + last.removeprefix("failed to run step ID: build: ")


@pytest.mark.parametrize("name", ["Not/Lower", "a:b:c", "{{.Values.x}}", "x" * 300, ""])
def test_an_image_name_that_is_none_fails_the_run(world: World, name: str) -> None:
    world.build = push(name)
    assert run(world) == 0
    assert world.report.outcome is Outcome.FAILED
    assert not world.engine.built


def test_an_unauthorized_base_names_image_and_registry(world: World) -> None:
    world.files = {"Dockerfile": "FROM private.example/team/base:2\n"}
    world.always["registry"] = 401
    assert run(world) == 0
    assert "team/base:2" in world.report.error
    assert "private.example" in world.report.error


def test_a_context_that_is_hostile_fails_the_run(world: World, undated: Undated) -> None:
    world.files = {"../evil": "x"}
    assert run(world) == 0
    assert world.report.outcome is Outcome.FAILED
    assert world.report.error == "failed to download context: a name leaves the context: '../evil'"
    assert undated(world.text)[-1] == world.report.error
    assert not (world.directory / "evil").exists()


def test_a_context_that_was_never_uploaded(world: World) -> None:
    world.always["sources"] = 404
    assert run(world) == 0
    assert world.report.error == "failed to download context: the context was never uploaded, or is gone"


def test_a_dockerfile_link_out_of_the_context_is_not_read(world: World) -> None:
    (world.directory / "workspace").mkdir()
    (world.directory / "workspace/Dockerfile").symlink_to("/etc/passwd")
    world.grant["source"] = Source()
    assert run(world) == 0
    assert "leaves the context" in world.report.error


def test_work_that_this_builder_does_not_know_ends_in_a_sentence(world: World) -> None:
    world.grant["work"] = Work()
    assert run(world) == 0
    assert "this builder knows" in world.report.error
    assert world.report.error in world.text


@pytest.mark.parametrize(
    "location", ["https://user:t0ken@127.0.0.1/a.git", "https://127.0.0.1/a.tgz?sig=t0ken", "ssh://h/a"]
)
def test_a_remote_context_that_may_not_be_had(world: World, undated: Undated, location: str) -> None:
    world.grant["source"] = Source(location=location, token="t0ken-of-git")
    assert run(world) == 0
    assert world.report.outcome is Outcome.FAILED
    assert world.report.error.startswith(
        "failed to download context. Please check if the URL is incorrect."
        " If it has credentials, please check if they are expired: "
    )
    assert undated(world.text) == ["Downloading source code...", world.report.error]
    assert "t0ken" not in world.text + world.report.error


def test_a_failed_push_is_tried_three_times(world: World) -> None:
    world.build = push("hello")
    world.engine.pushes = [Act(error="connection reset")]
    assert asyncio.run(_impatient(world)) == 0
    assert world.report.error == (
        f"failed during run, err: failed to push images successfully: {REGISTRY}/hello:latest: connection reset"
    )
    assert len(world.engine.pushed) == 3
    assert world.report.images == ()


async def _impatient(world: World) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builder.publish._DELAY", 0.001)
        return int(await asyncio.wait_for(world.live(), 10))


def test_a_registry_with_another_digest_than_was_built_fails_the_run(world: World) -> None:
    world.build = push("hello")
    world.manifests["hello:latest"] = BASE
    assert run(world) == 0
    assert f"the registry has {BASE}" in world.report.error
    assert world.report.outcome is Outcome.FAILED


def test_the_default_frontend_is_replaced_by_the_built_in_one(world: World) -> None:
    world.files = {"Dockerfile": "# syntax=docker/dockerfile:1.7\n# escape=`\nFROM scratch\n"}
    assert run(world) == 0
    assert world.engine.built[0].dockerfile == "# \n# escape=`\nFROM scratch\n"
    assert "instead of docker/dockerfile:1.7" in world.text


def test_another_frontend_is_left_alone(world: World) -> None:
    world.files = {"Dockerfile": "# syntax=frontends.example/mine:1\nFROM scratch\n"}
    assert run(world) == 0
    assert world.engine.built[0].dockerfile.startswith("# syntax=frontends.example/mine:1\n")


def test_the_timeout_ends_the_run(world: World) -> None:
    world.grant["timeout_seconds"] = 1
    world.engine.builds = [Act((b"started\n",), hang=True)]
    assert run(world) == 0
    assert world.report.outcome is Outcome.TIMEOUT
    assert world.report.error == "failed during run, err: context deadline exceeded"
    assert world.engine.killed == 1


@pytest.mark.parametrize("call", ["login", "report"])
def test_a_fence_at_a_call_reports_nothing(world: World, call: str) -> None:
    world.build = push("hello")
    world.always[call] = 409
    assert run(world) == 0
    assert world.reports == []
    assert world.engine.stopped
    assert len(world.engine.pushed) == (call == "report")


@pytest.mark.parametrize(("call", "status"), [("heartbeat", 409), ("heartbeat", 401), ("logs", 412)])
def test_a_fence_in_the_background_kills_the_step(world: World, call: str, status: int) -> None:
    def fence(request: httpx.Request) -> httpx.Response:
        if world.engine.entered.is_set():
            return httpx.Response(status)
        answer: httpx.Response = world.ordinary(call, request)
        return answer

    world.engine.builds = [Act((b"started\n",), hang=True)]
    world.always[call] = fence
    assert run(world) == 0
    assert (world.reports, world.result) == ([], None)
    assert (world.engine.killed, world.engine.stopped) == (1, True)


def telling(world: World) -> None:
    """Let the world's run push an image without layers, whose contents are asked for."""
    manifest = b'{"mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}'
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    file = world.directory / "manifest"
    file.write_bytes(manifest)
    world.build, world.grant = push("hello:1"), {"wants_contents": True}
    world.engine.digest_of = {f"{REGISTRY}/hello:1": digest}
    world.engine.digest = lambda _: digest
    world.engine.blobs = {digest: file}


def test_what_images_hold_is_told_after_the_report_and_the_builder_leaves(world: World) -> None:
    telling(world)
    assert run(world) == 0
    assert world.report.tells_contents
    assert [told.digest for told in world.told] == [world.report.images[0].digest]
    ends = [call for call in world.calls if call in {"report", "contents", "leave"}]
    assert ends == ["report", "contents", "leave"]
    assert world.engine.stopped


@pytest.mark.parametrize("given", [409, 403, 503, httpx.ConnectError("down")])
def test_that_nobody_takes_what_images_hold_changes_nothing(world: World, given: object) -> None:
    telling(world)
    world.always["contents"] = given
    assert run(world) == 0
    assert world.report.outcome is Outcome.SUCCEEDED
    assert world.calls[-1] == "leave"


def test_a_heartbeat_that_hears_of_the_end_does_not_break_the_report_off(world: World) -> None:
    telling(world)
    heard = asyncio.Event()

    def ended(_: httpx.Request) -> httpx.Response:
        heard.set()
        return httpx.Response(409, json={"reason": "the run has ended"})

    def reported(request: httpx.Request) -> httpx.Response:
        world.always["heartbeat"] = ended
        return world.ordinary("report", request) if heard.is_set() else httpx.Response(503)

    world.always["report"] = reported
    assert run(world) == 0
    assert len(world.told) == 1


def test_a_signal_stops_everything(world: World) -> None:
    world.engine.builds = [Act(hang=True)]

    async def told_to_stop() -> None:
        task = asyncio.create_task(world.live())
        await world.engine.entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(told_to_stop(), 10))
    assert (world.engine.killed, world.engine.stopped, world.reports) == (1, True, [])


@pytest.mark.parametrize("status", [401, 410])
def test_a_builder_without_a_run_leaves_quietly(world: World, status: int) -> None:
    world.scripted["claim"] = [204, 204, status]
    assert run(world) == 0
    assert world.calls == ["claim"] * 3
    assert world.engine.stopped


def test_claims_survive_a_network_and_an_app_that_are_away(world: World) -> None:
    world.scripted["claim"] = [httpx.ConnectError("down"), 503, httpx.ReadTimeout("late"), 204]
    assert run(world) == 0
    assert world.report.outcome is Outcome.SUCCEEDED


def test_a_report_is_sent_until_it_is_accepted(world: World) -> None:
    world.scripted["results"] = [httpx.ReadTimeout("?"), 503]
    world.scripted["report"] = [httpx.ConnectError("down"), 500]
    assert run(world) == 0
    assert world.report.outcome is Outcome.SUCCEEDED
    assert world.calls.count("report") == 3


def test_a_result_that_is_already_there_does_not_keep_the_report_back(world: World) -> None:
    world.result = b"{}"
    assert run(world) == 0
    assert world.report.outcome is Outcome.SUCCEEDED


def test_a_missed_heartbeat_is_no_reason_to_stop(world: World) -> None:
    world.scripted["heartbeat"] = [httpx.ConnectError("down"), 503]
    world.engine.builds = [Act(hang=True)]

    async def live() -> None:
        task = asyncio.create_task(world.live())
        await world.called("heartbeat", 4)
        world.always["heartbeat"] = 409
        assert await task == 0

    asyncio.run(asyncio.wait_for(live(), 10))
    assert world.engine.killed == 1


def test_an_engine_that_cannot_run_here_ends_the_run_in_error(world: World) -> None:
    world.engine.start_error = EngineUnavailable("dockerd cannot run here: no overlay")
    world.engine.builds = [Act()]
    assert run(world) == 0
    assert world.report.outcome is Outcome.ERROR
    assert "no overlay" in world.report.error
    assert world.text.rstrip().endswith("no overlay")


def test_the_log_goes_on_where_it_stood(world: World) -> None:
    world.log += b"Waiting for an agent...\r\n"
    world.grant["log_position"] = len(world.log)
    assert run(world) == 0
    assert world.text.startswith("Waiting for an agent...\r\n2")
    assert world.report.outcome is Outcome.SUCCEEDED


def test_no_token_is_said_anywhere(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.build = push("hello")
    world.engine.builds = [Act((b"run-token-of-ca1\n",))]
    world.engine.pushes = [Act((b"registry-token-1\n",))]
    assert run(world) == 0
    everything = world.text + world.report.model_dump_json() + "".join(capfd.readouterr())
    assert "run-token-of-ca1" not in everything
    assert "registry-token-1" not in everything
    assert "group-token" not in everything


def test_a_builder_that_may_go_on_is_clean_and_claims_again(world: World) -> None:
    world.grant["claims_again"] = True
    world.build = push("hello")
    left = world.directory / "workspace"
    seen: list[bool] = []

    def claim(_request: httpx.Request) -> httpx.Response:
        seen.append(left.exists() and any(left.iterdir()))
        if len(seen) > 2:
            return httpx.Response(410)
        answer: httpx.Response = world.claimed(_request)
        return answer

    world.always["claim"] = claim
    world.engine.builds = [Act((b"one\n",)), Act((b"two\n",))]
    world.log.clear()

    def fresh_log(request: httpx.Request) -> httpx.Response:
        if request.headers["x-ms-blob-condition-appendpos"] == "0":
            world.log.clear()
            world.result = None
        answer: httpx.Response = world.append(request)
        return answer

    world.always["logs"] = fresh_log
    assert run(world) == 0
    assert seen == [False, False, False]
    assert [report.outcome for report in world.reports] == [Outcome.SUCCEEDED] * 2
    assert len(world.engine.built) == 2


def test_a_builder_that_cannot_get_clean_leaves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise Unavailable("the builder could not be made clean (PermissionError)")

    monkeypatch.setattr("builder.agent.clean", refuse)
    world.grant["claims_again"] = True
    assert run(world) == 1
    assert world.calls.count("claim") == 1
    assert world.calls[-1] == "leave"


def test_a_machine_that_drains_ends_its_run_and_leaves(world: World) -> None:
    world.grant["claims_again"] = True

    def claim(_request: httpx.Request) -> httpx.Response:
        world.draining.set()
        answer: httpx.Response = world.claimed(_request)
        return answer

    world.always["claim"] = claim
    assert run(world) == 0
    assert world.report.outcome is Outcome.SUCCEEDED
    assert (world.calls.count("claim"), world.calls[-1]) == (1, "leave")


def test_a_fenced_builder_of_a_pool_goes_on(world: World) -> None:
    world.grant["claims_again"] = True
    world.scripted["claim"] = [world.claimed, 410]
    world.always["heartbeat"] = 409
    world.engine.builds = [Act((b"started\n",), hang=True)]
    assert run(world) == 0
    assert world.reports == []
    assert world.calls.count("claim") == 2
