"""Deliveries on a real Azurite: each once, durable before the answer, and alike to those who do not know the secret."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.errors import TooLarge, Unauthenticated, Unavailable
from shared.metrics import Metric
from shared.storage import Change, Table
from shared.triggers.git.deliveries import DeliveryStore
from shared.triggers.git.events import HostKind, Push
from shared.triggers.git.host import MAX_BODY
from shared.triggers.git.reading import digest
from shared.triggers.git.receive import Desk, ReceiptState, receive
from tests.conftest import Counted
from tests.shared.triggers.git.conftest import REGISTRY, Office
from tests.shared.triggers.git.payloads import (
    NEW,
    azure_push,
    azure_update,
    cloud_push,
    github_commit,
    github_push,
    gitlab_push,
    server_push,
    signed,
)

pytestmark = pytest.mark.slow


def branch(number: int) -> dict[str, Any]:
    return github_push(ref=f"refs/heads/b{number}")


def branches(office: Office) -> list[str]:
    return [event.branch for _, event in office.ear.heard if isinstance(event, Push)]


def test_a_delivery_is_kept_announced_and_handed_on(office: Office) -> None:
    hook = office.hook()
    assert office.deliver(hook, github_push()).state is ReceiptState.ACCEPTED
    office.desk.announcer.wait(5)
    assert office.messages.sent == [{"registry": REGISTRY}]
    office.drain.run(REGISTRY)
    ((_, event),) = office.ear.heard
    assert isinstance(event, Push)
    assert (event.branch, event.after, event.paths) == ("main", NEW, frozenset({"hull/paint.txt"}))
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


@pytest.mark.parametrize(
    ("host", "event", "body"),
    [
        (HostKind.GITHUB, "push", github_push()),
        (HostKind.GITLAB, "Push Hook", gitlab_push()),
        (HostKind.BITBUCKET_CLOUD, "repo:push", cloud_push()),
        (HostKind.BITBUCKET_SERVER, "repo:refs_changed", server_push()),
        (HostKind.AZURE_DEVOPS, "", azure_push()),
        (HostKind.GITEA, "push", github_push()),
    ],
)
def test_each_host_delivers_once(office: Office, host: HostKind, event: str, body: Any) -> None:
    hook = office.hook(host)
    assert office.deliver(hook, body, event).state is ReceiptState.ACCEPTED
    assert office.deliver(hook, body, event).state is ReceiptState.REPEATED
    office.drain.run(REGISTRY)
    assert branches(office) == ["main"]


def another(desk: Desk, table: Table) -> Desk:
    """Answer the desk of another process."""
    return Desk(desk.hooks, DeliveryStore(table), desk.announcer, desk.clock)


def test_a_repetition_is_known_to_every_process_even_when_all_is_done(office: Office) -> None:
    hook = office.hook()
    request = signed(HostKind.GITHUB, "push", github_push(), hook.secrets[0])
    office.take(hook, request)
    office.drain.run(REGISTRY)
    again = receive(another(office.desk, office.delivery_table), hook.id, request.headers, request.body)
    assert again.state is ReceiptState.REPEATED
    replayed = dict(request.headers) | {"X-GitHub-Delivery": "a new one"}
    replay = receive(another(office.desk, office.delivery_table), hook.id, replayed, request.body)
    assert replay.state is ReceiptState.REPEATED
    office.drain.run(REGISTRY)
    assert branches(office) == ["main"]


def test_the_same_body_for_another_hook_is_another_delivery(office: Office) -> None:
    for hook in (office.hook(), office.hook()):
        assert office.deliver(hook, github_push()).state is ReceiptState.ACCEPTED


def test_an_unknown_hook_and_a_wrong_signature_get_the_same_answer(office: Office) -> None:
    hook = office.hook()
    request = signed(HostKind.GITHUB, "push", github_push(), "not the secret")
    answers = []
    for identifier in (hook.id, "0" * 32, "nonsense"):
        with pytest.raises(Unauthenticated) as refused:
            receive(office.desk, identifier, request.headers, request.body)
        answers.append((refused.value.status, refused.value.code, refused.value.message))
    assert len(set(answers)) == 1
    for identifier in (hook.id, "0" * 32):
        with pytest.raises(TooLarge):
            receive(office.desk, identifier, request.headers, b" " * (MAX_BODY + 1))
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_a_new_secret_holds_a_second_later_and_the_old_one_beside_it(office: Office) -> None:
    old = office.hook()
    office.deliver(old, branch(1))
    new = office.hooks.rotate(old.id)
    office.later(seconds=2)
    assert office.deliver(new, branch(2)).state is ReceiptState.ACCEPTED
    assert office.deliver(old, branch(3)).state is ReceiptState.ACCEPTED
    office.hooks.settle(old.id)
    office.later(seconds=6)
    with pytest.raises(Unauthenticated):
        office.deliver(old, branch(4))


def test_a_known_sender_never_gets_an_error_for_what_it_sent(office: Office) -> None:
    hook = office.hook(HostKind.AZURE_DEVOPS)
    for body in (b"", b"{", b"[]", b"{}", b'{"eventType": "build.complete"}', azure_push(resource=None)):
        receipt = office.deliver(hook, body)
        assert receipt.state is ReceiptState.IGNORED
        assert receipt.reason
    assert office.deliver(office.hook(), {"zen": "x"}, "ping").state is ReceiptState.IGNORED
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_what_could_not_be_kept_is_raised_and_can_be_sent_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = office.hook()

    def away(_table: Table, _changes: Sequence[Change]) -> None:
        raise Unavailable("storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "transaction", away)
        with pytest.raises(Unavailable):
            office.deliver(hook, github_push())
    assert office.deliver(hook, github_push()).state is ReceiptState.ACCEPTED


def test_several_refs_of_one_delivery_have_keys_of_their_own(office: Office) -> None:
    hook = office.hook(HostKind.AZURE_DEVOPS)
    office.deliver(hook, azure_push(azure_update("refs/heads/a"), azure_update("refs/heads/b")))
    office.drain.run(REGISTRY)
    assert branches(office) == ["a", "b"]
    assert len({key for key, _ in office.ear.heard}) == 2


def test_three_hundred_deliveries_twice_from_many_threads_and_two_processes(office: Office) -> None:
    hook = office.hook()
    desks = [office.desk, another(office.desk, office.delivery_table)]
    requests = [signed(HostKind.GITHUB, "push", branch(number), hook.secrets[0]) for number in range(300)]

    def deliver(number: int) -> ReceiptState:
        request = requests[number % 300]
        return receive(desks[number % 3 % 2], hook.id, request.headers, request.body).state

    with ThreadPoolExecutor(16) as threads:
        states = list(threads.map(deliver, range(600)))
    assert states.count(ReceiptState.ACCEPTED) == 300
    assert states.count(ReceiptState.REPEATED) == 300
    office.drain.run(REGISTRY)
    assert sorted(branches(office)) == sorted(f"b{number}" for number in range(300))
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_a_delivery_of_any_size_fits_a_row(office: Office) -> None:
    hook = office.hook()
    paths = [digest(str(number)) for number in range(15_000)]
    commits = [github_commit(f"{number:040x}", added=paths[number * 10 : number * 10 + 10]) for number in range(1300)]
    receipt = office.deliver(hook, github_push(commits=commits))
    assert receipt.state is ReceiptState.ACCEPTED
    office.drain.run(REGISTRY)
    ((_, event),) = office.ear.heard
    assert isinstance(event, Push)
    assert (event.after, event.paths) == (NEW, None)
    many = [azure_update(f"refs/heads/{number * 7919 % 100_003}", f"{number:040x}") for number in range(3000)]
    assert office.deliver(office.hook(HostKind.AZURE_DEVOPS), azure_push(*many)).state is ReceiptState.ACCEPTED
    office.drain.run(REGISTRY)
    assert len(office.ear.heard) > 1000


def test_an_event_that_fails_stays_and_keeps_nobody_waiting(office: Office) -> None:
    hook = office.hook()
    office.deliver(hook, branch(1))
    office.later(seconds=1)
    office.deliver(hook, branch(2))
    office.ear.fails = 1
    office.drain.run(REGISTRY)
    assert branches(office) == ["b2"]
    office.later(seconds=20)
    office.drain.sweep(REGISTRY)
    assert branches(office) == ["b2", "b1"]


def test_the_sweep_leaves_what_is_new_to_the_message(office: Office) -> None:
    office.deliver(office.hook(), github_push())
    office.drain.sweep(REGISTRY)
    assert branches(office) == []
    office.later(seconds=16)
    office.drain.sweep(REGISTRY)
    assert branches(office) == ["main"]


def test_deliveries_come_in_the_order_in_which_they_were_taken(office: Office) -> None:
    hook = office.hook()
    for number in (3, 1, 2):
        office.deliver(hook, branch(number))
        office.later(milliseconds=5)
    office.drain.run(REGISTRY)
    assert branches(office) == ["b3", "b1", "b2"]


def test_what_fails_for_a_day_is_given_up(office: Office) -> None:
    office.deliver(office.hook(), github_push())
    office.later(days=1, minutes=1)
    office.ear.fails = 1
    office.drain.run(REGISTRY)
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_deliveries_of_a_deleted_hook_come_to_nothing(office: Office) -> None:
    hook = office.hook()
    office.deliver(hook, github_push())
    office.hooks.delete(hook.id)
    office.later(seconds=6)
    office.drain.run(REGISTRY)
    assert office.ear.heard == []
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_deliveries_are_forgotten_after_seven_days(office: Office) -> None:
    hook = office.hook()
    request = signed(HostKind.GITHUB, "push", github_push(), hook.secrets[0])
    office.take(hook, request)
    office.drain.run(REGISTRY)
    office.later(days=6)
    office.desk.deliveries.purge(REGISTRY, office.now[0])
    fresh = another(office.desk, office.delivery_table)
    assert receive(fresh, hook.id, request.headers, request.body).state is ReceiptState.REPEATED
    office.later(days=2)
    office.desk.deliveries.purge(REGISTRY, office.now[0])
    fresh = another(office.desk, office.delivery_table)
    assert receive(fresh, hook.id, request.headers, request.body).state is ReceiptState.ACCEPTED


def test_a_queue_that_is_away_costs_nothing_but_time(office: Office) -> None:
    office.messages.fault = Unavailable("the queue is away")
    assert office.deliver(office.hook(), github_push()).state is ReceiptState.ACCEPTED
    office.desk.announcer.wait(5)
    assert office.messages.sent == []
    office.later(seconds=16)
    office.drain.sweep(REGISTRY)
    assert branches(office) == ["main"]


def test_many_deliveries_are_announced_by_few_messages(office: Office) -> None:
    hook = office.hook()
    for number in range(30):
        office.deliver(hook, branch(number))
    office.desk.announcer.wait(5)
    assert 1 <= len(office.messages.sent) < 10


def test_what_another_process_did_first_stands(office: Office) -> None:
    office.deliver(office.hook(), github_push())
    (pending,) = office.desk.deliveries.pending(REGISTRY)
    office.desk.deliveries.finish(pending)
    office.desk.deliveries.finish(pending)
    office.desk.deliveries.finish(pending, pending.deliveries)
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_of_deliveries_in_one_row_only_those_that_failed_come_again(office: Office) -> None:
    hook = office.hook()
    for number in (1, 2, 3):
        office.deliver(hook, branch(number))
        office.later(milliseconds=5)
    pending = list(office.desk.deliveries.pending(REGISTRY))
    deliveries = tuple(one for row in pending for one in row.deliveries)
    for row in pending[1:]:
        office.desk.deliveries.finish(row)
    office.desk.deliveries.finish(pending[0], deliveries)
    office.ear.fails = 1
    office.drain.run(REGISTRY)
    assert branches(office) == ["b2", "b3"]
    office.drain.run(REGISTRY)
    assert branches(office) == ["b2", "b3", "b1"]
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_a_row_that_cannot_be_read_keeps_nobody_waiting(office: Office) -> None:
    office.delivery_table.insert(REGISTRY, "p000000000000001|x", {"e0": "nonsense"})
    office.deliver(office.hook(), github_push())
    office.drain.run(REGISTRY)
    assert branches(office) == ["main"]
    assert list(office.desk.deliveries.pending(REGISTRY)) == []


def test_deliveries_are_counted_by_host_and_outcome(office: Office, counted: Counted) -> None:
    hook = office.hook()
    for _ in range(2):
        office.deliver(hook, github_push())
    office.deliver(hook, {"zen": "x", "hook_id": 1}, "ping")
    with pytest.raises(Unauthenticated):
        receive(office.desk, hook.id, {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=00"}, b"{}")

    assert counted(Metric.DELIVERIES) == {
        ("github", "accepted"): 1,
        ("github", "repeated"): 1,
        ("github", "ignored"): 1,
        ("", "refused"): 1,
    }
