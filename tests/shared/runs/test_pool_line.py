"""Who of a pool's line is served, as a pure function."""

from datetime import UTC, datetime

import pytest

from shared.container_groups.group import Group
from shared.grant import Platform
from shared.runs.pool_line import platform_of, share
from shared.runs.store import Active
from shared.settings import BuilderKind
from shared.storage import Row


def group(name: str, *platforms: str, seen: float = 1.0, served: int = 0, run: str = "") -> Group:
    return Group(
        registry="r", name=name, run_id=run, created=datetime(2026, 1, 2, tzinfo=UTC), is_warm=True, seen=seen,
        agent_pool="p", kind=BuilderKind.FULL, row=Row("r", name, {}), seat=-1 if platforms else 0, served=served,
        machine="m" if platforms else "", platforms=platforms,
    )  # fmt: skip


def run(name: str, platform: str = "linux/amd64", *, untrusted: bool = False) -> Active:
    return Active("r", name, name, "p", platform=platform, is_untrusted=untrusted)


def served(line: list[Active], groups: list[Group], seats: int = 0) -> list[str]:
    shared = share(line, groups, seats)
    return sorted(active.run_id for active in (*shared.given, *shared.seated))


def test_a_run_takes_a_builder_that_waits_or_a_free_seat() -> None:
    line = [run("1"), run("2"), run("3")]
    assert served(line, [group("a"), group("b", run="other")], 1) == ["1", "2"]
    assert served(line, [group("a", seen=0.0)]) == ["1"]
    assert served(line, []) == []


def test_a_run_that_no_builder_can_execute_holds_up_nobody() -> None:
    line = [run("1"), run("2"), run("3", "linux/arm64"), run("4", "linux/arm64/v8")]
    assert served(line, [group("m", "linux/arm64", "linux/arm")]) == ["3"]
    assert served(line, [group("m", "linux/arm64"), group("n", "linux/arm64")]) == ["3", "4"]


def test_a_machine_goes_before_a_group_that_emulates() -> None:
    line = [run("1", "linux/arm64"), run("2")]
    assert served(line, [group("a"), group("m", "linux/arm64")]) == ["1", "2"]


def test_a_run_of_windows_takes_no_seat_and_no_group() -> None:
    assert served([run("1", "windows/amd64")], [group("a")], 3) == []
    assert served([run("1", "windows/amd64")], [group("w", "windows/amd64")]) == ["1"]


def test_a_stranger_gets_an_unused_builder() -> None:
    line = [run("1", untrusted=True), run("2")]
    shared = share(line, [group("used", served=1), group("new")], 0)
    assert [one.run_id for one in shared.given] == ["1", "2"]
    assert shared.given_up == ()


def test_for_a_stranger_a_used_builder_is_given_up() -> None:
    line = [run("1", untrusted=True), run("2")]
    shared = share(line, [group("used", served=1)], 0)
    assert ([one.run_id for one in shared.seated], [one.name for one in shared.given_up]) == (["1"], ["used"])
    machine = share(line, [group("used", "linux/amd64", served=1)], 0)
    assert ([one.run_id for one in machine.seated], [one.name for one in machine.given_up]) == ([], ["used"])


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "windows/amd64"])
def test_a_platform_is_read_back(text: str) -> None:
    assert str(platform_of(run("1", text))) == text


def test_a_row_without_a_platform_is_of_the_usual_one() -> None:
    assert platform_of(run("1", "")) == Platform()
