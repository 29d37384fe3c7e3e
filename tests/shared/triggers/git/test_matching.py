"""What follows from an event for a task."""

from dataclasses import replace

import pytest

from shared.triggers.git.events import (
    Actor,
    Commit,
    Ignored,
    Ping,
    PullRequest,
    PullRequestAction,
    Push,
    Repository,
)
from shared.triggers.git.matching import Decision, GitTrigger, Verdict, decide, is_commit, is_legal_ref
from tests.shared.triggers.git.payloads import NEW, NONE, OLD, TIP

BOAT = Repository(name="yard/boat", clone_url="https://github.example/yard/boat.git")
TRIGGER = GitTrigger("source", "https://github.example/yard/boat", "main")
BOTH = replace(TRIGGER, on_pull_request=True)
PUSH = Push(
    repository=BOAT,
    ref="refs/heads/main",
    before=OLD,
    after=NEW,
    commits=(Commit(id=NEW, paths=("hull/paint.txt", "README.md")),),
    is_complete=True,
    actor=Actor(name="ada", id="9"),
)
REQUEST = PullRequest(
    action=PullRequestAction.OPENED,
    number=12,
    repository=BOAT,
    source=BOAT,
    base_ref="refs/heads/main",
    head_ref="refs/heads/topic",
    head_commit=NEW,
    fetch_ref="refs/pull/12/head",
    is_fork=False,
    actor=Actor(name="ada", id="9"),
)


def push(**changes: object) -> Push:
    return PUSH.model_copy(update=changes)


def request(**changes: object) -> PullRequest:
    return REQUEST.model_copy(update=changes)


def refusal(decision: Decision) -> str:
    assert decision.verdict is Verdict.NOTHING, decision
    assert decision.reason.endswith(".")
    return decision.reason


def test_a_push_to_the_branch_builds_its_newest_commit() -> None:
    decision = decide(TRIGGER, PUSH)
    assert decision == Decision(
        Verdict.START, "ada pushed to the branch main.", NEW, "refs/heads/main", "refs/heads/main"
    )


@pytest.mark.parametrize("branch", ["Main", "main2", "domain", "topic/main", "main/x"])
def test_the_branch_is_compared_whole_and_with_its_case(branch: str) -> None:
    assert branch in refusal(decide(TRIGGER, push(ref=f"refs/heads/{branch}")))


def test_globs_name_further_branches() -> None:
    trigger = replace(TRIGGER, branches=("release/*",))
    assert decide(trigger, push(ref="refs/heads/release/1")).verdict is Verdict.START
    assert decide(trigger, PUSH).verdict is Verdict.START
    refusal(decide(trigger, push(ref="refs/heads/release/1/x")))


def test_tags_start_nothing_unless_a_glob_names_them() -> None:
    tag = push(ref="refs/tags/v1", after=TIP, commit=NEW)
    assert "tag v1" in refusal(decide(TRIGGER, tag))
    decision = decide(replace(TRIGGER, tags=("v*",)), tag)
    assert (decision.verdict, decision.commit) == (Verdict.START, NEW)
    refusal(decide(replace(TRIGGER, tags=("v*",)), push(ref="refs/notes/v1")))


def test_a_disabled_trigger_and_one_for_pull_requests_only() -> None:
    assert "disabled" in refusal(decide(replace(TRIGGER, is_enabled=False), PUSH))
    assert "commits" in refusal(decide(replace(BOTH, on_commit=False), PUSH))


def test_another_repository_starts_nothing() -> None:
    assert "yard/raft" in refusal(decide(TRIGGER, push(repository=Repository(name="yard/raft"))))


def test_a_deleted_branch_starts_nothing() -> None:
    assert "deleted" in refusal(decide(TRIGGER, push(after=NONE, is_deleted=True)))


def test_a_forced_push_builds() -> None:
    decision = decide(TRIGGER, push(is_forced=True), last_commit=NEW)
    assert decision.verdict is Verdict.START
    assert "force-pushed" in decision.reason


def test_a_new_branch_builds_unless_its_commit_has_a_run() -> None:
    new = push(before=NONE, is_new=True, commits=())
    assert decide(TRIGGER, new).verdict is Verdict.START
    assert decide(TRIGGER, new, last_commit=OLD).verdict is Verdict.START
    assert "already" in refusal(decide(TRIGGER, new, last_commit=NEW))


def test_a_creation_without_a_commit_waits_for_its_push() -> None:
    assert "beside it" in refusal(decide(TRIGGER, push(before=NONE, after="", is_new=True)))


def test_a_push_that_moves_nothing_starts_nothing() -> None:
    refusal(decide(TRIGGER, push(before=NEW)))


@pytest.mark.parametrize("commit", ["", "main", "-x" * 20, "g" * 40, "1" * 65, "12345", "--upload-pack=x", NEW + "\n"])
def test_what_is_no_commit_is_never_built(commit: str) -> None:
    assert not is_commit(commit)
    refusal(decide(TRIGGER, push(after=commit)))
    refusal(decide(BOTH, request(head_commit=commit)))


