"""What a step's container is told, run here by the machine's own busybox, and what the agent makes of its files."""

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from builder.engine.beside import BesideContainers, arguments_of, script_of
from builder.engine.protocol import Beside, Container, ImageBuild, TextBuild, Workspace, Write
from builder.faults import StepFailed
from builder.oci.layout import Layout, read_layout
from devstack.seeds import oci_layout
from devstack.seeds.oci_layout import ImageConfig
from shared.grant import NamedValue, RegistryLogin
from shared.images.references import Reference

PLAIN = Beside("a", ("/entry",), ("its", "own"))


def container(command: str, **fields: object) -> Container:
    return replace(Container(name="a", command=command), **fields)  # type: ignore[arg-type] # the test's own fields


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("bash echo hi", " echo hi"),
        ("  bash", ""),
        ("reg.example/x:1@sha256:aa a > b", " a > b"),
        ("-e A=1 bash x", None),
        ("--rm bash", None),
        ("'bash' x", None),
        ("", None),
    ],
)
def test_the_words_behind_the_image(text: str, rest: str | None) -> None:
    assert arguments_of(text) == rest


def run_script(tmp_path: Path, given: Container, beside: Beside) -> str:
    (tmp_path / "place").mkdir()
    script = script_of(given, beside, str(tmp_path / "place"))
    script = script.replace("/slipway/busybox ", "").replace("/acb/home", "/h")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + f"[{done.returncode}]"


ECHO = Beside("a", ("printf", "%s.\\n"), ("usual", "words"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (container("img"), "usual.\nwords.\n[0]"),
        (container("img a 'b c'"), "a.\nb c.\n[0]"),
        (container("img x y", entry_point="echo"), "x y\n[0]"),
    ],
)
def test_entry_point_and_words_are_the_images_unless_the_step_says_others(
    tmp_path: Path, given: Container, said: str
) -> None:
    assert run_script(tmp_path, given, ECHO) == said


def test_the_text_stays_shell_text_and_the_environment_counts(tmp_path: Path) -> None:
    given = container("img $A && exit 3 | cat", environment=("A=one",), directory=str(tmp_path / "deep" / "er"))
    assert run_script(tmp_path, given, Beside("a", ("echo",))) == "one\n[0]"
    assert (tmp_path / "deep" / "er").is_dir()


def test_a_program_that_the_image_lacks_is_told_by_status_127(tmp_path: Path) -> None:
    assert run_script(tmp_path, container("img no-such-program"), Beside("a")).endswith("[127]")


class Recorder:
    """Remembers what it was to build."""

    def __init__(self) -> None:
        self.asked: list[ImageBuild] = []
        self.made: dict[Reference, Layout] = {}

    async def build(self, build: ImageBuild, write: Write) -> str:
        self.asked.append(build)
        write(b"built\n")
        return "sha256:" + "a" * 64

    def image(self, name: Reference) -> Layout | None:
        return self.made.get(name)


class Group:
    """The agent's side of a group."""

    def __init__(self, root: Path) -> None:
        self.shared, self.root = root / "shared", root / "workspace"
        self.builder = Recorder()
        for directory in (self.shared, self.root):
            directory.mkdir()
        self.containers = BesideContainers(self.shared, self.builder)
        self.output = bytearray()

    def workspace(self, *beside: Beside) -> Workspace:
        return Workspace(self.root, "v", self.shared.parent / "home", beside=beside)

    async def play(self, index: int, attempt: int, status: int, *pieces: bytes) -> str:
        """Do what a step's container does: wait for the word, write, end. Returns the script."""
        place = self.shared / "steps" / str(index) / str(attempt)
        while not (place / "go").exists():  # noqa: ASYNC110 - as a step's container does
            await asyncio.sleep(0.005)
        (place / "pid").write_text("12345\n")
        for piece in pieces:
            with (place / "output").open("ab") as output:
                output.write(piece)
            await asyncio.sleep(0.06)
        (place / "exit").write_text(f"{status}\n")
        return (place / "script").read_text()


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


