"""Events of git hosts become runs, on a real Azurite: which commit, how often, and what is said about it."""

from typing import TYPE_CHECKING

import pytest

from shared.errors import Forbidden, Throttled
from shared.grant import LoginRequest, SecretsRequest
from shared.runs.builder_logins import login
from shared.runs.model import Run, Status
from shared.runs.sealed import open_request
from shared.runs.secrets import read_secrets
from shared.runs.submit import run_variables
from shared.triggers.decisions import DecisionStore, Verdict
from shared.triggers.explain import explain_run
from shared.triggers.git import starting
from shared.triggers.git.events import Ignored, Ping, PullRequestAction, Repository
from shared.triggers.timers.scheduler import open_scheduler
from tests.shared.triggers.git.yard import URL, commit, pull_request, push

if TYPE_CHECKING:
    from tests.shared.triggers.git.yard import Yard

pytestmark = pytest.mark.slow


def test_a_push_builds_the_very_commit(yard: "Yard") -> None:
    yard.put()
    yard.hear(push(1, 2))
    (run,) = yard.runs
    assert (run.task, run.run_type, run.cause.kind, run.status) == ("vessel", "AutoBuild", "Commit", Status.QUEUED)
    source = run.cause.source_trigger
    assert source is not None
    assert source.json_object() | {"id": ""} == {
        "id": "",
        "eventType": "Commit",
        "commitId": commit(2),
        "repositoryUrl": URL,
        "branchName": "main",
        "providerType": "Github",
    }
    request = open_request(yard.shop, run)
    assert request.source_location == f"{URL}#{commit(2)}:hull"
    assert request.context_access_token == "hunter2-pat"
    variables = run_variables(yard.registry, run)
    assert (variables.commit, variables.branch, variables.repository) == (commit(2), "main", URL)
    assert variables.triggered_by == "Commit"
    (decision,) = yard.decisions()
    assert (decision.verdict, decision.run_id) == (Verdict.STARTED, run.id)
    assert decision.reason == "ada pushed to the branch main."
    assert decision.subject == f"main at {commit(2)[:12]}"
    told = explain_run(yard.shop, open_scheduler(yard.shop), run).json_object()
    assert told["reason"] == decision.reason


def test_an_event_that_comes_again_starts_nothing_more(yard: "Yard") -> None:
    yard.put()
    key = yard.hear(push(1, 2))
    yard.hear(push(2, 3))
    for _ in range(3):
        yard.hear(push(1, 2), key)
    assert yard.built == [2, 3]
    assert len(yard.decisions()) == 2


@pytest.mark.parametrize("crash", ["run_task", "record"])
def test_a_crash_in_between_costs_nothing(yard: "Yard", monkeypatch: pytest.MonkeyPatch, crash: str) -> None:
    yard.put(supersedes=True)
    with monkeypatch.context() as patch:
        where: object = starting if crash == "run_task" else DecisionStore

        def fail(*_: object) -> Run:
            raise Throttled("storage is busy")

        patch.setattr(where, crash, fail)
        with pytest.raises(Throttled):
            yard.hear(push(1, 2), "once")
    yard.hear(push(1, 2), "once")
    assert yard.built == [2]
    assert [one.verdict for one in yard.decisions()] == [Verdict.STARTED]


def test_every_task_that_watches_is_asked_and_every_no_has_a_reason(yard: "Yard") -> None:
    yard.put("exact")
    yard.put("other", branch="release")
    yard.put("globes", branch="release", branches=["ma*"])
    yard.put("asleep", status="Disabled")
    yard.put("elsewhere", url="https://git.example/yard/raft.git")
    yard.put("requests", events=["pullrequest"])
    yard.hear(push(1, 2))
    assert sorted(run.task or "" for run in yard.runs) == ["exact", "globes"]
    reasons = {
        name: [one.reason for one in yard.decisions(name)] for name in ("other", "asleep", "elsewhere", "requests")
    }
    assert reasons == {
        "other": ["The branch is main; the trigger default is for release."],
        "asleep": ["The trigger default is disabled."],
        "elsewhere": [],
        "requests": ["The trigger default is not for commits."],
    }


def test_what_is_no_push_starts_nothing(yard: "Yard") -> None:
    yard.put()
    yard.hear(Ping())
    yard.hear(Ignored(reason="Nothing follows from stars."))
    yard.hear(push(1, 0))
    yard.hear(push(1, 2, repository=Repository(name="yard/raft", clone_url="https://git.example/yard/raft.git")))
    assert yard.runs == []
    assert [one.reason for one in yard.decisions()][::-1][:2] == ["Nothing follows from stars.", "main was deleted."]


def test_a_disabled_task_says_so(yard: "Yard") -> None:
    yard.put(properties={"status": "Disabled"})
    yard.hear(push(1, 2))
    assert yard.runs == []
    assert [one.reason for one in yard.decisions()] == ["The task vessel is disabled."]


def test_rules_beyond_acr_are_heeded(yard: "Yard") -> None:
    yard.put(actors=["bob"], tags=["v*"])
    yard.hear(push(1, 2))
    assert yard.runs == []
    assert "not among the actors" in yard.decisions()[0].reason


def test_a_tag_is_built_at_its_commit(yard: "Yard") -> None:
    yard.put(tags=["v*"])
    yard.hear(push(0, 5, ref="refs/tags/v1", commit=commit(6)))
    (run,) = yard.runs
    assert yard.built == [6]
    variables = run_variables(yard.registry, run)
    assert (variables.git_tag, variables.branch, variables.commit) == ("v1", "", commit(6))


