"""Whole tasks against a scripted engine: order, outcome and the exact text of the log."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from builder.contexts.source import Context
from shared.grant import FileTask, NamedValue, Outcome, RegistryLogin, Work
from tests.builder.engine.scripted import Act

REGISTRY = "localreg.example:7455"
DIGEST = "sha256:" + "d" * 64
HEAD = [
    "Creating Docker network: acb_default_network, driver: 'bridge'",
    "Successfully set up Docker network: acb_default_network",
    "Setting up Docker configuration...",
    "Successfully set up Docker configuration",
]

type World = Any  # the class lives in conftest.py, which test modules cannot import
type Undated = Callable[[str], list[str]]


def said(world: World, undated: Undated) -> list[str]:
    """Return the log behind the four lines of every task, the seconds of steps left out."""
    lines = undated(world.text)
    assert lines[: len(HEAD)] == HEAD
    return [line.partition(" (elapsed")[0] for line in lines[len(HEAD) :]]


def begun(step: str, seconds: int = 600, network: str = "acb_default_network") -> str:
    return f"Executing step ID: {step}. Timeout(sec): {seconds}, Working directory: '', Network: '{network}'"


def launched(step: str) -> str:
    return f"Launching container with name: {step}"


def done(step: str) -> str:
    return f"Successfully executed container: {step}"


def good(step: str) -> str:
    return f"Step ID: {step} marked as successful"


def gave_up(step: str) -> str:
    return f"Container failed during run: {step}. No retries remaining."


def test_steps_run_one_after_the_other_and_are_summed_up_at_the_end(world: World, undated: Undated) -> None:
    world.run_task("steps:\n - id: a\n   cmd: x\n - id: b\n   cmd: y\n")
    assert said(world, undated) == [
        begun("a"), launched("a"), done("a"), begun("b"), launched("b"), done("b"), good("a"), good("b"),
    ]  # fmt: skip
    assert world.report.outcome is Outcome.SUCCEEDED
    assert world.engine.containers.events == [
        ("network", "acb_default_network"),
        ("start", "a"), ("end", "a"), ("start", "b"), ("end", "b"),
        ("rm", "a"), ("rm", "b"),
        ("network rm", "acb_default_network"),
    ]  # fmt: skip


def test_no_steps_are_a_success(world: World, undated: Undated) -> None:
    world.run_task("steps: []\n")
    assert said(world, undated) == []
    assert world.report.outcome is Outcome.SUCCEEDED


def test_the_first_failure_ends_the_run(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"a": [Act((b"boom\n",), status=3)]}
    world.run_task("steps:\n - id: a\n   cmd: x\n - id: b\n   cmd: y\n")
    assert said(world, undated) == [
        begun("a"), launched("a"), "boom", gave_up("a"), "failed to run step ID: a: exit status 3",
    ]  # fmt: skip
    assert world.report.outcome is Outcome.FAILED
    assert world.report.error == "failed during run, err: exit status 1: failed to run step ID: a: exit status 3"
    assert ("rm", "a") in world.engine.containers.events
    assert ("rm", "b") not in world.engine.containers.events


def test_a_failure_stops_its_siblings(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"a": [Act(status=1, seconds=0.02)], "b": [Act(hang=True)]}
    world.run_task('steps:\n - id: a\n   cmd: x\n   when: ["-"]\n - id: b\n   cmd: y\n   when: ["-"]\n - cmd: z\n')
    assert said(world, undated) == [
        begun("a"), launched("a"), begun("b"), launched("b"), gave_up("a"), "failed to run step ID: a: exit status 1",
    ]  # fmt: skip
    events = world.engine.containers.events
    assert events.index(("end", "b")) < events.index(("rm", "b"))
    assert ("start", "acb_step_2") not in events


def test_ignored_errors_let_children_run(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"a": [Act(status=3)]}
    world.run_task("steps:\n - id: a\n   cmd: x\n   ignoreErrors: true\n - id: b\n   cmd: y\n")
    assert said(world, undated) == [
        begun("a"), launched("a"), gave_up("a"),
        "Step ID: a encountered an error: exit status 3, but is set to ignore errors. Continuing...",
        begun("b"), launched("b"), done("b"), good("a"), good("b"),
    ]  # fmt: skip
    assert world.report.outcome is Outcome.SUCCEEDED


def test_retries(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"a": [Act(status=1), Act()]}
    world.run_task("steps:\n - id: a\n   cmd: x\n   retries: 2\n   retryDelay: 1\n")
    waiting = "Container failed during run: a, waiting 1 seconds before retrying..."
    assert said(world, undated) == [begun("a"), launched("a"), waiting, launched("a"), done("a"), good("a")]


def test_an_error_that_is_not_named_is_not_retried(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {
        "a": [Act((b"err 42", b"9 Too Many\n"), status=1), Act((b"other\n",), status=1), Act()]
    }
    world.run_task('steps:\n - id: a\n   cmd: x\n   retries: 2\n   retryDelay: 1\n   retryOnErrors: ["429 Too"]\n')
    assert said(world, undated) == [
        begun("a"), launched("a"), "err 429 Too Many",
        "Container failed during run: a, waiting 1 seconds before retrying...",
        launched("a"), "other", gave_up("a"), "failed to run step ID: a: exit status 1",
    ]  # fmt: skip


def test_repeats_are_all_done_and_their_failures_collected(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"a": [Act(status=1), Act(), Act(status=2)]}
    world.run_task("steps:\n - id: a\n   cmd: x\n   repeat: 2\n")
    assert said(world, undated) == [
        begun("a"), launched("a"), gave_up("a"), launched("a"), done("a"), launched("a"), gave_up("a"),
        "failed to run step ID: a: exit status 1, exit status 2",
    ]  # fmt: skip


def test_one_timeout_covers_all_attempts(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"a": [Act(hang=True)]}
    world.run_task("steps:\n - id: a\n   cmd: x\n   timeout: 1\n   retries: 1\n   retryDelay: 1\n")
    assert said(world, undated) == [
        begun("a", 1), launched("a"), "Container failed during run: a, waiting 1 seconds before retrying...",
        launched("a"), gave_up("a"), "failed to run step ID: a: timed out",
    ]  # fmt: skip
    assert world.engine.containers.events.count(("start", "a")) == 1


def test_the_start_delay_lies_before_the_timeout(world: World, undated: Undated) -> None:
    world.run_task("steps:\n - id: a\n   cmd: x\n   timeout: 1\n   startDelay: 1\n")
    waiting = "Waiting 1 seconds before executing step ID: a"
    assert said(world, undated) == [begun("a", 1), waiting, launched("a"), done("a"), good("a")]


def test_a_step_named_twice_in_when_counts_once(world: World, undated: Undated) -> None:
    world.run_task("steps:\n - id: a\n   cmd: x\n - id: b\n   cmd: y\n   when: [a,a]\n")
    assert said(world, undated)[-2:] == [good("a"), good("b")]


def test_an_explicit_pull_has_its_own_retries(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"pull": [Act((b"no\n",), status=1), Act()]}
    world.run_task("steps:\n - cmd: img:1 arg\n   pull: true\n   cmdDownloadRetries: 1\n   cmdDownloadRetryDelay: 1\n")
    assert said(world, undated) == [
        begun("acb_step_0"), "Step specified pull. Performing an explicit pull...",
        "Launching container with name: ", "no", "Container failed during run: , waiting 1 seconds before retrying...",
        "Launching container with name: ", "Successfully executed container: ",
        launched("acb_step_0"), done("acb_step_0"), good("acb_step_0"),
    ]  # fmt: skip
    assert ("start", "pull img:1") in world.engine.containers.events


def test_a_network_that_cannot_be_made(world: World, undated: Undated) -> None:
    world.engine.containers.acts = {"network": [Act(error="exists")]}
    world.run_task("steps:\n - cmd: x\n")
    assert undated(world.text) == [
        HEAD[0], "failed to create network: acb_default_network, err: exit status 1, msg: exists",
    ]  # fmt: skip
    assert world.engine.containers.events[-1] == ("network rm", "acb_default_network")


def test_networks_of_the_task(world: World, undated: Undated) -> None:
    world.run_task(
        "networks:\n - {name: n1, driver: bridge, ipv6: true}\n - {name: n2, skipCreation: true}\n"
        "steps:\n - {id: s, cmd: img, network: n1}\n - {cmd: img2, disableWorkingDirectoryOverride: true}\n",
    )
    lines = undated(world.text)
    assert lines[:3] == [
        "Creating Docker network: n1, driver: 'bridge'",
        "Successfully set up Docker network: n1",
        "Skip creating network: n2",
    ]
    assert begun("s", network="n1") in lines
    assert begun("acb_step_1", network="") in lines
    assert lines[-1] == "Skip deleting network: n2"
    first, second = world.engine.containers.ran
    assert (first.network, first.directory, second.directory) == ("n1", "/workspace", None)


def test_steps_get_the_registry_and_the_sign_of_being_hosted(world: World) -> None:
    world.run_task("env: [A=1]\nsteps:\n - {cmd: x, env: ['ACR_TASK_HOSTED=own']}\n")
    assert sorted(world.engine.containers.ran[0].environment) == [
        "A=1", f"ACR_DEFAULT_REGISTRY={REGISTRY}", "ACR_TASK_HOSTED=own",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps:\n - {cmd: x, build: y}\n", "step must only contain a single build, cmd, or push property"),
        ("steps: [\n", "failed to unmarshal task before running"),
        ("version: v9\nsteps: []\n", 'invalid version specified: "v9"'),
        ("steps:\n - {cmd: '{{ .Values.x.y }}'}\n", "nil pointer evaluating"),
    ],
)
def test_a_task_that_does_not_hold_fails_before_anything_runs(
    world: World, undated: Undated, text: str, words: str
) -> None:
    world.run_task(text)
    assert words in undated(world.text)[0]
    assert world.report.outcome is Outcome.FAILED
    assert words in world.report.error
    assert world.engine.containers.events == []


def test_aliases_and_unknown_keys_are_told(world: World, undated: Undated) -> None:
    world.run_task("version: v1.1.0\nsteps:\n - {cmd: $Registry/tool, detatch: true}\n")
    lines = undated(world.text)
    assert lines[0].startswith("Alias support enabled for version >= 1.1.0")
    assert lines[1].startswith("WARNING: ")
    assert "detatch" in lines[1]
    assert world.engine.containers.ran[0].command == f"{REGISTRY}/tool"


def test_the_home_directory_has_the_logins_of_what_the_task_names(world: World, undated: Undated) -> None:
    world.grant["logins"] = (RegistryLogin(registry="other.example", username="u", password="pass-of-u"),)
    world.run_task(f"steps:\n - cmd: {REGISTRY}/team/tool:1 push {REGISTRY}/out/app\n - cmd: busybox\n")
    assert world.logins == [{"pull": ["team/tool", "out/app"], "push": ["team/tool", "out/app"]}]
    config = json.loads((world.directory / "home/.docker/config.json").read_text())
    assert config["auths"] == {
        "other.example": {"auth": "dTpwYXNzLW9mLXU="},
        REGISTRY: {"registrytoken": "registry-token-1"},
    }
    assert config["HttpHeaders"] == {"X-Meta-Source-Client": "azure/acr/tasks"}
    assert said(world, undated)[:4] == [
        "Logging in to registry: other.example", "Successfully logged into other.example",
        f"Logging in to registry: {REGISTRY}", f"Successfully logged into {REGISTRY}",
    ]  # fmt: skip


def test_a_build_is_pinned_pushed_and_told_with_what_it_stands_on(world: World, undated: Undated) -> None:
    image = f"{REGISTRY}/app:1"
    world.files = {"acb.yaml": f"steps:\n - id: b\n   build: -t {image} -f src/D .\n - push: ['{image}']\n"}
    world.files |= {"src/D": "FROM localreg.example:7455/base/app\n", "src/D.dockerignore": "*.log\n"}
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    base = "sha256:" + "b" * 64
    world.manifests = {"base/app:latest": base, "app:1": DIGEST}
    world.engine.digest_of = {image: DIGEST}
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0

    built = world.engine.containers.built[0]
    assert built.text == f"-t {image} -f src/D ."
    assert (built.directory, built.ignore) == ("/workspace", "*.log\n")
    assert f"localreg.example:7455/base/app:latest@{base}" in built.dockerfile
    assert world.logins == [
        {"pull": ["app"], "push": ["app"]},
        {"pull": ["base/app", "app"], "push": ["app"]},
        {"pull": ["app"], "push": ["app"]},
    ]
    lines = undated(world.text)
    assert "Scanning for dependencies..." in lines
    assert f"Successfully pushed image: {image}" in lines
    end = lines.index("The following dependencies were found:")
    assert lines[end - 4].startswith("Step ID: b marked as successful")
    assert lines[end - 3 : end - 1] == [
        "Populating digests for step ID: b...", "Successfully populated digests for step ID: b",
    ]  # fmt: skip
    assert lines[end + 2 : end + 6] == [
        "- image:", f"    registry: {REGISTRY}", "    repository: app", '    tag: "1"',
    ]  # fmt: skip
    assert [(one.repository, one.digest) for one in world.report.images] == [("app", DIGEST)]
    assert world.report.dependencies[0].runtime.digest == base


def test_a_build_stands_on_what_the_engine_holds_and_own_images_are_not_followed(
    world: World, undated: Undated
) -> None:
    base, own, pulled = "sha256:" + "b" * 64, "sha256:" + "c" * 64, "sha256:" + "d" * 64
    text = f"steps:\n - build: -t own:1 -f base .\n - {{id: b, build: '-t {REGISTRY}/app:1 -f app .'}}\n"
    world.files = {
        "acb.yaml": text,
        "base": "FROM localreg.example:7455/base/app\n",
        "app": "FROM own:1\nCOPY --from=localreg.example:7455/base/tools / /\n",
    }
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    world.manifests = {"base/app:latest": base}
    world.engine.containers.digests = {
        "docker.io/library/own:1": own,
        "localreg.example:7455/base/tools:latest": pulled,
    }
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    assert world.report.error is None
    assert world.engine.containers.built[1].dockerfile == world.files["app"], "the engine has both, in no registry"
    first, second = world.report.dependencies
    assert first.runtime.digest == base
    assert second.runtime is None, "it changes when the other one does"
    assert [image.digest for image in second.buildtime] == [pulled]
    assert f"    digest: {own}" in undated(world.text)


def test_an_explicit_pull_asks_the_registry_whatever_the_engine_holds(world: World) -> None:
    base = "sha256:" + "b" * 64
    world.files = {
        "acb.yaml": "steps:\n - build: --pull -t app .\n",
        "Dockerfile": "FROM localreg.example:7455/base/app\n",
    }
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    world.manifests = {"base/app:latest": base}
    world.engine.containers.digests = {"localreg.example:7455/base/app:latest": "sha256:" + "c" * 64}
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    assert f"@{base}" in world.engine.containers.built[0].dockerfile


def test_a_build_without_dockerfile(world: World, undated: Undated) -> None:
    world.run_task("steps:\n - build: -t a:1 .\n")
    assert said(world, undated)[2:] == [
        "Output from dependency scanning: the Dockerfile 'Dockerfile' is not in the context",
        "failed to run step ID: acb_step_0: failed to scan dependencies: exit status 1",
    ]


def test_a_registry_cache_has_the_references_name(world: World) -> None:
    world.files = {"Dockerfile": "FROM scratch\n", "acb.yaml": "steps:\n - {build: -t a:1 ., cache: enabled}\n"}
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    cache = f"type=registry,ref={REGISTRY}/a:cache_quickrun_acb_step_0"
    assert world.engine.containers.built[0].text == (
        f"--load --cache-to={cache},mode=max --cache-from={cache} -t a:1 ."
    )
    assert world.logins[0] == {"pull": ["a"], "push": ["a"]}


def test_pushes_are_tried_three_times(world: World, undated: Undated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.publish._DELAY", 0.001)
    world.engine.pushes = [Act(error="denied")]
    world.run_task("steps:\n - push: [a:1, b:1]\n")
    attempts = [line for number in (1, 2, 3) for line in (f"Pushing image: a:1, attempt {number}", "denied")]
    assert said(world, undated) == [
        begun("acb_step_0"), *attempts, "failed to run step ID: acb_step_0: failed to push images successfully",
    ]  # fmt: skip


def test_a_push_uses_what_a_step_has_logged_in_to(world: World) -> None:
    home = world.directory / "home/.docker"
    home.mkdir(parents=True)
    (home / "config.json").write_text(json.dumps({"auths": {"other.example": {"auth": "dTpw"}}}))
    world.engine.digest_of = {"other.example/a:1": DIGEST}
    world.run_task("steps:\n - push: [other.example/a:1]\n")
    login = world.engine.pushed[0][1]
    assert (login.registry, login.username, login.password) == ("other.example", "u", "p")


def test_a_push_behind_the_fence_ends_everything(world: World) -> None:
    world.always["login"] = 409
    world.run_task(f"steps:\n - push: ['{REGISTRY}/a:1']\n")
    assert world.reports == []
    assert world.engine.pushed == []


def test_secret_volumes_hold_exact_bytes_and_are_masked(world: World) -> None:
    secret = "line one $x `y`\nline two"
    world.engine.containers.acts = {"a": [Act((b"it is line one $x", b" `y` indeed\n"))]}
    text = (
        "volumes:\n - name: sec\n   secret:\n     f1: {{ .Values.s | b64enc }}\n"
        "steps:\n - {id: a, cmd: x, volumeMounts: [{name: sec, mountPath: /run/s}]}\n"
    )
    world.run_task(text, values=(NamedValue(name="s", value=secret, is_secret=True),))
    assert world.engine.containers.volumes == {"sec": {"f1": secret.encode()}}
    assert "Volume source sec successfully created" in world.text
    assert "it is *** indeed" in world.text
    assert world.engine.containers.ran[0].volume_mounts[0].mount_path == "/run/s"


def test_a_volume_that_is_not_base64(world: World, undated: Undated) -> None:
    world.run_task('volumes:\n - name: sec\n   secret:\n     f1: "%%%"\nsteps:\n - cmd: x\n')
    assert said(world, undated) == ["failed to decode Base64 value. please make sure value provided is Base64 encoded"]


SECRET_TASK = (
    "secrets:\n - id: k\n   keyvault: https://v.vault.azure.net/secrets/k\n"
    "   clientID: 00000000-0000-0000-0000-000000000001\n"
    "steps:\n - {cmd: 'tool {{ .Secrets.k }}'}\n"
)


def test_secrets_are_asked_of_the_app_and_masked(world: World) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={"values": {"k": "value-of-k"}})

    world.always["secrets"] = answer
    world.engine.containers.acts = {"acb_step_0": [Act((b"value-of", b"-k and dmFsdWUtb2Yta", b"w==\n"))]}
    world.run_task(SECRET_TASK)
    assert asked == [
        {
            "secrets": [
                {
                    "id": "k",
                    "keyvault": "https://v.vault.azure.net/secrets/k",
                    "clientId": "00000000-0000-0000-0000-000000000001",
                }
            ]
        }
    ]
    assert world.engine.containers.ran[0].command == "tool value-of-k"
    assert "*** and ***" in world.text


def test_a_secret_that_cannot_be_had_fails_the_run_with_the_apps_words(world: World, undated: Undated) -> None:
    refusal = {"error": {"code": "InvalidRequest", "message": "The key vault has no secret k."}}
    world.always["secrets"] = lambda _: httpx.Response(400, json=refusal)
    world.run_task(SECRET_TASK)
    assert world.report.outcome is Outcome.FAILED
    assert undated(world.text)[0].endswith("The key vault has no secret k.")


def test_files_are_read_from_the_context_and_never_from_outside(world: World) -> None:
    world.files = {"t/acb.yaml": "steps:\n - {cmd: '{{ .Values.name }}'}\n", "v.yaml": "name: fromfile\n"}
    world.grant["work"] = Work(file_task=FileTask(task_file_path="t/acb.yaml", values_file_path="v.yaml"))
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    assert world.engine.containers.ran[0].command == "fromfile"


@pytest.mark.parametrize("path", ["../acb.yaml", "/etc/passwd", "missing.yaml"])
def test_a_task_file_that_is_not_in_the_context(world: World, path: str) -> None:
    world.grant["work"] = Work(file_task=FileTask(task_file_path=path))
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    assert world.report.outcome is Outcome.FAILED
    assert world.engine.containers.ran == []


def test_alias_sources_are_read_from_the_context_alone(world: World) -> None:
    world.files = {
        "acb.yaml": "version: v1.1.0\nalias:\n  src: [names.yaml]\nsteps:\n - cmd: $tool x\n",
        "names.yaml": "tool: mine\n",
    }
    world.grant["work"] = Work(file_task=FileTask(task_file_path="acb.yaml"))
    assert asyncio.run(asyncio.wait_for(world.live(), 20)) == 0
    assert world.engine.containers.ran[0].command == "mine x"


def test_the_runs_timeout_cleans_up(world: World) -> None:
    world.grant["timeout_seconds"] = 1
    world.engine.containers.acts = {"a": [Act(hang=True)]}
    world.run_task("steps:\n - {id: a, cmd: x}\n")
    assert world.report.outcome is Outcome.TIMEOUT
    assert world.engine.containers.events[-2:] == [("rm", "a"), ("network rm", "acb_default_network")]


class Fetched:
    """Brings one Dockerfile from afar."""

    def __init__(self, grant: Any) -> None:
        self.grant = grant

    async def fetch(self, root: Path) -> Context:
        (root / "sub").mkdir()
        (root / "sub/F").write_text("FROM scratch\n")
        return Context(root / "sub", commit="c0ffee" * 6 + "beef")


def test_a_remote_context_of_a_step_is_fetched_for_it_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own access token stays at home, and the text builds what was fetched."""
    sources = []

    def source(grant: Any, _: object) -> Fetched:
        sources.append(grant.source)
        return Fetched(grant)

    monkeypatch.setattr("builder.tasks.builds.source_of", source)
    world.run_task("steps:\n - build: -t a:1 -f F https://github.com/x/y.git#main:sub --no-cache\n")
    assert world.report.outcome is Outcome.SUCCEEDED
    assert [(one.location, one.token) for one in sources] == [("https://github.com/x/y.git#main:sub", None)]
    built = world.engine.containers.built[0]
    assert (built.text, built.directory, built.dockerfile) == (
        "-t a:1 -f F . --no-cache", "/run/context", "FROM scratch\n",
    )  # fmt: skip
    assert built.context.name == "sub"
    assert "git-head-revision: c0ffee" in world.text
    assert list((world.directory / "private").glob("context-*")) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (". -f ../../etc/passwd", "/etc/passwd lies outside of /workspace"),
        ("/etc", "/etc lies outside of /workspace"),
        ("git://example.com/x.git", "https"),
    ],
)
def test_a_context_that_may_not_be_used(world: World, text: str, words: str) -> None:
    world.run_task(f"steps:\n - build: -t a:1 {text}\n")
    assert words in world.text
    assert world.engine.containers.built == []
    assert world.report.outcome is Outcome.FAILED


def test_a_deployment_has_its_own_image_aliases(world: World) -> None:
    world.grant["image_aliases"] = {"az": "mirror.example/az:9"}
    world.run_task("version: v1.1.0\nsteps:\n - cmd: az version\n - cmd: bash -c true\n")
    commands = [one.command for one in world.engine.containers.ran]
    assert commands[0] == "mirror.example/az:9 version"
    assert commands[1].startswith("mcr.microsoft.com/acr/bash:")