def test_each_attempt_is_told_anew_and_its_output_comes_as_it_is_written(group: Group) -> None:
    async def work() -> list[int]:
        await group.containers.open(group.workspace(Beside("a"), Beside("b")))
        statuses = []
        async with asyncio.timeout(20):
            for name, index, attempt, status in (("a", 0, 1, 3), ("a", 0, 2, 0), ("b", 1, 1, 0)):
                played = asyncio.create_task(group.play(index, attempt, status, b"one\n", b"two\n"))
                given = replace(container(f"img attempt {attempt}"), name=name)
                statuses.append(await group.containers.run(given, group.output.extend))
                assert f"step  attempt {attempt}" in await played
        return statuses

    assert asyncio.run(work()) == [3, 0, 0]
    assert group.output == b"one\ntwo\n" * 3
    assert (group.shared / "hosts").read_text() == "127.0.0.1 a b\n"


def test_a_canceled_step_is_to_be_ended_and_a_detached_one_when_it_is_removed(group: Group) -> None:
    places = [group.shared / "steps" / str(index) / "1" for index in (0, 1)]

    async def work() -> None:
        await group.containers.open(group.workspace(Beside("a"), Beside("b")))
        async with asyncio.timeout(20):
            detached = replace(container("img"), name="b", detach=True)
            played = asyncio.create_task(group.play(1, 1, 0))
            assert await group.containers.run(detached, group.output.extend) == 0
            running = asyncio.create_task(group.containers.run(container("img"), group.output.extend))
            while not (places[0] / "go").exists():  # noqa: ASYNC110 - as a step's container does
                await asyncio.sleep(0.005)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert [(place / "kill").exists() for place in places] == [True, False]
            await played
            await group.containers.close()

    asyncio.run(work())
    assert (places[1] / "kill").exists()
    assert all((place.parent / "end").exists() for place in places)


