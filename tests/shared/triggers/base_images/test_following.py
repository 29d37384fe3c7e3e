"""Tasks follow their base images: each generation once, in order, never left behind."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.errors import InvalidRequest, NotFound, Throttled, Unavailable
from shared.grant import Platform
from shared.metrics import Metric
from shared.runs.causes import CauseKind
from shared.runs.model import Status
from shared.triggers.base_images.looking import hint, look
from shared.triggers.base_images.model import BaseTag, Kind, TaskKey
from shared.triggers.base_images.recording import record
from shared.triggers.decisions import Verdict
from tests.conftest import Counted
from tests.shared.triggers.base_images.conftest import HOST, REGISTRY, Task, digest_of, tag

if TYPE_CHECKING:
    from shared.runs.model import Run
    from tests.shared.triggers.base_images.conftest import Yard


def ready(yard: "Yard", *tasks: Task) -> None:
    """Put tasks whose bases exist, each run once by hand."""
    for task in tasks:
        for base in (*task.bases, *task.buildtime):
            if tag(base) not in yard.registry.tags:
                yard.registry.push(base, "D1")
        yard.put(task)
        yard.first_run(task.name)


def under_way(yard: "Yard") -> "Run":
    """Answer the run of the task `app` that another digest of its base has started, its builder at work."""
    yard.push("base", "D2")
    yard.settle()
    (run,) = yard.automatic("app")
    yard.begin(run)
    return run


def test_a_new_digest_starts_one_run_that_says_why(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    digest = yard.push("base", "D2")
    yard.rest()

    (run,) = yard.automatic("app")
    assert run.cause.kind is CauseKind.IMAGE_UPDATE
    assert run.cause.image_update_trigger is not None
    (image,) = run.cause.image_update_trigger.images
    assert (image.registry, image.repository, image.tag, image.digest) == (HOST, "base", "1", digest)
    assert yard.verdicts("app") == [Verdict.STARTED]
    assert yard.decisions("app")[0].subject == f"{HOST}/base:1@{digest}"
    assert not yard.stale()
    assert yard.base("base").generation == 1


def test_the_same_push_twice_starts_nothing(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.push("base", "D1")
    yard.push("base", "D1")
    yard.rest()
    assert yard.automatic("app") == []
    assert yard.base("base").generation == 0


def test_a_tag_that_is_rolled_back_is_followed_there_and_back(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.push("base", "D2")
    yard.rest()
    yard.push("base", "D1")
    yard.rest()
    assert len(yard.automatic("app")) == 2
    assert yard.base("base").generation == 2
    assert not yard.stale()


def test_a_tag_that_is_rolled_back_before_its_run_could_start_is_still_followed(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.push("base", "D2")
    yard.work()
    yard.push("base", "D1")
    yard.rest()
    assert len(yard.automatic("app")) == 1
    assert not yard.stale()


def test_a_forged_digest_has_no_effect(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    before = len(yard.registry.heads)
    assert hint(yard.watch, [tag("base")]) == 1
    yard.rest()
    assert len(yard.registry.heads) == before + 1
    assert yard.automatic("app") == []


def test_a_tag_that_nobody_stands_on_costs_no_request(yard: "Yard") -> None:
    assert hint(yard.watch, [tag("other"), BaseTag("unknown.example", "x", "1")]) == 0
    assert yard.queue.waiting == []
    assert yard.registry.heads == []


def test_an_index_whose_change_does_not_touch_the_tasks_platform_starts_nothing(yard: "Yard") -> None:
    yard.registry.push("base", "I1", images={"linux/amd64": digest_of("a"), "linux/arm64": digest_of("b")})
    ready(yard, Task("intel", ("base",)), Task("arm", ("base",), platform=Platform(architecture="arm64")))
    yard.push("base", "I2", images={"linux/amd64": digest_of("a"), "linux/arm64": digest_of("c")})
    yard.rest()
    assert yard.automatic("intel") == []
    assert len(yard.automatic("arm")) == 1
    yard.push("base", "I3", images={"linux/amd64": digest_of("d"), "linux/arm64": digest_of("c")})
    yard.rest()
    assert len(yard.automatic("intel")) == 1
    assert len(yard.automatic("arm")) == 1


def test_an_index_is_followed_for_every_platform_of_a_task(yard: "Yard") -> None:
    both = (Platform(), Platform(architecture="arm64"))
    yard.registry.push("base", "I1", images={"linux/amd64": digest_of("a"), "linux/arm64": digest_of("b")})
    ready(yard, Task("both", ("base",), built_for=both))
    yard.push("base", "I2", images={"linux/amd64": digest_of("a"), "linux/arm64": digest_of("b"), "linux/386": "x"})
    yard.rest()
    assert yard.automatic("both") == []
    yard.push("base", "I3", images={"linux/amd64": digest_of("a"), "linux/arm64": digest_of("c")})
    yard.rest()
    assert len(yard.automatic("both")) == 1
    yard.push("base", "I4", images={"linux/amd64": digest_of("d"), "linux/arm64": digest_of("c")})
    yard.rest()
    assert len(yard.automatic("both")) == 2


def test_a_tag_that_moves_during_a_build_asks_for_one_more(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    run = yard.manual("app")
    yard.begin(run)
    yard.registry.push("base", "D2")  # no event tells of it
    yard.end(yard.runs.known[run.id])
    yard.rest()
    assert len(yard.automatic("app")) == 1
    assert not yard.stale()


def test_a_tag_that_goes_there_and_back_during_its_run_asks_for_one_more(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.push("base", "D2")
    yard.settle()
    (run,) = yard.automatic("app")
    yard.registry.push("base", "D3")
    yard.begin(run)
    yard.registry.push("base", "D2")
    yard.end(yard.runs.known[run.id])
    yard.rest()
    assert len(yard.automatic("app")) == 2
    assert not yard.stale()


def test_a_change_during_an_automatic_run_waits_for_its_end(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    under_way(yard)
    yard.push("base", "D3")
    yard.settle()
    assert len(yard.automatic("app")) == 1
    assert Verdict.WAITS in yard.verdicts("app")
    yard.rest()
    assert len(yard.automatic("app")) == 2
    assert not yard.stale()


def test_a_change_while_the_run_is_queued_joins_it(yard: "Yard") -> None:
    ready(yard, Task("app", ("base", "other"), "app"))
    yard.push("base", "D2")
    yard.settle()
    yard.push("other", "D2")
    yard.settle()
    (run,) = yard.automatic("app")
    assert run.cause.image_update_trigger is not None
    assert {image.repository for image in run.cause.image_update_trigger.images} == {"base", "other"}
    yard.rest()
    assert len(yard.automatic("app")) == 1
    assert yard.verdicts("app") == [Verdict.JOINED, Verdict.STARTED]


def test_two_bases_that_move_together_are_one_run(yard: "Yard") -> None:
    ready(yard, Task("app", ("base", "other"), "app"))
    yard.push("base", "D2")
    yard.push("other", "D2")
    yard.rest()
    (run,) = yard.automatic("app")
    assert run.cause.image_update_trigger is not None
    assert len(run.cause.image_update_trigger.images) == 2


def test_a_run_that_stood_on_the_new_image_already_makes_another_one_needless(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.registry.push("base", "D2")
    yard.first_run("app")
    yard.rest()
    assert yard.automatic("app") == []
    yard.push("base", "D2")
    yard.rest()
    assert yard.automatic("app") == []


def test_build_time_images_count_for_triggers_of_type_all_alone(yard: "Yard") -> None:
    ready(
        yard,
        Task("runtime", ("base",), buildtime=("sdk",)),
        Task("all", ("base",), buildtime=("sdk",), follows=Kind.BUILDTIME),
    )
    yard.push("sdk", "D2")
    yard.rest()
    assert yard.automatic("runtime") == []
    assert yard.verdicts("runtime") == [Verdict.SUPPRESSED]
    assert "baseImageTriggerType" in yard.decisions("runtime")[0].reason
    assert len(yard.automatic("all")) == 1


@pytest.mark.parametrize("change", ["disabled", "without trigger", "deleted"])
def test_a_task_that_no_longer_follows_is_left_alone_for_a_recorded_reason(yard: "Yard", change: str) -> None:
    ready(yard, Task("app", ("base",), "app"))
    if change == "deleted":
        del yard.tasks["app"]
    elif change == "disabled":
        yard.tasks["app"].is_enabled = False
    else:
        yard.tasks["app"].has_trigger = False
    yard.push("base", "D2")
    yard.rest()
    assert yard.automatic("app") == []
    assert yard.verdicts("app") == [Verdict.SUPPRESSED]
    if change == "deleted":
        assert not yard.watch.dependencies.has_dependents(tag("base").key)


def test_a_task_that_cannot_be_run_is_refused_once(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.runs.fault = InvalidRequest("The task has no step.")
    yard.push("base", "D2")
    yard.rest()
    assert yard.verdicts("app") == [Verdict.REFUSED]
    assert "no step" in yard.decisions("app")[0].reason


@pytest.mark.parametrize("fault", [Unavailable("down"), Throttled("wait")])
def test_a_passing_fault_delays_a_run_and_loses_nothing(yard: "Yard", fault: Unavailable | Throttled) -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.runs.fault = fault
    yard.push("base", "D2")
    yard.later(minutes=1)
    yard.work()
    yard.serve()
    assert yard.automatic("app") == []
    yard.runs.fault = None
    yard.later(minutes=3)
    yard.rest()
    assert len(yard.automatic("app")) == 1


def test_a_failed_rebuild_is_not_repeated_until_the_image_changes_again(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    run = under_way(yard)
    yard.end(yard.runs.known[run.id], Status.FAILED)
    yard.rest()
    assert len(yard.automatic("app")) == 1
    yard.push("base", "D3")
    yard.rest()
    assert len(yard.automatic("app")) == 2
    assert not yard.stale()


def test_a_chain_is_rebuilt_in_order_each_once_even_without_events(yard: "Yard") -> None:
    yard.notifies = False
    ready(yard, Task("middle", ("base",), "middle"), Task("app", ("middle",), "app"), Task("leaf", ("app",), "leaf"))
    yard.registry.push("base", "D2")
    yard.later(minutes=20)
    yard.poll()
    yard.rest()
    assert [len(yard.automatic(name)) for name in ("middle", "app", "leaf")] == [1, 1, 1]
    order = [run.task for run in yard.runs.known.values() if not run.cause.is_manual]
    assert order == ["middle", "app", "leaf"]
    assert not yard.stale()


def test_who_stands_on_the_base_and_far_down_on_it_too_is_rebuilt_last_and_once(yard: "Yard") -> None:
    ready(
        yard,
        Task("one", ("base",), "one"),
        Task("two", ("one",), "two"),
        Task("three", ("two",), "three"),
        Task("top", ("base", "three"), "top"),
    )
    yard.push("base", "D2")
    yard.rest()
    assert [run.task for run in yard.runs.known.values() if not run.cause.is_manual] == ["one", "two", "three", "top"]
    assert not yard.stale()
    waits = [decision for decision in yard.decisions("top") if decision.verdict is Verdict.WAITS]
    assert "being rebuilt by task" in waits[0].reason


def graph(yard: "Yard", layers: int, width: int) -> list[str]:
    """Put tasks in layers, each built on all images of the layer below, the first on the root."""
    below: tuple[str, ...] = ("root",)
    names: list[str] = []
    for layer in range(layers):
        tasks = [Task(f"task{layer}x{place}", below, f"image{layer}x{place}") for place in range(width)]
        ready(yard, *tasks)
        below = tuple(task.product for task in tasks)
        names += [task.name for task in tasks]
    return names


@pytest.mark.parametrize(("layers", "width"), [(2, 10), (3, 5), (4, 5)])
@pytest.mark.parametrize("is_reproducible", [True, False])
def test_a_layered_graph_costs_one_build_a_node_and_none_is_stale(
    yard: "Yard", layers: int, width: int, *, is_reproducible: bool
) -> None:
    yard.is_reproducible = is_reproducible
    names = graph(yard, layers, width)
    yard.rest()
    before = len(yard.runs.known)
    yard.push("root", "D2")
    yard.rest(200)
    assert len(yard.runs.known) - before == layers * width
    assert {len(yard.automatic(name)) for name in names} == {1}
    assert not yard.stale()


def test_waiting_for_others_has_an_end(yard: "Yard") -> None:
    ready(yard, Task("one", ("base",), "one"), Task("top", ("base", "one"), "top"))
    yard.push("base", "D2")
    yard.settle()
    assert len(yard.automatic("one")) == 1
    assert yard.automatic("top") == []
    yard.later(minutes=31)
    yard.serve()
    assert len(yard.automatic("top")) == 1


def test_a_task_that_stands_on_its_own_product_is_refused(yard: "Yard") -> None:
    yard.is_reproducible = False
    yard.registry.push("self", "D1")
    yard.put(Task("loop", ("self",), "self"))
    yard.first_run("loop")
    yard.rest()
    assert yard.automatic("loop") == []
    assert yard.verdicts("loop")[0] is Verdict.REFUSED
    assert "loop → loop" in yard.decisions("loop")[0].reason


def test_a_circle_of_three_stops_with_a_reason_and_still_follows_what_is_outside(yard: "Yard") -> None:
    yard.is_reproducible = False
    for repository in ("outside", "one", "two", "three"):
        yard.registry.push(repository, "D1")
    yard.put(Task("one", ("outside", "three"), "one"), Task("two", ("one",), "two"), Task("three", ("two",), "three"))
    for name in ("one", "two", "three"):
        yard.first_run(name)
    yard.rest(200)
    before = len(yard.runs.known)
    yard.push("outside", "D2")
    yard.rest(200)
    assert len(yard.automatic("one")) >= 1
    assert len(yard.runs.known) - before == 1
    refused = [
        one for name in ("one", "two", "three") for one in yard.decisions(name) if one.verdict is Verdict.REFUSED
    ]
    assert refused
    assert all("never end" in decision.reason for decision in refused)


def test_a_registry_that_is_down_is_looked_at_again_ever_more_slowly(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.registry.faults[HOST] = Unavailable("The registry does not answer.")
    yard.registry.push("base", "D2")
    gaps = []
    for _ in range(12):
        yard.now[0] = max(yard.now[0], yard.base("base").due)
        yard.poll()
        gaps.append(yard.base("base").due - yard.now[0])
    assert gaps[0] == timedelta(seconds=30)
    assert gaps == sorted(gaps)
    assert gaps[-1] <= timedelta(hours=4)
    assert yard.base("base").error == "The registry does not answer."
    yard.registry.faults.clear()
    yard.now[0] = yard.base("base").due
    yard.poll()
    yard.rest()
    assert len(yard.automatic("app")) == 1
    assert yard.base("base").error == ""


def test_a_registry_that_asks_for_a_pause_gets_it_for_all_its_tags(yard: "Yard") -> None:
    ready(yard, Task("app", ("base", "other"), "app"))
    yard.registry.faults[HOST] = Throttled("Slow down.", retry_after=600)
    yard.later(minutes=20)
    heads = len(yard.registry.heads)
    look(yard.watch, tag("base").key)
    look(yard.watch, tag("other").key)
    assert len(yard.registry.heads) == heads + 1
    assert yard.base("other").due == yard.now[0] + timedelta(minutes=10)
    yard.registry.faults.clear()
    yard.push("base", "D2")
    yard.work()
    assert yard.automatic("app") == []
    yard.later(minutes=11)
    yard.poll()
    yard.rest()
    assert len(yard.automatic("app")) == 1


def test_one_poll_asks_once_for_each_tag_whatever_the_number_of_tasks(yard: "Yard") -> None:
    ready(yard, *(Task(f"app{number}", ("base",)) for number in range(7)))
    yard.later(minutes=16)
    heads = len(yard.registry.heads)
    yard.poll()
    assert len(yard.registry.heads) == heads + 1
    yard.poll()
    assert len(yard.registry.heads) == heads + 1


def test_a_tag_that_nobody_stands_on_any_more_is_forgotten(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.registry.push("newer", "D1")
    yard.tasks["app"].bases = ("newer",)
    yard.first_run("app")
    yard.later(minutes=20)
    yard.poll()
    assert yard.watch.bases.find(tag("base").key) is None
    assert yard.base("newer").generation == 0
    assert list(yard.watch.dependencies.of_task(TaskKey(REGISTRY, "app"))) == [tag("newer").key]


def test_a_pinned_image_and_one_without_tag_are_not_followed(yard: "Yard") -> None:
    yard.registry.push("base", "D1")
    yard.put(Task("app", ("base",), "app"))
    run = yard.manual("app")
    yard.begin(run)
    yard.end(yard.runs.known[run.id])
    known = yard.runs.known[run.id]
    pinned = known.base_images[0].model_copy(update={"pinned": True})
    bare = known.base_images[0].model_copy(update={"tag": None})
    record(yard.watch, HOST, known.model_copy(update={"base_images": (pinned, bare)}))
    assert list(yard.watch.bases.all()) == []


def test_a_lost_message_of_a_runs_end_is_made_up_for(yard: "Yard") -> None:
    ready(yard, Task("middle", ("base",), "middle"), Task("app", ("middle",), "app"))
    yard.notifies = False
    yard.registry.push("base", "D2")
    yard.later(minutes=16)
    yard.poll()
    yard.later(seconds=6)
    yard.work()
    (run,) = yard.automatic("middle")
    yard.begin(run)
    yard.end(yard.runs.known[run.id])
    yard.queue.waiting.clear()
    yard.rest()
    assert len(yard.automatic("app")) == 1
    assert not yard.stale()


def test_more_changes_than_an_hour_allows_wait_and_are_followed_by_one_run(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    yard.watch = replace(yard.watch, limits=replace(yard.watch.limits, runs=2))
    for number in range(2, 6):
        yard.push("base", f"D{number}")
        for _ in range(6):
            yard.later(seconds=6)
            yard.work()
            yard.serve()
            for run in yard.active():
                (yard.begin if run.status is Status.QUEUED else yard.end)(run)
    assert len(yard.automatic("app")) == 2
    assert "within an hour" in " ".join(decision.reason for decision in yard.decisions("app"))
    yard.later(minutes=61)
    yard.rest()
    assert len(yard.automatic("app")) == 3
    assert not yard.stale()


def test_a_private_image_is_asked_for_with_the_login_of_a_task(yard: "Yard") -> None:
    yard.registry.push("base", "D1")
    yard.put(Task("private", ("base",), "app"))
    run = yard.manual("private")
    yard.begin(run)
    yard.end(yard.runs.known[run.id])
    record(yard.watch, HOST, yard.runs.known[run.id], [HOST])
    assert yard.base("base").login == f"{REGISTRY}|private"


def test_a_tag_that_is_gone_is_no_change(yard: "Yard") -> None:
    ready(yard, Task("app", ("base",), "app"))
    del yard.registry.tags[tag("base")]
    look(yard.watch, tag("base").key)
    assert "not there" in yard.base("base").error
    yard.push("base", "D1")
    yard.rest()
    assert yard.automatic("app") == []
    assert yard.base("base").error == ""
    with pytest.raises(NotFound):
        yard.runs.get(REGISTRY, "none")


def test_looks_are_counted_by_what_they_came_to(yard: "Yard", counted: Counted) -> None:
    ready(yard, Task("app", ("base",), "app"))
    counted(Metric.CHECKS)
    look(yard.watch, tag("base").key)
    yard.push("base", "D2")
    look(yard.watch, tag("base").key)
    yard.registry.faults[HOST] = Unavailable("away")
    look(yard.watch, tag("base").key)
    yard.registry.faults[HOST] = Throttled("slower", retry_after=60)
    look(yard.watch, tag("base").key)
    look(yard.watch, tag("base").key)

    outcomes = dict.fromkeys(("same", "changed", "failed", "throttled", "paused"), 1)
    assert counted(Metric.CHECKS) == {(outcome,): number for outcome, number in outcomes.items()}
