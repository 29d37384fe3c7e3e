"""Runs of tasks, task runs and agent pools on real storage."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from shared.access.callers import Caller
from shared.arm.names import RegistryId, parse_registry_id
from shared.arm.requests import Overrides
from shared.arm.wire import ImageDescriptor, ImageUpdateCause, SourceTriggerCause, TimerCause
from shared.errors import Conflict, InvalidRequest, NotFound
from shared.grant import Grant, Image, ImageDependency, LayerCache, LoginRequest, Outcome
from shared.runs.agent_pools import PoolKeeper
from shared.runs.builder_logins import login
from shared.runs.cancel import cancel
from shared.runs.causes import Cause, CauseKind
from shared.runs.claim import report
from shared.runs.dispatch import dispatch
from shared.runs.finish import close
from shared.runs.model import Run, Status
from shared.runs.of_tasks import Order, run_task
from shared.runs.task_runs import TaskRunKeeper, provisioning_state
from shared.runs.upkeep import keep_warm
from shared.tasks.changes import Setting, put_task

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
ME = Caller("me", "User", frozenset())
ENCODED = {"type": "EncodedTask", "encodedTaskContent": "c3RlcHM6IFtdCg=="}
DOCKER = {
    "type": "Docker",
    "dockerFilePath": "Dockerfile",
    "imageNames": ["app:{{.Run.ID}}", "other.example.org/app"],
    "contextPath": "https://example.org/a.git#main",
    "contextAccessToken": "tok",
    "arguments": [{"name": "S", "value": "hush", "isSecret": True}],
}
TIMER = Cause(
    kind=CauseKind.TIMER,
    timer_trigger=TimerCause(timer_trigger_name="t1", schedule_occurrence=datetime(2026, 1, 2, tzinfo=UTC)),
)


def owner(hands: "Hands") -> RegistryId:
    return parse_registry_id(hands.registry.id)


def put(hands: "Hands", name: str, step: dict[str, Any], **properties: object) -> None:
    setting = Setting(owner(hands), "here", "tenant", ME, hands.shop.clock())
    put_task(hands.shop.tasks, setting, name, {"properties": {"step": step, **properties}})


def run(hands: "Hands", name: str, key: str, **order: Any) -> Run:
    hands.later(milliseconds=100)
    return run_task(hands.shop, hands.registry, name, Order(caller=ME, **order), key)


def test_a_manual_run_of_a_docker_task(hands: "Hands") -> None:
    logins = {"Other.example.org": {"userName": {"value": "u"}, "password": {"value": "p"}}}
    put(hands, "mytask", DOCKER, timeout=600, credentials={"customRegistries": logins})
    made = run(hands, "MyTask", "k1", overrides=Overrides(update_trigger_token="dA=="))
    assert (made.task, made.run_type, made.cause.kind) == ("mytask", "QuickRun", CauseKind.MANUAL)
    assert (made.timeout_seconds, made.update_trigger_token) == (600, "dA==")
    assert made.push_repositories == ("app",)
    grant = hands.claim(made)
    assert (grant.source.location, grant.source.token) == ("https://example.org/a.git#main", "tok")
    assert grant.source.archive_url is None
    assert grant.work.docker_build is not None
    assert grant.work.docker_build.arguments[0].value == "hush"
    (login,) = grant.logins
    assert (login.registry, login.username, login.password) == ("other.example.org", "u", "p")
    assert grant.variables.task_name == "mytask"
    row = next(iter(hands.shop.storage.runs.query(hands.partition, "r", "s")))
    assert not [secret for secret in ("hush", 'tok"', "'p'") if secret in str(row.values)]


def test_the_same_key_makes_one_run_even_when_the_task_is_gone(hands: "Hands") -> None:
    put(hands, "mytask", ENCODED)
    first = run(hands, "mytask", "k1")
    hands.shop.tasks.delete(hands.partition, "mytask")
    assert run(hands, "mytask", "k1").id == first.id
    with pytest.raises(NotFound, match="mytask"):
        run(hands, "mytask", "k2")


def test_a_disabled_task_is_not_run(hands: "Hands") -> None:
    put(hands, "mytask", ENCODED, status="Disabled")
    with pytest.raises(Conflict, match="disabled"):
        run(hands, "mytask", "k1")


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (TIMER, ("AutoRun", "Timer")),
        (
            Cause(
                kind=CauseKind.IMAGE_UPDATE,
                image_update_trigger=ImageUpdateCause(
                    id="i",
                    timestamp=datetime(2026, 1, 2, tzinfo=UTC),
                    images=(ImageDescriptor(registry="r", repository="base", tag="1", digest="sha256:a"),),
                ),
            ),
            ("AutoRun", "Image Update"),
        ),
    ],
)
def test_a_triggered_run_tells_its_cause(hands: "Hands", cause: Cause, expected: tuple[str, str]) -> None:
    put(hands, "mytask", ENCODED)
    made = run(hands, "mytask", "k1", cause=cause)
    assert (made.run_type, made.cause.kind.value) == expected
    assert hands.get(made).cause == cause
    assert hands.claim(made).variables.triggered_by == expected[1]


def test_a_commit_fills_the_variables(hands: "Hands") -> None:
    put(hands, "mytask", DOCKER)
    told = SourceTriggerCause(
        id="s", event_type="Commit", commit_id="abc", branch_name="main", repository_url="https://example.org/a.git"
    )
    made = run(hands, "mytask", "k1", cause=Cause(kind=CauseKind.COMMIT, source_trigger=told))
    assert made.run_type == "AutoBuild"
    variables = hands.claim(made).variables
    assert (variables.commit, variables.branch, variables.triggered_by) == ("abc", "main", "Commit")


@pytest.mark.parametrize("kind", [CauseKind.TIMER, CauseKind.COMMIT])
def test_a_cause_without_its_member_cannot_be(kind: CauseKind) -> None:
    with pytest.raises(ValueError, match="needs"):
        Cause(kind=kind)


def finished(hands: "Hands", made: Run, grant: Grant, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    base = Image(registry="r.example", repository="base", tag="1", digest="sha256:" + "b" * 64)
    told = hands.report(grant, outcome, dependencies=[ImageDependency(runtime=base)])
    report(hands.shop, hands.bearer(grant), told)
    assert hands.get(made).is_terminal


def test_a_successful_run_leaves_its_base_images_on_the_task(hands: "Hands") -> None:
    put(hands, "mytask", DOCKER)
    failed = run(hands, "mytask", "k1")
    finished(hands, failed, hands.claim(failed), Outcome.FAILED)
    assert hands.shop.tasks.get(hands.partition, "mytask").base_images == ()
    good = run(hands, "mytask", "k2")
    finished(hands, good, hands.claim(good))
    task = hands.shop.tasks.get(hands.partition, "mytask")
    assert [(one.type, one.repository, one.tag) for one in task.base_images] == [("Runtime", "base", "1")]
    assert task.base_images_run == good.id
    assert hands.get(good).base_images == task.base_images
    close(hands.shop, hands.get(good))


def request(hands: "Hands", name: str = "mytask", **changes: object) -> dict[str, Any]:
    return {"type": "TaskRunRequest", "taskId": f"{owner(hands)}/tasks/{name}", **changes}


def keeper(hands: "Hands") -> TaskRunKeeper:
    return TaskRunKeeper(hands.shop, hands.registry, owner(hands), ME)


def all_runs(hands: "Hands") -> list[Run]:
    return list(hands.shop.store.newest(hands.partition))


def test_a_task_run_makes_one_run_for_one_content(hands: "Hands") -> None:
    put(hands, "mytask", ENCODED)
    body = {"properties": {"runRequest": request(hands), "forceUpdateTag": "1"}}
    first = keeper(hands).put("myrun", body)
    assert first.is_new
    assert first.run is not None
    assert provisioning_state(first.stored.task_run, first.run) == "Creating"
    again = keeper(hands).put("MYRUN", body)
    assert (again.is_new, again.run and again.run.id) == (False, first.run.id)
    assert len(all_runs(hands)) == 1
    hands.later(seconds=1)
    body["properties"]["forceUpdateTag"] = "2"
    second = keeper(hands).put("myrun", body)
    assert second.run is not None
    assert second.run.id != first.run.id
    cancel(hands.shop, hands.partition, second.run.id)
    ended = keeper(hands).run_of(second.stored.task_run)
    assert provisioning_state(second.stored.task_run, ended) == "Canceled"
    hands.later(seconds=1)
    third = keeper(hands).patch("myrun", {"properties": {"forceUpdateTag": "3"}})
    assert third.is_new
    assert [one.task_run.name for one in keeper(hands).all()] == ["myrun"]
    assert keeper(hands).delete("myrun")
    assert not keeper(hands).delete("myrun")
    assert len(all_runs(hands)) == 3
    hands.later(seconds=1)
    assert keeper(hands).put("myrun", body).is_new


def test_a_task_run_whose_writer_died_is_completed(hands: "Hands", monkeypatch: pytest.MonkeyPatch) -> None:
    put(hands, "mytask", ENCODED)
    body = {"properties": {"runRequest": request(hands)}}

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shared.runs.task_runs.submit_any", die)
        with pytest.raises(KeyboardInterrupt):
            keeper(hands).put("myrun", body)
    assert provisioning_state(keeper(hands).get("myrun").task_run, None) == "Creating"
    written = keeper(hands).put("myrun", body)
    assert written.run is not None
    assert len(all_runs(hands)) == 1


@pytest.mark.parametrize("was_there", [False, True])
def test_a_task_run_that_cannot_be_run_leaves_things_as_they_were(hands: "Hands", *, was_there: bool) -> None:
    put(hands, "mytask", ENCODED)
    good = {"properties": {"runRequest": request(hands)}}
    if was_there:
        keeper(hands).put("myrun", good)
    with pytest.raises(NotFound):
        keeper(hands).put("myrun", {"properties": {"runRequest": request(hands, "notask")}})
    assert [one.task_run.name for one in keeper(hands).all()] == (["myrun"] if was_there else [])
    if was_there:
        assert not keeper(hands).put("myrun", good).is_new


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"properties": {}},
        {"properties": {"runRequest": {"type": "Nonsense"}}},
        {"properties": {"runRequest": {"type": "TaskRunRequest"}}},
        {"properties": {"runRequest": {"type": "TaskRunRequest", "taskId": "/nonsense"}}},
    ],
)
def test_a_task_run_without_a_request_is_refused(hands: "Hands", body: object) -> None:
    with pytest.raises(InvalidRequest):
        keeper(hands).put("myrun", body)
    assert keeper(hands).all() == []


def test_the_secrets_of_a_task_run_are_sealed(hands: "Hands") -> None:
    put(hands, "mytask", ENCODED)
    overrides = {"values": [{"name": "s", "value": "hunter2", "isSecret": True}]}
    body = {"properties": {"runRequest": request(hands, overrideTaskStepProperties=overrides)}}
    stored = keeper(hands).put("myrun", body).stored
    assert "hunter2" not in str(stored.row.values)
    assert "hunter2" in str(stored.full.properties.run_request)
    assert "hunter2" not in str(stored.task_run.spec)


def pools(hands: "Hands") -> PoolKeeper:
    return PoolKeeper(hands.shop, owner(hands), "here", ME)


def in_pool(hands: "Hands", key: str, pool: str = "mypool") -> Run:
    body = {"type": "EncodedTaskRunRequest", "agentPoolName": pool, "sourceLocation": None}
    return hands.submit(key, **body, encodedTaskContent="c3RlcHM6IFtdCg==")


def test_an_unknown_pool_is_refused(hands: "Hands") -> None:
    with pytest.raises(InvalidRequest, match="nopool"):
        in_pool(hands, "k1", "nopool")


def test_runs_of_a_pool_wait_for_its_builders_and_for_no_others(hands: "Hands") -> None:
    pools(hands).put("MyPool", {"properties": {"count": 1}})
    keep_warm(hands.shop, hands.registry)
    (warm,) = hands.groups.started
    first, second, third = (in_pool(hands, f"k{number}") for number in range(3))
    assert hands.get(first).group == warm
    assert [hands.get(one).status for one in (second, third)] == [Status.QUEUED, Status.QUEUED]
    assert hands.log(third).endswith("Position in the queue: 2.\r\n")
    assert pools(hands).queue_length("mypool") == 2
    assert hands.get(hands.submit("other")).status is Status.STARTED
    keep_warm(hands.shop, hands.registry)
    assert len(hands.groups.started) == 2
    cancel(hands.shop, hands.partition, first.id)
    assert hands.get(second).status is Status.STARTED
    assert hands.get(second).group == warm


def test_a_larger_pool_runs_more_at_once(hands: "Hands") -> None:
    pools(hands).put("mypool", {"properties": {"count": 0}})
    runs = [in_pool(hands, f"k{number}") for number in range(3)]
    assert {hands.get(one).status for one in runs} == {Status.QUEUED}
    pools(hands).patch("mypool", {"properties": {"count": 2}})
    dispatch(hands.shop, hands.partition)
    assert [hands.get(one).status for one in runs] == [Status.STARTED, Status.STARTED, Status.QUEUED]


def test_a_deleted_pool_is_shown_for_a_moment_and_its_queue_ends(hands: "Hands") -> None:
    pools(hands).put("mypool", {"properties": {"count": 1}})
    keep_warm(hands.shop, hands.registry)
    runs = [in_pool(hands, f"k{number}") for number in range(2)]
    pools(hands).delete("mypool")
    assert pools(hands).get("mypool").deleted
    dispatch(hands.shop, hands.partition)
    assert [hands.get(one).status for one in runs] == [Status.STARTED, Status.ERROR]
    assert "agent pool" in hands.log(runs[1])
    hands.later(seconds=6)
    with pytest.raises(NotFound):
        pools(hands).get("mypool")
    assert pools(hands).all() == []
    keep_warm(hands.shop, hands.registry)
    assert hands.shop.agent_pools.find(hands.partition, "mypool") is None
    assert set(hands.groups.running) == {hands.get(runs[0]).group}
    with pytest.raises(NotFound):
        pools(hands).delete("mypool")


@pytest.mark.parametrize(
    ("name", "body", "target"),
    [
        ("ab", {}, "agentPoolName"),
        ("mypool", {"properties": {"count": 21}}, "properties.count"),
        ("mypool", {"properties": {"count": -1}}, "properties.count"),
        ("mypool", {"properties": {"tier": "XL"}}, "properties.tier"),
        ("mypool", {"properties": {"os": "Windows"}}, "properties.os"),
        ("mypool", [], "body"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(hands: "Hands", name: str, body: object, target: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        pools(hands).put(name, body)
    assert refusal.value.target == target


def test_a_strangers_task_reads_the_layers_of_what_the_task_published_when_it_was_trusted(hands: "Hands") -> None:
    settings = hands.shop.settings.model_copy(update={"cache_repository": "caches/{repository}"})
    apart = replace(hands, shop=replace(hands.shop, settings=settings))
    put(apart, "mytask", ENCODED)
    asked = LoginRequest(pull=("team/boat", "caches/team/boat", "caches/other"), push=("caches/team/boat",))
    strange = apart.claim(run(apart, "mytask", "k1", is_untrusted=True))
    assert login(apart.shop, apart.bearer(strange), asked).token is None
    own, other = apart.registry.login_server, "docker.io"
    images = (Image(registry=own, repository="team/boat", tag="1"), Image(registry=other, repository="other", tag="1"))
    trusted = apart.claim(run(apart, "mytask", "k2"))
    report(apart.shop, apart.bearer(trusted), apart.report(trusted, images=images))
    again = apart.claim(run(apart, "mytask", "k3", is_untrusted=True))
    assert again.cache == LayerCache(repository="caches/{repository}", is_writable=False)
    assert login(apart.shop, apart.bearer(again), asked).token == "caches/team/boat|"