def test_no_link_of_a_step_leads_to_files_of_ours(group: Group, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")

    async def work() -> int:
        await group.containers.open(group.workspace(Beside("a")))
        running = asyncio.create_task(group.containers.run(container("img x"), group.output.extend))
        place = group.shared / "steps" / "0" / "1"
        async with asyncio.timeout(10):
            while not (place / "go").exists():  # noqa: ASYNC110 - as a step's container does
                await asyncio.sleep(0.01)
            (place / "output").symlink_to(tmp_path / "secret")
            (place / "exit").write_text("0\n")
            return await running

    with pytest.raises(StepFailed):
        asyncio.run(work())
    assert b"hunter2" not in group.output


@pytest.mark.parametrize(
    ("told", "status"), [(b" " * 20 + b"7\n", 7), (b"9" * 5000, 999_999_999), (b"-1", 125), (b"", 125), (b"\xb2", 125)]
)
def test_an_end_that_a_step_writes_itself_is_an_end(group: Group, told: bytes, status: int) -> None:
    async def work() -> int:
        await group.containers.open(group.workspace(Beside("a")))
        running = asyncio.create_task(group.containers.run(container("img x"), group.output.extend))
        place = group.shared / "steps" / "0" / "1"
        async with asyncio.timeout(10):
            while not (place / "go").exists():  # noqa: ASYNC110 - as a step's container does
                await asyncio.sleep(0.01)
            (place / "exit.new").write_bytes(told)
            (place / "exit.new").rename(place / "exit")
            return await running

    assert asyncio.run(work()) == status


def test_a_step_cannot_take_the_place_of_an_attempt(group: Group) -> None:
    async def work() -> None:
        await group.containers.open(group.workspace(Beside("a")))
        (group.shared / "steps" / "0" / "1").mkdir(parents=True)
        await group.containers.run(container("img x"), group.output.extend)

    with pytest.raises(StepFailed, match="taken the place"):
        asyncio.run(work())


def test_a_build_step_becomes_a_build_of_the_engine(group: Group) -> None:
    login = RegistryLogin(registry="reg.example", token="t")
    text = "-t reg.example/app:1 --build-arg A=1 --build-arg B --target last --no-cache sub"
    build = TextBuild(
        text=text, directory="/workspace/in", dockerfile="FROM scratch\n", environment=("B=2",), logins=(login,)
    )

    async def work() -> int:
        await group.containers.open(group.workspace())
        return await group.containers.build(build, group.output.extend)

    assert asyncio.run(work()) == 0
    (asked,) = group.builder.asked
    assert asked.context == group.root / "in" / "sub"
    assert asked.tags == (Reference.parse("reg.example/app:1"),)
    assert asked.arguments == (NamedValue(name="A", value="1"), NamedValue(name="B", value="2"))
    assert (asked.target, asked.no_cache, asked.logins) == ("last", True, (login,))


APP = Reference.parse("app:1")


def test_a_step_gets_the_image_that_was_built_for_it(group: Group, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_text("x" * 1000)
    oci_layout.write(tmp_path / "root", ImageConfig(("usual", "words")), tmp_path / "layout")
    group.builder.made[APP] = read_layout(tmp_path / "layout")
    given = replace(container("app:1"), environment=("A=1",))

    async def work() -> list[str]:
        await group.containers.open(group.workspace(Beside("a", takes=APP)))
        scripts = []
        async with asyncio.timeout(20):
            for attempt in (1, 2):
                played = asyncio.create_task(group.play(0, attempt, 0))
                assert await group.containers.run(given, group.output.extend) == 0
                scripts.append(await played)
        return scripts

    first, second = asyncio.run(work())
    (handed,) = (group.shared / "images").iterdir()
    assert read_layout(handed).manifest == read_layout(tmp_path / "layout").manifest
    place = "/slipway/steps/0/1"
    assert first == (
        f"echo $$ >{place}/pid\nexec /kaniko/bin/python3 -m builder.rootfs /slipway/images/{handed.name} {place}/body\n"
    )
    assert second == first.replace(place, "/slipway/steps/0/2")
    body = (group.shared / "steps" / "0" / "1" / "body").read_text()
    assert "set -- usual words" in body
    assert "export A=1" in body
    assert "pid" not in body, "it may run as somebody who cannot write there"


def test_an_image_that_was_not_built_after_all(group: Group) -> None:
    async def work() -> None:
        await group.containers.open(group.workspace(Beside("a", takes=APP)))
        await group.containers.run(container("app:1"), group.output.extend)

    with pytest.raises(StepFailed, match=r"no step has built the image docker.io/library/app:1"):
        asyncio.run(work())


def test_a_step_cannot_give_another_one_its_image(group: Group, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    digest = oci_layout.write(tmp_path / "root", ImageConfig(("x",)), tmp_path / "layout")
    group.builder.made[APP] = read_layout(tmp_path / "layout")

    async def work() -> None:
        await group.containers.open(group.workspace(Beside("a", takes=APP)))
        place = group.shared / "images" / digest.replace(":", "-")
        place.mkdir(parents=True)
        (place / "index.json").write_text("{}")
        await group.containers.run(container("app:1"), group.output.extend)

    with pytest.raises(StepFailed, match="cannot be handed to the step"):
        asyncio.run(work())


def test_a_build_outside_of_the_workspace_is_refused(group: Group) -> None:
    async def work() -> None:
        await group.containers.open(group.workspace())
        build = TextBuild(text="../..", directory="/workspace", dockerfile="FROM scratch\n")
        await group.containers.build(build, group.output.extend)

    with pytest.raises(StepFailed, match="outside"):
        asyncio.run(work())


def test_the_program_of_steps_is_readable_by_any_shell() -> None:
    program = Path(__file__).parents[3] / "builder" / "image" / "step.sh"
    assert subprocess.run(["sh", "-n", str(program)], check=False).returncode == 0
    assert os.access(program, os.R_OK)
