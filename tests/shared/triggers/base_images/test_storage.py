"""The same on real tables: layered graphs, fan-outs that are repeated, paged and cut short."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.grant import Platform
from shared.triggers.base_images import looking
from shared.triggers.base_images.looking import fan_out, look
from shared.triggers.base_images.model import Dependent, Kind, TaskKey
from tests.shared.triggers.base_images.conftest import REGISTRY, Task, tag

if TYPE_CHECKING:
    from tests.shared.triggers.base_images.conftest import Yard

pytestmark = pytest.mark.slow


def dependents(yard: "Yard", number: int) -> None:
    """Let many tasks stand on one base image."""
    digest = yard.registry.push("base", "D1")
    yard.put(Task("first", ("base",)))
    yard.first_run("first")
    found = [
        Dependent(
            base=tag("base").key, task=TaskKey(REGISTRY, f"task{place:05d}"), kind=Kind.RUNTIME,
            platforms=(Platform(),),
            digest=digest, image=digest, generation=0, run="c0",
        )
        for place in range(number)
    ]  # fmt: skip
    for start in range(0, number, 100):
        yard.watch.dependencies.add_many(tag("base").key, found[start : start + 100])


def test_a_layered_graph_of_twenty_costs_twenty_builds_on_real_tables(real_yard: "Yard") -> None:
    below: tuple[str, ...] = ("root",)
    real_yard.registry.push("root", "D1")
    for layer in range(4):
        tasks = [Task(f"task{layer}x{place}", below, f"image{layer}x{place}") for place in range(5)]
        real_yard.put(*tasks)
        for task in tasks:
            real_yard.first_run(task.name)
        below = tuple(task.product for task in tasks)
    before = len(real_yard.runs.known)
    real_yard.push("root", "D2")
    real_yard.rest()
    assert len(real_yard.runs.known) - before == 20
    assert real_yard.stale() == []


def test_a_fan_out_is_paged_and_adds_nothing_when_it_is_repeated(
    real_yard: "Yard", monkeypatch: pytest.MonkeyPatch
) -> None:
    dependents(real_yard, 450)
    monkeypatch.setattr(looking, "_AT_A_TIME", 200)
    real_yard.registry.push("base", "D2")
    look(real_yard.watch, tag("base").key)
    assert not real_yard.base("base").is_told
    assert len(list(real_yard.watch.pending.live(REGISTRY))) == 200
    assert fan_out(real_yard.watch, tag("base").key) == 0
    pages = [message for _, message in real_yard.queue.waiting if "base" in message]
    for message in pages:
        fan_out(real_yard.watch, message["base"], int(message["generation"]), message["after"])
    while not real_yard.base("base").is_told:
        message = [message for _, message in real_yard.queue.waiting if "base" in message][-1]
        fan_out(real_yard.watch, message["base"], int(message["generation"]), message["after"])
    pending = list(real_yard.watch.pending.live(REGISTRY))
    assert len({one.task for one in pending}) == len(pending) == 451
    assert fan_out(real_yard.watch, tag("base").key) == 0
    assert real_yard.watch.pending.add(pending) == 0


def test_a_page_of_an_older_generation_is_not_told_for_the_newer_one(real_yard: "Yard") -> None:
    dependents(real_yard, 3)
    real_yard.registry.push("base", "D2")
    look(real_yard.watch, tag("base").key)
    assert fan_out(real_yard.watch, tag("base").key, 7, "d") == 0


def test_many_who_look_at_the_same_moment_make_one_generation(real_yard: "Yard") -> None:
    dependents(real_yard, 20)
    digest = real_yard.registry.push("base", "D2")
    with ThreadPoolExecutor(8) as threads:
        looked = list(threads.map(lambda _: look(real_yard.watch, tag("base").key), range(24)))
    assert {(base.generation, base.found.digest) for base in looked if base} == {(1, digest)}
    assert len(list(real_yard.watch.pending.live(REGISTRY))) == 21


def test_rebuilds_that_are_done_are_remembered_for_a_day(real_yard: "Yard") -> None:
    real_yard.registry.push("base", "D1")
    real_yard.put(Task("app", ("base",)))
    real_yard.first_run("app")
    real_yard.push("base", "D2")
    real_yard.rest()
    done = real_yard.watch.pending.of_generation(TaskKey(REGISTRY, "app"), tag("base").key, 1)
    real_yard.watch.pending.purge(REGISTRY, real_yard.now[0])
    assert real_yard.watch.pending.add(done) == 0
    real_yard.watch.pending.purge(REGISTRY, real_yard.now[0] + timedelta(days=2))
    assert real_yard.watch.pending.add(done) == 1


def test_a_registry_pauses_until_the_latest_moment_it_asked_for(
    real_yard: "Yard", make_yard: Callable[[], "Yard"]
) -> None:
    for yard in (real_yard, make_yard()):
        for minutes in (5, 10):
            yard.watch.bases.pause("other.example:5000", yard.now[0] + timedelta(minutes=minutes))
        assert yard.watch.bases.paused("other.example:5000") == yard.now[0] + timedelta(minutes=10)
        assert yard.watch.bases.paused("reg.example") is None
