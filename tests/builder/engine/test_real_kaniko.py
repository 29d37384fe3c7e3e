"""The confined engine with kaniko itself, in a root of its own under Azure's profile A, and a registry with logins.

`KANIKO_EXECUTOR=<its program> pytest tests/builder/engine/test_real_kaniko.py`, as root: where namespaces may be
made the profile is made here, and in a container that has no more than the profile these tests run as well.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from builder.engine import kaniko
from builder.engine.executor import Executor
from builder.engine.kaniko import EXECUTOR_SETTING
from builder.engine.protocol import Annotations
from builder.faults import StepFailed
from shared.grant import NamedValue, RegistryLogin
from shared.images.references import Reference
from tests.builder.engine import confining
from tests.builder.engine.kaniko_bench import TAG, Bench
from tests.builder.engine.little_registry import TOKEN, Registry, busybox, contents, serving

CHECKOUT = Path(__file__).resolve().parents[3]
EXECUTOR = os.environ.get(EXECUTOR_SETTING, "")
pytestmark = [
    pytest.mark.skipif(not EXECUTOR, reason=f"{EXECUTOR_SETTING} names no executor: kaniko comes as a container image"),
    pytest.mark.skipif(os.geteuid() != 0, reason="kaniko unpacks images with their owners, which only root can"),
]


@dataclass
class Image:
    """What was pushed: configuration, the digests of its layers, and its files by path."""

    config: dict[str, Any]
    manifest: dict[str, Any]
    files: dict[str, tuple[Any, bytes]]

    def text(self, path: str) -> str:
        assert path in self.files, f"{path} is not in the image, which has {sorted(self.files)}"
        return self.files[path][1].decode()

    @property
    def everything(self) -> str:
        return json.dumps([self.config, self.manifest]) + "".join(
            f"{path} {content!r}" for path, (_, content) in self.files.items()
        )


class Real(Bench):
    """A bench whose executor is kaniko, with the base that the registry serves."""

    def __init__(self, root: Path, registry: Registry) -> None:
        self.root = root
        super().__init__(root / "kaniko" / "slipway", confining.make(root, Path(EXECUTOR), registry.program, CHECKOUT))
        self.base = registry.base
        self.login = RegistryLogin(registry=registry.address, token=TOKEN)
        # What lies there outlives the wiping of the root, as the agent does.
        (root / "kaniko" / "agent").mkdir(exist_ok=True)
        (root / "kaniko" / "agent" / "spared").write_text("spared")

    def make(self, text: str, **fields: Any) -> Image:
        """Build on the base, push, and return what the registry then has."""
        try:
            digest = self.build(text.replace("BASE", self.base), **{"logins": (self.login,), **fields})
        except StepFailed as fault:
            pytest.fail(f"{fault.message}\n{self.said}")
        assert self.push() == digest
        manifest = json.loads(self.registry.manifests[TAG.tag or ""][1])
        blobs = self.registry.blobs
        layers = [blobs[layer["digest"]] for layer in manifest["layers"]]
        return Image(json.loads(blobs[manifest["config"]["digest"]]), manifest, contents(layers))

    @property
    def kaniko(self) -> Executor:
        """What the executor has told of itself."""
        asyncio.run(self.engine.start())
        assert self.engine._found is not None
        return self.engine._found.executor

    @property
    def said(self) -> str:
        return self.output.decode(errors="replace")

    @property
    def left(self) -> set[str]:
        """What lies in the root besides what is mounted there, and kaniko."""
        return {
            str(path.relative_to(self.root))
            for top in self.root.iterdir()
            if top.name not in {"dev", "proc", "kaniko"}
            for path in (top, *top.rglob("*"))
            if not path.is_dir() and path.name not in confining.NAMES
        }


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(busybox(tmp_path_factory.mktemp("busybox"))) as found:
        yield found


@pytest.fixture
def real(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    table = tmp_path / "mountinfo"
    table.write_text("".join(f"4 2 0:5 / {place} rw - tmpfs tmpfs rw\n" for place in ("/proc", "/dev")))
    monkeypatch.setattr(kaniko, "_MOUNTS", table)
    yield Real(tmp_path / "root", registry)
    shutil.rmtree(tmp_path / "root")


def test_a_run_makes_a_layer_over_those_of_the_base(real: Real, registry: Registry) -> None:
    registry.asked.clear()
    image = real.make("FROM BASE\nRUN echo made >/made && rm -r /root\n")
    assert image.text("/made") == "made\n"
    assert "/root" not in image.files
    assert "/etc/old" not in image.files, "what a layer of the base takes away stays away"
    assert image.files["/var/run"][0].linkname == "/run"
    assert image.text("/etc/hosts") == "of the base\n"
    assert len(image.manifest["layers"]) == 3
    assert (image.config["os"], image.config["architecture"]) == ("linux", "amd64")
    assert image.config["config"]["Cmd"] == ["/bin/sh"]
    assert ("/v2/", True) in registry.asked or any(known for _, known in registry.asked), "the login was shown"
    assert TOKEN not in real.said


def test_files_go_from_stage_to_stage_and_arguments_into_both(real: Real) -> None:
    image = real.make(
        "ARG WHICH=none\nFROM BASE AS made\nARG WHICH\nRUN echo $WHICH >/which\n"
        "FROM BASE\nARG WHICH\nENV SAID=$WHICH\nWORKDIR /place\nCOPY --from=made /which .\nRUN echo $SAID >said\n"
        "RUN mkdir mine && chmod 777 mine\nWORKDIR mine\nUSER somebody\nRUN id -u >user && echo $HOME >home\n",
        arguments=(NamedValue(name="WHICH", value="this"),),
    )
    assert (image.text("/place/which"), image.text("/place/said")) == ("this\n", "this\n")
    assert (image.text("/place/mine/user"), image.text("/place/mine/home")) == ("1000\n", "/home/somebody\n")
    assert "/which" not in image.files
    settings = image.config["config"]
    assert (settings["WorkingDir"], settings["User"]) == ("/place/mine", "somebody")
    assert {"SAID=this", "OF=base"} <= set(settings["Env"])


def test_a_target_ends_the_build(real: Real) -> None:
    image = real.make("FROM scratch AS a\nCOPY hello /a\nFROM scratch\nCOPY hello /b\n", target="a")
    assert set(image.files) == {"/a"}


def test_the_rules_that_were_read_keep_files_out(real: Real) -> None:
    (real.context / "secret.md").write_text("no")
    (real.context / "Dockerfile").write_text("FROM nowhere\n")
    image = real.make("FROM scratch\nCOPY . /\n", ignore="*.md\n")
    assert image.text("/hello") == "hello\n"
    assert "/secret.md" not in image.files
    assert "/secret.md" in real.make("FROM scratch\nCOPY . /\n").files, "rules are of one build alone"


def test_a_secret_argument_is_known_to_a_run_and_to_nothing_else(real: Real) -> None:
    secret = NamedValue(name="S", value="s3cret-value", is_secret=True)
    text = "FROM BASE\nARG S\nRUN test ${#S} = 12 && echo yes >/known\n"
    if "secret" in real.kaniko.mounts:
        text += "RUN --mount=type=secret,id=S read x </run/secrets/S; test ${#x} = 12 && echo yes >/mounted\n"
    image = real.make(text, arguments=(secret,))
    assert image.text("/known") == "yes\n"
    assert ("/mounted" in image.files) is ("secret" in real.kaniko.mounts)
    assert "s3cret-value" not in image.everything
    assert "s3cret-value" not in real.said


def test_annotations_are_on_the_manifest_where_the_release_can(real: Real) -> None:
    image = real.make("FROM BASE\nRUN touch /a\n", annotations=Annotations({"org.example.a": "b=c"}))
    can = {"annotation", "image-format"} <= real.kaniko.flags
    assert image.manifest.get("annotations") == ({"org.example.a": "b=c"} if can else None)


def test_a_heredoc_is_run(real: Real) -> None:
    if not real.kaniko.is_successor:
        pytest.skip(f"{real.kaniko} knows no heredocs, and a build with one is refused")
    assert real.make("FROM BASE\nRUN <<EOF\necho one >/one\necho two >>/one\nEOF\n").text("/one") == "one\ntwo\n"


def test_a_failing_run_tells_its_status_and_leaves_nothing_to_the_next_build(real: Real) -> None:
    with pytest.raises(StepFailed, match=r"^exit status 37: error building image: .*exit status 37"):
        real.build(f"FROM {real.base}\nRUN echo words of it; touch /left; exit 37\n", logins=(real.login,))
    assert "words of it" in real.said
    image = real.make("FROM BASE\nRUN test ! -e /left && touch /right\n")
    assert "/right" in image.files
    assert "/left" not in image.files


def test_builds_follow_each_other_in_one_container(real: Real) -> None:
    first = real.make("FROM BASE AS a\nRUN touch /a\nFROM scratch\nCOPY --from=a /a /a\n")
    assert set(first.files) == {"/a"}
    assert real.left == set(), "the root is wiped"
    second = real.make("FROM BASE AS a\nRUN touch /b\nFROM scratch\nCOPY --from=a /b /b\n")
    assert set(second.files) == {"/b"}
    assert (real.home / "agent" / "spared").read_text() == "spared"
    assert (real.context / "hello").read_text() == "hello\n"


def test_a_build_stands_on_an_image_that_was_built_before_it(real: Real) -> None:
    real.make("FROM BASE\nRUN echo first >/first\n")
    image = real.make(f"FROM {TAG}\nRUN cat /first >/second\n")
    assert image.text("/second") == "first\n"


def test_what_runs_has_no_more_than_the_profile(real: Real) -> None:
    if not confining.may_make_namespaces():
        pytest.skip("there is no /proc to ask: this container is confined itself")
    image = real.make(
        "FROM BASE\nRUN grep -e CapEff -e Seccomp: -e NoNewPrivs /proc/self/status >/status && ls /dev >/devices\n"
    )
    status = dict(line.split(":\t") for line in image.text("/status").splitlines())
    assert status == {"CapEff": "00000000a80425fb", "NoNewPrivs": "0", "Seccomp": "2"}
    assert "fuse" not in image.text("/devices")


def test_a_build_that_is_canceled_ends_with_all_that_it_started(real: Real) -> None:
    async def cancel() -> None:
        text = f"FROM {real.base}\nRUN echo 'it is' up; touch /left; sleep 1000\n"
        build = replace(real.request(text), logins=(real.login,))
        running = asyncio.create_task(real.engine.build(build, real.output.extend))
        async with asyncio.timeout(60):
            while "\nit is up" not in f"\n{real.said}":
                assert not running.done(), f"{running.exception()}\n{real.said}"
                await asyncio.sleep(0.02)
        assert sleepers(real.root)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with asyncio.timeout(10):
            while sleepers(real.root):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.02)

    asyncio.run(cancel())
    assert "/left" not in real.make("FROM BASE\nRUN touch /right\n").files


def sleepers(root: Path) -> list[str]:
    """Return the processes of a root that is not ours."""
    return [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and entry.joinpath("root").is_symlink() and same(entry / "root", root)
    ]


def same(link: Path, root: Path) -> bool:
    try:
        return link.samefile(root)
    except OSError:
        return False


def test_layers_that_were_kept_are_taken_by_a_later_build(real: Real, tmp_path: Path, registry: Registry) -> None:
    if not real.kaniko.is_recent:
        pytest.skip(f"{real.kaniko} has keys that do not stand for all that they should")
    cache = Reference.parse("reg.example/app:cache-1")
    text = "FROM BASE\nCOPY hello /hello\nRUN echo made >/made\n"
    first = real.make(text, keeps=True)
    build = real.request(text, keeps=True)
    asyncio.run(real.engine.save_cache(build, cache, (RegistryLogin(registry="reg.example", token="cache"),)))
    later = Real(tmp_path / "later", registry)
    later.registry = real.registry
    login = RegistryLogin(registry="reg.example", token="cache")
    second = later.make(text, cache=cache, keeps=True, logins=(later.login, login))
    assert later.said.count("Using caching version of cmd") == 2, later.said
    assert second.manifest["layers"] == first.manifest["layers"], "a layer made again would tell another time"
    (later.context / "hello").write_text("other")
    third = later.make(text, cache=cache, logins=(later.login, login))
    assert third.text("/hello") == "other"


def test_a_base_without_its_login_is_not_had(real: Real) -> None:
    with pytest.raises(StepFailed, match="exit status 1"):
        real.build(f"FROM {real.base}\nRUN true\n")


def test_a_root_is_left_as_it_was_found(real: Real) -> None:
    real.make("FROM BASE\nRUN touch /a\n")
    asyncio.run(real.engine.stop())
    kept = {entry.name for entry in real.home.iterdir()}
    beside = (
        {entry.name for entry in Path(EXECUTOR).parent.iterdir()} if Path(EXECUTOR).parent.name == "kaniko" else set()
    )
    names = {f"{name}.name" for name in confining.NAMES} if confining.may_make_namespaces() else set()
    assert kept - beside - names == {"executor", "real", "busybox", "slipway", "agent"} - beside
