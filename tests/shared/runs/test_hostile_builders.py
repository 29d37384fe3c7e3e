"""What a builder that has turned hostile can do to its run, and what it cannot do to anything else."""

from typing import TYPE_CHECKING

import httpx
import pytest

from shared.container_groups.service import GroupState
from shared.grant import Image, Outcome, StepContainer
from shared.runs.cancel import cancel
from shared.runs.claim import report
from shared.runs.logs import say
from shared.runs.model import Run, Status
from shared.runs.reconcile import reconcile
from shared.runs.results import read_result
from shared.storage import Blobs

if TYPE_CHECKING:
    from shared.grant import Grant
    from tests.shared.runs.conftest import Hands

pytestmark = pytest.mark.slow
DIGEST = "sha256:" + "a" * 64


def lost(hands: "Hands", run: Run) -> Run:
    """Let the run's group end in silence, and look at it."""
    hands.later(seconds=30)
    hands.groups.running[hands.get(run).group or ""] = GroupState.ENDED
    reconcile(hands.shop, hands.partition)
    return hands.get(run)


def write(grant: "Grant", content: bytes) -> None:
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
    assert httpx.put(grant.result_url, content=content, headers=headers, trust_env=False).status_code == 201


def test_a_run_is_not_said_to_have_pushed_what_is_not_its_own(hands: "Hands") -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    own = Image(registry=hands.registry.login_server, repository="hello", tag="v1", digest=DIGEST)
    theirs = own.model_copy(update={"repository": "victim"})
    report(hands.shop, hands.bearer(grant), hands.report(grant, images=[theirs, own]))
    assert hands.get(run).output_images == (own,)


@pytest.mark.parametrize("way", ["sent", "left"])
def test_a_report_that_no_row_holds_ends_its_run_all_the_same(hands: "Hands", way: str) -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    many = [Image(registry="r.example", repository="a" * 200, digest=DIGEST)] * 2000
    told = hands.report(grant, Outcome.FAILED, images=many, error="e" * 200_000)
    if way == "sent":
        report(hands.shop, hands.bearer(grant), told)
    else:
        write(grant, told.model_dump_json(by_alias=True).encode())
        lost(hands, run)
    assert hands.get(run).status is Status.FAILED
    assert list(hands.shop.store.active(hands.partition)) == []


def test_more_steps_than_a_row_holds_end_the_run_with_a_reason(hands: "Hands") -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    steps = [StepContainer(step="s" * 255, image="i" * 1024)] * 50
    report(hands.shop, hands.bearer(grant), hands.report(grant, Outcome.FAILED, steps=steps))
    done = hands.get(run)
    assert done.status is Status.FAILED
    assert "more steps" in (done.error or "")


@pytest.mark.parametrize("content", [b"x" * 5 * 1024**2, b"", b"[" * 100_000, b"\xff\xfe", b'{"runId": "\\ud800"}'])
def test_a_result_that_is_none_counts_as_none(hands: "Hands", content: bytes) -> None:
    run = hands.submit("k1")
    grant = hands.claim(run)
    write(grant, content)
    assert read_result(hands.shop, hands.get(run)) is None
    assert lost(hands, run).status is Status.ERROR


def test_a_builder_that_never_stops_writing_keeps_no_run_from_its_end(
    hands: "Hands", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = hands.submit("k1")
    hands.claim(run)
    read = Blobs.state

    def state(blobs: Blobs, container: str, name: str) -> object:
        found = read(blobs, container, name)
        say(hands.shop, run, "and on it goes")
        return found

    monkeypatch.setattr(Blobs, "state", state)
    cancel(hands.shop, hands.partition, run.id)
    monkeypatch.undo()
    assert hands.complete(run) == "canceled"
    assert f"Run ID: {run.id} was canceled" in hands.log(run)
    assert hands.groups.running == {}
    assert list(hands.shop.store.active(hands.partition)) == []
