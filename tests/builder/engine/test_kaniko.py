"""What the confined engine hands to kaniko and to the registry, against an executor that records what it is given."""

import asyncio
import hashlib
import json
import stat
from pathlib import Path

import pytest

from builder.engine import kaniko
from builder.engine.executor import NEEDED, Executor
from builder.engine.kaniko import arguments, mounts
from builder.engine.protocol import Annotations, ImageBuild
from builder.faults import EngineUnavailable, NeedsFull, StepFailed
from shared.grant import NamedValue, Platform, RegistryLogin
from tests.builder.engine.kaniko_bench import RECORDING, Bench


def test_a_build_leaves_an_image_that_is_pushed_from_there(bench: Bench) -> None:
    digest = bench.build()

    assert bench.push() == digest
    media_type, body = bench.registry.manifests["v1"]
    assert digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert media_type == "application/vnd.docker.distribution.manifest.v2+json"
    named = json.loads(body)
    assert set(bench.registry.blobs) == {named["config"]["digest"], *(layer["digest"] for layer in named["layers"])}
    assert bench.registry.tokens - {""} == {"Bearer push.token"}
    assert f"v1: digest: {digest}" in bench.output.decode()
    assert bench.output.count(b": Pushed") == 3


def test_what_the_registry_has_is_not_sent_again(bench: Bench) -> None:
    bench.build()
    bench.push()
    bench.registry.asked.clear()
    bench.push()
    assert "POST" not in bench.registry.asked
    assert bench.output.count(b": Layer already exists") == 3


def test_kaniko_never_gets_what_it_would_need_to_publish(bench: Bench) -> None:
    bench.build(logins=(RegistryLogin(registry="reg.example", token="pull"),))
    record = bench.record
    assert "--no-push" in record["argv"]
    assert not [word for word in record["argv"] if "destination" in word]
    assert record["logins"] == ["reg.example"]
    assert not list(bench.private.glob("build-*/config"))


def test_the_text_and_rules_that_were_read_are_what_kaniko_reads(bench: Bench) -> None:
    (bench.context / "Dockerfile").write_text("FROM other\n")
    bench.build("FROM scratch\n", ignore="*.md\n", target=None)
    assert (bench.record["dockerfile"], bench.record["ignore"]) == ("FROM scratch\n", "*.md\n")
    assert bench.record["cwd"] == "/"


def test_what_an_earlier_build_has_left_is_gone_but_for_the_caches_of_its_runs(bench: Bench) -> None:
    bench.build()
    home = bench.home
    (home / "Dockerfile.dockerignore").write_text("*\n")
    for left in ("0/usr", "reg.example:5000/base", "caches/ab"):
        (home / left).mkdir(parents=True)
    bench.build()
    assert bench.record["ignore"] is None
    assert {entry.name for entry in home.iterdir()} == {"executor", "caches", "Dockerfile"}
    asyncio.run(bench.engine.stop())
    assert {entry.name for entry in home.iterdir()} == {"executor"}


def test_the_root_is_wiped_before_the_build_that_follows_a_failed_one(bench: Bench) -> None:
    with pytest.raises(StepFailed):
        bench.build("FROM scratch\n# exit 37\n")
    bench.build()
    bench.build()
    texts = [(call["dockerfile"], "--cleanup" in call["argv"]) for call in bench.calls]
    plain = "FROM scratch\nCOPY . /\n"
    empty = "FROM scratch\nLABEL a=a\n"
    assert texts == [("FROM scratch\n# exit 37\n", True), (empty, True), (plain, True), (plain, True)]


@pytest.mark.parametrize("release", ["v1.24.0", "v1.27.2", "v1.28.0", "v1.28.4"])
def test_each_release_gets_flags_that_it_knows(bench: Bench, release: str) -> None:
    (bench.home / "release").write_text(release)
    secret = NamedValue(name="S", value="s3cret", is_secret=True)
    bench.build("FROM scratch\nARG S\n", arguments=(secret,), annotations=Annotations({"a": "b"}))
    argv = bench.record["argv"]
    assert ("--annotation=a=b" in argv) is ("--image-format=oci" in argv) is (release == "v1.28.4")
    assert ("--secret=id=S,env=S" in argv) is ("--credential-helpers=" in argv) is (release != "v1.24.0")
    assert bench.record["arguments"] == {"S": "s3cret"}


def test_a_program_that_is_not_kaniko_starts_no_build(bench: Bench) -> None:
    (bench.home / "executor").write_text("#!/bin/sh\necho '      --context string'\n")
    with pytest.raises(EngineUnavailable, match="it has no --build-arg"):
        bench.build()


def test_what_is_mounted_is_read_of_the_kernel_s_table(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("1 2 0:3 / / rw - ext4 none rw\n4 2 0:5 / /var/run/secrets rw - tmpfs tmpfs rw\n")
    assert mounts(table) == ("/var/run/secrets",)


@pytest.mark.parametrize(
    ("point", "ignored"), [("/var/run", "true"), ("/var/run/a", "true"), ("/var/running", "false")]
)
def test_what_is_mounted_in_var_run_keeps_kaniko_out_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: str, ignored: str
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"4 2 0:5 / {point} rw - tmpfs tmpfs rw\n")
    monkeypatch.setattr(kaniko, "_MOUNTS", table)
    bench.build()
    assert f"--ignore-var-run={ignored}" in bench.record["argv"]
    with pytest.raises(NeedsFull, match=f"line 2: COPY writes to {point}/x, of which"):
        bench.build(f"FROM scratch\nCOPY hello {point}/x\n")