def test_a_new_branch_at_a_commit_that_was_built_starts_nothing(yard: "Yard") -> None:
    yard.put()
    yard.hear(push(1, 2))
    yard.hear(push(2, 0))
    yard.hear(push(0, 2))
    assert yard.built == [2]
    yard.hear(push(0, 3))
    assert yard.built == [2, 3]


def test_a_branch_forced_back_and_forth_is_built_each_time(yard: "Yard") -> None:
    yard.put()
    for before, after in ((1, 2), (2, 1), (1, 2)):
        yard.hear(push(before, after, is_forced=True))
    assert yard.built == [2, 1, 2]


def test_a_newer_push_supersedes_by_choice_alone(yard: "Yard") -> None:
    yard.put("keeper")
    yard.put("dropper", supersedes=True)
    yard.hear(push(1, 2))
    yard.hear(push(2, 3))
    yard.hear(push(1, 9, branch="other"))
    status = {(run.task, run.cause.source_trigger and run.cause.source_trigger.commit_id): run for run in yard.runs}
    assert status["keeper", commit(2)].status is Status.QUEUED
    old, new = status["dropper", commit(2)], status["dropper", commit(3)]
    assert (old.status, new.status) == (Status.CANCELED, Status.QUEUED)
    assert f"The run {new.id} of main at" in (old.error or "")
    (told,) = [one for one in yard.decisions("dropper") if one.verdict is Verdict.SUPPRESSED and one.run_id]
    assert told.run_id == old.id


def test_a_push_whose_delivery_is_late_is_built_and_supersedes_nothing(yard: "Yard") -> None:
    yard.put(supersedes=True)
    yard.hear(push(2, 3))
    yard.hear(push(1, 2))
    assert yard.built == [3, 2]
    assert [run.status for run in yard.runs] == [Status.QUEUED, Status.QUEUED]


def test_a_run_that_cannot_be_made_is_refused_with_the_reason(yard: "Yard") -> None:
    yard.put(properties={"agentPoolName": "nowhere"})
    yard.hear(push(1, 2))
    assert yard.runs == []
    (decision,) = yard.decisions()
    assert decision.verdict is Verdict.REFUSED
    assert "The agent pool 'nowhere' does not exist" in decision.reason


def test_a_task_of_another_context_is_run_as_it_is(yard: "Yard") -> None:
    yard.put(step={"contextPath": "https://git.example/yard/raft.git#main"})
    yard.hear(push(1, 2))
    (run,) = yard.runs
    assert open_request(yard.shop, run).source_location == "https://git.example/yard/raft.git#main"


def test_a_pull_request_is_built_until_it_is_closed(yard: "Yard") -> None:
    yard.put(events=["pullrequest"])
    yard.hear(pull_request(PullRequestAction.OPENED, 2))
    yard.hear(pull_request(PullRequestAction.UPDATED, 2))
    yard.hear(pull_request(PullRequestAction.UPDATED, 3))
    assert yard.built == [2, 3]
    run = yard.runs[0]
    assert run.cause.kind == "Pull Request"
    assert run.cause.source_trigger is not None
    assert (run.cause.source_trigger.pull_request_id, run.cause.source_trigger.branch_name) == ("7", "topic")
    yard.hear(pull_request(PullRequestAction.CLOSED, 3))
    assert {one.status for one in yard.runs} == {Status.CANCELED}
    assert yard.runs[0].error == "Pull request 7 was closed."


def test_forks_are_off(yard: "Yard") -> None:
    yard.put(events=["pullrequest"])
    yard.hear(pull_request(PullRequestAction.OPENED, 2, is_fork=True))
    assert yard.runs == []
    assert "is from a fork" in yard.decisions()[0].reason


def test_a_fork_gets_no_secret_and_publishes_nothing(yard: "Yard") -> None:
    yard.put(events=["pullrequest"], allows_forks=True)
    yard.hear(pull_request(PullRequestAction.OPENED, 2, is_fork=True))
    (run,) = yard.runs
    assert run.is_untrusted
    assert run.push_repositories == ()
    request = open_request(yard.shop, run)
    assert "hunter2" not in request.model_dump_json()
    assert request.source_location == f"{URL}#{commit(2)}:hull"
    assert '"OPEN"' in request.model_dump_json()


def test_the_builder_of_a_fork_is_refused_logins_and_secrets(yard: "Yard", monkeypatch: pytest.MonkeyPatch) -> None:
    yard.put(events=["pullrequest"], allows_forks=True)
    yard.hear(pull_request(PullRequestAction.OPENED, 2, is_fork=True))
    (run,) = yard.runs
    monkeypatch.setattr("shared.runs.builder_logins.own_run", lambda *_: run)
    monkeypatch.setattr("shared.runs.secrets.own_run", lambda *_: run)
    bearer: object = type("Bearer", (), {"registry": yard.partition})()
    answer = login(yard.shop, bearer, LoginRequest(pull=("private",), push=("boat",)))  # type: ignore[arg-type] # the run is given
    assert (answer.token, answer.password) == (None, None)
    with pytest.raises(Forbidden):
        read_secrets(yard.shop, None, bearer, SecretsRequest(secrets=()))  # type: ignore[arg-type] # none is read