@pytest.mark.parametrize(
    "ref",
    [
        *("main", "--upload-pack=x", "refs/main"),
        *(f"refs/heads/{name}" for name in ("", "a b", "a..b", "a\x00", "a~", ".a", "a.lock", "a//b", "@{x", "\x7f")),
    ],
)
def test_what_is_no_ref_is_never_built(ref: str) -> None:
    assert not is_legal_ref(ref)
    refusal(decide(replace(TRIGGER, branches=("**",)), push(ref=ref)))


@pytest.mark.parametrize("ref", ["refs/heads/--upload-pack=x", "refs/heads/$(id)", "refs/heads/`id`", "refs/heads/ä"])
def test_odd_refs_are_legal_ones_and_data(ref: str) -> None:
    assert decide(replace(TRIGGER, branches=("**",)), push(ref=ref)).ref == ref


def test_changed_paths() -> None:
    assert decide(replace(TRIGGER, paths=("hull/**",)), PUSH).verdict is Verdict.START
    assert "2 changed files" in refusal(decide(replace(TRIGGER, paths=("sail/**",)), PUSH))
    refusal(decide(replace(TRIGGER, paths=("**",), ignored_paths=("hull/**", "*.md")), PUSH))
    assert decide(replace(TRIGGER, ignored_paths=("*.md",)), PUSH).verdict is Verdict.START
    refusal(decide(replace(TRIGGER, ignored_paths=("**",)), PUSH))


def test_paths_that_are_not_all_known_do_not_stop_a_run() -> None:
    assert decide(replace(TRIGGER, paths=("sail/**",)), push(is_complete=False)).verdict is Verdict.START
    assert decide(replace(TRIGGER, paths=("sail/**",)), push(is_forced=True)).verdict is Verdict.START


def test_actors_are_compared_whole() -> None:
    trigger = replace(TRIGGER, actors=("9",))
    assert decide(trigger, PUSH).verdict is Verdict.START
    for actor in (Actor(name="eve", id="99"), Actor(name="9x", id="19"), Actor()):
        refusal(decide(trigger, push(actor=actor)))


def test_a_skip_mark_counts_where_the_trigger_honours_it() -> None:
    assert decide(TRIGGER, push(asks_to_skip=True)).verdict is Verdict.START
    refusal(decide(replace(TRIGGER, honours_skip=True), push(asks_to_skip=True)))
    refusal(decide(replace(BOTH, honours_skip=True), request(asks_to_skip=True)))


def test_pull_requests_are_off_unless_asked_for() -> None:
    assert "pull requests" in refusal(decide(TRIGGER, REQUEST))
    assert decide(BOTH, REQUEST) == Decision(
        Verdict.START, "Pull request 12 was opened.", NEW, "refs/pull/12/head", "pull request 12"
    )


@pytest.mark.parametrize("action", PullRequestAction)
def test_what_must_happen_to_a_pull_request(action: PullRequestAction) -> None:
    expected = {
        PullRequestAction.OTHER: Verdict.NOTHING,
        PullRequestAction.CLOSED: Verdict.CANCEL,
        PullRequestAction.MERGED: Verdict.CANCEL,
    }.get(action, Verdict.START)
    assert decide(BOTH, request(action=action)).verdict is expected


def test_a_pull_request_counts_by_the_branch_that_it_is_for() -> None:
    refusal(decide(BOTH, request(base_ref="refs/heads/other", head_ref="refs/heads/main")))


def test_an_update_to_a_commit_that_has_a_run_starts_nothing() -> None:
    refusal(decide(BOTH, request(action=PullRequestAction.UPDATED), last_commit=NEW))
    refusal(decide(BOTH, request(action=PullRequestAction.UPDATED, head_commit=NEW[:12]), last_commit=NEW))
    assert decide(BOTH, request(action=PullRequestAction.REOPENED), last_commit=NEW).verdict is Verdict.START


def test_a_fork_is_refused_or_not_trusted() -> None:
    fork = request(is_fork=True, fetch_ref="")
    assert "fork" in refusal(decide(BOTH, fork))
    decision = decide(replace(BOTH, allows_forks=True), fork)
    assert (decision.verdict, decision.is_untrusted, decision.ref) == (Verdict.START, True, "")


def test_a_host_without_refs_of_pull_requests_gives_the_branch() -> None:
    assert decide(BOTH, request(fetch_ref="")).ref == "refs/heads/topic"


def test_drafts_build_unless_the_trigger_says_no() -> None:
    assert decide(BOTH, request(is_draft=True)).verdict is Verdict.START
    refusal(decide(replace(BOTH, allows_drafts=False), request(is_draft=True)))


def test_nothing_follows_from_a_ping_or_an_ignored_event() -> None:
    refusal(decide(BOTH, Ping()))
    assert refusal(decide(BOTH, Ignored(reason="No one cares."))) == "No one cares."