def test_secret_arguments_are_handed_over_in_the_environment(bench: Bench) -> None:
    given = (NamedValue(name="A", value="1"), NamedValue(name="S", value="s3cret", is_secret=True))
    bench.build("FROM scratch AS a\nARG A\nARG S\n", arguments=given, target="a")
    assert bench.record["arguments"] == {"A": "1", "S": "s3cret"}
    assert "s3cret" not in json.dumps(bench.record["argv"])
    assert "--target=a" in bench.record["argv"]
    assert "--secret=id=S,env=S" in bench.record["argv"]


@pytest.mark.parametrize("name", ["PATH", "KANIKO_DIR", "FF_KANIKO_X", "HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE"])
def test_a_secret_argument_that_kaniko_reads_itself_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(StepFailed, match=name):
        bench.build(arguments=(NamedValue(name=name, value="x", is_secret=True),))


def test_the_builder_s_own_environment_stays_where_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_ANYTHING", "x")
    bench.build()
    assert "SLIPWAY_ANYTHING" not in bench.record["environment"]
    assert "KANIKO_DIR" not in bench.record["environment"]


def test_annotations_need_a_manifest_that_can_hold_them(bench: Bench) -> None:
    bench.build(annotations=Annotations({"org.example.a": "b=c"}))
    assert {"--annotation=org.example.a=b=c", "--image-format=oci"} <= set(bench.record["argv"])


def test_a_failing_run_tells_its_status_and_its_last_words(bench: Bench) -> None:
    with pytest.raises(StepFailed, match=r"^exit status 37: error building image: .* failed to execute command"):
        bench.build("FROM scratch\n# exit 37\n")


def test_an_image_that_is_not_whole_fails_the_build(bench: Bench, tmp_path: Path) -> None:
    executor = tmp_path / "kaniko" / "executor"
    executor.write_text(executor.read_text().replace('"size": len(content)', '"size": len(content) + 1'))
    with pytest.raises(StepFailed, match="the image that was built"):
        bench.build()


def test_an_executor_that_leaves_nothing_behind_fails_the_build(bench: Bench, tmp_path: Path) -> None:
    executor = tmp_path / "kaniko" / "executor"
    executor.write_text(executor.read_text().replace('"""Play kaniko once."""', "given = sys.argv", 1))
    program = executor.read_text().replace("    given = read_flags(sys.argv[1:])\n", "    return\n")
    executor.write_text(program)
    with pytest.raises(StepFailed, match="cannot be read"):
        bench.build()


def test_what_kaniko_would_leave_out_is_refused_before_it_starts(bench: Bench) -> None:
    with pytest.raises(NeedsFull, match="line 2: RUN asks for --network=none"):
        bench.build("FROM scratch\nRUN --network=none true\n")
    assert not (bench.private / "record.json").exists()


def test_canceling_ends_kaniko_and_what_it_started(bench: Bench) -> None:
    async def cancel() -> None:
        running = asyncio.create_task(bench.engine.build(bench.request("FROM scratch\n# hang\n"), bench.output.extend))
        child = bench.private / "child"
        async with asyncio.timeout(20):
            while not (child.exists() and child.read_text()):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with asyncio.timeout(10):
            while _lives(int(child.read_text())):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.01)

    asyncio.run(cancel())


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_refused_push_fails_with_the_registry_s_reason(bench: Bench) -> None:
    bench.build()
    bench.registry.refuse = 403
    with pytest.raises(StepFailed, match="the login does not allow it"):
        bench.push()
    assert not bench.registry.manifests


def test_an_image_that_was_not_built_here_is_not_pushed(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="does not exist locally"):
        bench.push()


def test_without_the_executor_no_build_starts(tmp_path: Path) -> None:
    nowhere = Bench(tmp_path, tmp_path / "none")
    with pytest.raises(EngineUnavailable, match="no program"):
        nowhere.build()


def test_emulation_is_named_as_what_is_missing(bench: Bench) -> None:
    assert asyncio.run(bench.engine.emulate(Platform(architecture="386"))) is None
    assert "linux/s390x" in str(asyncio.run(bench.engine.emulate(Platform(architecture="s390x"))))


def test_the_command_line_is_one_that_the_record_can_be_held_against() -> None:
    build = ImageBuild(
        context=Path("/kaniko/w"), dockerfile="", platforms=(Platform(architecture="arm", variant="v7"),)
    )
    argv = arguments(Path("/kaniko/executor"), build, Path("/kaniko/p"), Executor("", NEEDED))
    assert argv[:3] == ["/kaniko/executor", "--context=dir:///kaniko/w", "--dockerfile=/kaniko/p/Dockerfile"]
    assert "--custom-platform=linux/arm/v7" in argv
    assert not [word for word in argv if word.startswith("--kaniko-dir")], "kaniko would move /kaniko, and us with it"


def test_the_recording_executor_is_a_program() -> None:
    assert RECORDING.stat().st_mode & stat.S_IXUSR
