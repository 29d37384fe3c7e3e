"""A run's life on real storage: every way to end it ends it once."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.access.builder_tokens import Bearer
from shared.access.callers import Caller
from shared.arm.wire import TimerCause
from shared.container_groups.service import GroupState
from shared.errors import Conflict, Forbidden, InvalidRequest, NotFound, Throttled
from shared.grant import Image, LayerCache, LoginRequest, Outcome
from shared.runs.builder_logins import login
from shared.runs.cancel import cancel
from shared.runs.causes import Cause, CauseKind
from shared.runs.claim import Gone, heartbeat, look_for_work, report
from shared.runs.dispatch import dispatch
from shared.runs.holding import Superseded
from shared.runs.listing import list_runs, parse_page
from shared.runs.logs import complete_log
from shared.runs.machines import depart
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile
from shared.runs.submit import Origin, submit
from shared.runs.upkeep import keep_warm, purge, sweep_groups
from shared.storage import Blobs

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow


def test_a_run_is_started_at_once_when_there_is_room(hands: "Hands") -> None:
    run = hands.get(hands.submit("k1"))
    assert run.status is Status.STARTED
    assert run.group == f"slipway-{hands.partition}-{run.id}-1"
    assert hands.groups.started == [run.group]
    assert hands.log(run) == ""


def test_the_same_request_makes_one_run(hands: "Hands") -> None:
    first = hands.submit("k1")
    assert hands.submit("k1").id == first.id
    assert hands.submit("k2").id != first.id
    assert len(list(hands.shop.store.newest(hands.partition))) == 2


def test_runs_of_the_same_instant_get_ids_of_their_own(hands: "Hands") -> None:
    ids = [hands.submit_now(f"k{number}").id for number in range(5)]
    assert len(set(ids)) == 5
    assert [run.id for run in hands.shop.store.newest(hands.partition)] == sorted(ids, reverse=True)


def test_a_builder_that_tells_what_its_images_hold_outlives_its_run_by_a_minute(hands: "Hands") -> None:
    images = (Image(registry="r", repository="a", digest="sha256:0"),)
    first, second = (hands.submit(key) for key in ("k1", "k2"))
    for run in (first, second):
        grant = hands.claim(run)
        report(hands.shop, hands.bearer(grant), hands.report(grant, tells_contents=True, images=images))
        assert hands.get(run).status is Status.SUCCEEDED
    sweep_groups(hands.shop)
    groups = [hands.get(run).group or "" for run in (first, second)]
    assert hands.groups.names() == groups

    hands.later(seconds=30)
    depart(hands.shop, Bearer(hands.partition, groups[0]))
    assert hands.groups.names() == groups[1:]
    assert hands.get(first).released == hands.now[0]
    hands.later(seconds=31)
    sweep_groups(hands.shop)
    assert hands.groups.names() == []
    assert hands.get(second).released == hands.now[0]


def test_a_builder_outside_of_pools_does_not_leave_before_its_run_has_ended(hands: "Hands") -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    depart(hands.shop, Bearer(hands.partition, grant.group))
    assert hands.groups.names() == [grant.group]


def test_a_builder_claims_works_and_reports(hands: "Hands") -> None:
    run = hands.submit("k1")
    hands.later(seconds=1)
    grant = hands.claim(run)
    assert grant.epoch == 1
    assert grant.work.docker_build is not None
    assert grant.work.docker_build.arguments[0].value == "hunter2"
    assert heartbeat(hands.shop, hands.bearer(grant)).epoch == 1
    hands.later(seconds=5)
    image = Image(registry=hands.registry.login_server, repository="hello", tag="v1", digest="sha256:" + "a" * 64)
    report(hands.shop, hands.bearer(grant), hands.report(grant, images=[image]))
    done = hands.get(run)
    assert (done.status, done.output_images) == (Status.SUCCEEDED, (image,))
    assert hands.log(run) == f"\r\nRun ID: {run.id} was successful after 5s\r\n"
    assert hands.complete(run) == "successful"
    assert hands.groups.running == {}
    assert hands.get(run).released == hands.now[0]
    assert list(hands.shop.store.active(hands.partition)) == []


def test_the_secret_argument_lies_nowhere_in_clear(hands: "Hands") -> None:
    run = hands.submit("k1")
    row = next(iter(hands.shop.storage.runs.query(hands.partition, "r", "s")))
    assert "hunter2" not in str(row.values)
    assert b"hunter2" not in hands.shop.storage.blobs.read("requests", f"{run.registry}/{run.id}")


def test_runs_wait_in_order_and_their_log_tells_the_position(hands: "Hands") -> None:
    runs = [hands.submit(f"k{number}") for number in range(4)]
    states = [hands.get(run).status for run in runs]
    assert states == [Status.STARTED, Status.STARTED, Status.QUEUED, Status.QUEUED]
    assert hands.log(runs[2]).endswith("Waiting for a builder. Position in the queue: 1.\r\n")
    assert hands.log(runs[3]).endswith("Waiting for a builder. Position in the queue: 2.\r\n")
    cancel(hands.shop, hands.partition, runs[0].id)
    assert [hands.get(run).status for run in runs[1:]] == [Status.STARTED, Status.STARTED, Status.QUEUED]
    assert hands.log(runs[3]).endswith("Position in the queue: 1.\r\n")
    assert hands.claim(runs[2]).log_position == len(hands.log(runs[2]))


def test_a_run_that_somebody_asked_for_comes_before_older_ones_of_timers(hands: "Hands") -> None:
    running = [hands.submit(f"k{number}") for number in range(2)]
    occurrence = TimerCause(timer_trigger_name="t1", schedule_occurrence=hands.shop.clock())
    by_timer = Origin(task="nightly", cause=Cause(kind=CauseKind.TIMER, timer_trigger=occurrence))
    hands.later(seconds=1)
    caller = Caller("me", "User", frozenset())
    nightly = submit(hands.shop, hands.registry, hands.request(), caller, "timer", origin=by_timer)
    asked = hands.submit("asked")
    cancel(hands.shop, hands.partition, running[0].id)
    assert (hands.get(nightly).status, hands.get(asked).status) == (Status.QUEUED, Status.STARTED)
    cancel(hands.shop, hands.partition, running[1].id)
    assert hands.get(nightly).status is Status.STARTED


def test_layers_are_written_beside_the_runs_own_images_and_nowhere_else(hands: "Hands") -> None:
    settings = hands.shop.settings.model_copy(update={"cache_repository": "caches/{repository}"})
    shop = replace(hands.shop, settings=settings)
    run = hands.submit("k1")
    bearer = hands.bearer(hands.claim(run))
    beside = LoginRequest(pull=("caches/hello",), push=("caches/hello",))
    assert login(shop, bearer, beside).token == "caches/hello|caches/hello"
    for other in ("caches/other", "other", "caches/caches/hello"):
        with pytest.raises(Forbidden, match=other):
            login(shop, bearer, LoginRequest(push=(other,)))


@pytest.mark.parametrize(
    ("template", "image", "cache", "token"),
    [
        ("{repository}", "hello:v1", None, None),
        (
            "caches/{repository}",
            "hello:v1",
            LayerCache(repository="caches/{repository}", is_writable=False),
            "caches/hello|",
        ),
        (
            "caches/{repository}",
            "{{.Run.ID}}:v1",
            LayerCache(repository="caches/{repository}", is_writable=False),
            None,
        ),
    ],
)
def test_an_untrusted_run_reads_layers_that_lie_apart_and_writes_none(
    hands: "Hands", template: str, image: str, cache: LayerCache | None, token: str | None
) -> None:
    settings = hands.shop.settings.model_copy(update={"cache_repository": template})
    apart = replace(hands, shop=replace(hands.shop, settings=settings))
    request, caller = apart.request(imageNames=[image]), Caller("me", "User", frozenset())
    run = submit(apart.shop, apart.registry, request, caller, "k1", origin=Origin(task="app", is_untrusted=True))
    grant = apart.claim(run)
    assert grant.cache == cache
    asked = LoginRequest(pull=("hello", "caches/hello", "other", f"caches/{run.id}"), push=("caches/hello",))
    assert login(apart.shop, apart.bearer(grant), asked).token == token


def test_a_throttled_start_waits_and_is_tried_again(hands: "Hands") -> None:
    hands.groups.fault = Throttled("Azure has no room.", retry_after=1)
    run = hands.submit("k1")
    assert hands.get(run).status is Status.QUEUED
    assert hands.log(run).count("Waiting for a builder: Azure has no room.") == 1
    dispatch(hands.shop, hands.partition)
    assert hands.log(run).count("Azure has no room.") == 1
    hands.groups.fault = None
    dispatch(hands.shop, hands.partition)
    assert hands.get(run).status is Status.QUEUED
    hands.later(seconds=2)
    dispatch(hands.shop, hands.partition)
    assert hands.get(run).status is Status.STARTED


def test_a_group_that_azure_refuses_for_good_ends_the_run(hands: "Hands") -> None:
    hands.groups.fault = Conflict("Azure refused the group: 400 BadImage.")
    run = hands.get(hands.submit("k1"))
    assert run.status is Status.ERROR
    assert "BadImage" in hands.log(run)
    assert hands.complete(run) == "internalerror"


@pytest.mark.parametrize("when", ["queued", "started", "running"])
def test_cancel_at_any_moment(hands: "Hands", when: str) -> None:
    if when == "queued":
        hands.groups.fault = Throttled("full")
    run = hands.submit("k1")
    grant = hands.claim(run) if when == "running" else None
    assert cancel(hands.shop, hands.partition, run.id).status is Status.CANCELED
    assert hands.complete(run) == "canceled"
    assert hands.groups.running == {}
    if grant:
        with pytest.raises(Superseded, match="Canceled"):
            heartbeat(hands.shop, hands.bearer(grant))
    assert cancel(hands.shop, hands.partition, run.id).status is Status.CANCELED
    assert hands.log(run).count("Run ID:") == 1


def test_a_report_after_cancel_changes_nothing(hands: "Hands") -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    cancel(hands.shop, hands.partition, run.id)
    report(hands.shop, hands.bearer(grant), hands.report(grant))
    assert hands.get(run).status is Status.CANCELED


def test_a_second_claim_makes_the_first_one_void(hands: "Hands") -> None:
    run = hands.submit("k1")
    first, second = hands.claim(run), hands.claim(run)
    assert (first.epoch, second.epoch) == (1, 2)
    with pytest.raises(Superseded, match="another builder"):
        login(hands.shop, hands.bearer(first), LoginRequest(push=("hello",)))
    report(hands.shop, hands.bearer(second), hands.report(second))
    with pytest.raises(Superseded):
        report(hands.shop, hands.bearer(first), hands.report(first, Outcome.FAILED))
    assert hands.get(run).status is Status.SUCCEEDED


def test_a_report_sent_twice_is_taken_once(hands: "Hands") -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    for _ in range(2):
        report(hands.shop, hands.bearer(grant), hands.report(grant, Outcome.FAILED, error="exit status 1"))
    assert hands.log(run).count("Run ID:") == 1


def test_a_login_reaches_only_the_repositories_of_the_run(hands: "Hands") -> None:
    run = hands.submit("k1", imageNames=["team/hello:v1", "team/hello:{{.Run.ID}}", "app-{{.Run.ID}}"])
    grant = hands.claim(run)
    pushed = ("team/hello", f"app-{run.id}")
    answer = login(hands.shop, hands.bearer(grant), LoginRequest(pull=("base/x",), push=pushed))
    assert answer.token == f"base/x|{','.join(pushed)}"
    with pytest.raises(Forbidden, match="base/x"):
        login(hands.shop, hands.bearer(grant), LoginRequest(push=("base/x",)))


def test_without_push_nothing_may_be_published(hands: "Hands") -> None:
    grant = hands.claim(hands.submit("k1", isPushEnabled=False))
    with pytest.raises(Forbidden):
        login(hands.shop, hands.bearer(grant), LoginRequest(push=("hello",)))


@pytest.mark.parametrize(
    "changes",
    [
        {"imageNames": ["Hello:v1"]},
        {"imageNames": ["hello:v1:v2"]},
        {"imageNames": ["hello:{{.Nonsense}}"]},
        {"imageNames": ["hello:{{.Run.Commit}}"]},
        {"imageNames": ["{{.Run.Commit}}:v1"], "sourceLocation": "https://example.org/x.git"},
        {"sourceLocation": None},
        {"sourceLocation": "source/202611200000/00000000-0000-0000-0000-000000000000.tar.gz"},
        {"sourceLocation": "source/../../other/x.tar.gz"},
        {"sourceLocation": "http://example.org/x.git"},
    ],
)
def test_a_request_that_cannot_work_makes_no_run(hands: "Hands", changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        hands.submit("k1", **changes)
    assert list(hands.shop.store.newest(hands.partition)) == []


def test_a_tag_may_be_the_commit_that_the_builder_finds(hands: "Hands") -> None:
    names = ["hello:{{.Run.Commit}}", "hello:{{.Run.Branch}}-x"]
    run = hands.submit("k1", imageNames=names, sourceLocation="https://example.org/x.git#main")
    assert run.push_repositories == ("hello",)


def test_a_lost_message_is_made_good(hands: "Hands") -> None:
    hands.groups.fault = Throttled("full")
    run = hands.submit("k1")
    hands.groups.fault = None
    hands.later(seconds=30)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.STARTED


def test_a_builder_that_never_comes_up_is_replaced_and_then_given_up(hands: "Hands") -> None:
    run = hands.submit("k1")
    for attempt in range(1, 4):
        assert hands.get(run).attempt == attempt
        hands.groups.running.clear()
        hands.later(minutes=1)
        reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.ERROR
    assert len(set(hands.groups.started)) == 3
    assert "3 attempts" in hands.log(run)


def test_a_builder_that_is_slow_to_start_is_waited_for(hands: "Hands") -> None:
    run = hands.submit("k1")
    hands.groups.running[hands.get(run).group or ""] = GroupState.STARTING
    hands.later(minutes=2)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.STARTED
    assert hands.claim(run).epoch == 1


def test_a_lost_builder_ends_its_run(hands: "Hands") -> None:
    run = hands.submit("k1")
    hands.claim(run)
    hands.groups.running.clear()
    hands.later(seconds=10)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.RUNNING
    hands.later(seconds=20)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.ERROR
    assert "lost" in hands.log(run)


def test_a_lost_report_is_read_from_the_result(hands: "Hands") -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    told = hands.report(grant, Outcome.FAILED, error="failed during run, err: exit status 1")
    hands.shop.storage.blobs.put("results", f"{run.registry}/{run.id}/1.json", told.model_dump_json().encode())
    hands.groups.running.clear()
    hands.later(seconds=30)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.FAILED
    assert hands.complete(run) == "failed"


def test_a_silent_builder_whose_group_runs_is_waited_for_until_its_deadline(hands: "Hands") -> None:
    run = hands.submit("k1", timeout=300)
    hands.claim(run)
    hands.later(minutes=4)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.RUNNING
    hands.later(minutes=4)
    reconcile(hands.shop, hands.partition)
    assert hands.get(run).status is Status.TIMEOUT
    assert hands.complete(run) == "timedout"


def test_an_end_that_was_cut_off_is_completed(hands: "Hands") -> None:
    run = hands.submit("k1")
    hands.claim(run)

    def end(current: Run) -> Run:
        return current.moved(Status.SUCCEEDED, hands.now[0], finished=hands.now[0])

    hands.shop.store.change(run.registry, run.id, end)
    reconcile(hands.shop, hands.partition)
    assert hands.complete(run) == "successful"
    assert hands.groups.running == {}
    assert list(hands.shop.store.active(hands.partition)) == []


def test_two_that_end_a_log_at_the_same_time_write_one_last_line(
    hands: "Hands", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = hands.submit("k1")

    def end(current: Run) -> Run:
        return current.moved(Status.SUCCEEDED, hands.now[0], finished=hands.now[0])

    ended = hands.shop.store.change(run.registry, run.id, end)
    assert ended is not None
    append, others = Blobs.append, iter([ended])

    def late(blobs: Blobs, container: str, name: str, data: bytes, *, position: int | None = None) -> None:
        for other in others:
            complete_log(hands.shop, other)
        append(blobs, container, name, data, position=position)

    monkeypatch.setattr(Blobs, "append", late)
    complete_log(hands.shop, ended)
    assert hands.log(run).count("Run ID:") == 1
    assert hands.complete(run) == "successful"


def test_a_group_whose_run_ended_is_told_to_leave(hands: "Hands") -> None:
    run = hands.submit("k1")
    group = hands.get(run).group or ""
    bearer = hands.bearer(hands.claim(run))
    cancel(hands.shop, hands.partition, run.id)
    with pytest.raises(Gone):
        look_for_work(hands.shop, bearer)
    assert hands.shop.pool.find(hands.partition, group) is None


def _with_warm(hands: "Hands", number: int) -> "Hands":
    hands.shop.settings.__dict__["warm_builders"] = number
    keep_warm(hands.shop, hands.registry)
    for group in hands.shop.pool.groups(hands.partition):
        assert look_for_work(hands.shop, Bearer(hands.partition, group.name)) is None
    return hands


def test_a_warm_builder_gets_the_next_run_and_is_used_once(hands: "Hands") -> None:
    _with_warm(hands, 1)
    (warm,) = hands.groups.running
    run = hands.submit("k1")
    assert hands.get(run).group == warm
    report(hands.shop, hands.bearer(grant := hands.claim(run)), hands.report(grant))
    assert warm not in hands.groups.running
    keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.running) == 1


def test_warm_builders_that_went_away_are_replaced(hands: "Hands") -> None:
    _with_warm(hands, 2)
    gone = next(iter(hands.groups.running))
    hands.groups.running[gone] = GroupState.ENDED
    keep_warm(hands.shop, hands.registry)
    assert gone not in hands.groups.running
    assert len(hands.groups.running) == 2


def test_a_warm_builder_that_cannot_start_is_not_started_again_at_once(hands: "Hands") -> None:
    hands.shop.settings.__dict__["warm_builders"] = 1
    keep_warm(hands.shop, hands.registry)
    hands.groups.running.clear()
    keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.started) == 1
    hands.later(minutes=3)
    keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.started) == 2


def test_groups_that_nobody_knows_are_removed(hands: "Hands") -> None:
    hands.groups.running["slipway-unknown"] = GroupState.RUNNING
    hands.groups.running["somebody-elses"] = GroupState.RUNNING
    run = hands.submit("k1")
    sweep_groups(hands.shop)
    assert set(hands.groups.running) == {"somebody-elses", hands.get(run).group}


def test_old_runs_are_purged_unless_archived(hands: "Hands") -> None:
    runs = [hands.submit("k1"), hands.submit("k2", isArchiveEnabled=True)]
    for run in runs:
        cancel(hands.shop, hands.partition, run.id)
    hands.later(days=29)
    purge(hands.shop, hands.partition)
    assert hands.get(runs[0])
    hands.later(days=2)
    purge(hands.shop, hands.partition)
    with pytest.raises(NotFound):
        hands.get(runs[0])
    with pytest.raises(NotFound):
        hands.log(runs[0])
    assert hands.get(runs[1]).is_archived


def test_lists_are_filtered_and_paged(hands: "Hands") -> None:
    runs = [hands.submit(f"k{number}") for number in range(4)]
    cancel(hands.shop, hands.partition, runs[0].id)
    store = hands.shop.store
    found, following = list_runs(store, hands.partition, parse_page({"$top": "2"}))
    assert ([run.id for run in found], following) == ([runs[3].id, runs[2].id], None)
    found, _ = list_runs(store, hands.partition, parse_page({"$filter": "Status eq 'Canceled'"}))
    assert [run.id for run in found] == [runs[0].id]
    found, _ = list_runs(store, hands.partition, parse_page({"$skiptoken": runs[2].id}))
    assert [run.id for run in found] == [runs[1].id, runs[0].id]
    for bad in ("0", "x", "-1", "1001"):
        with pytest.raises(InvalidRequest):
            parse_page({"$top": bad})
