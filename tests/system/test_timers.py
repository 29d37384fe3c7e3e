"""A timer of a task on the running stack, through the real az: it fires, says why, and stops when it is told to."""

from typing import TYPE_CHECKING, Any

import pytest

from devstack.stack import names
from tests.system.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow
TASK = "every-minute"


def explained(stack: "Stack", what: str) -> dict[str, Any]:
    with stack.http("owner") as client:
        answer: dict[str, Any] = client.get(f"{stack.registry_url}/{what}/explain").raise_for_status().json()
    return answer


def fired(stack: "Stack") -> dict[str, Any]:
    """Answer the decision about the first minute that comes."""
    decisions: list[dict[str, Any]] = until(
        lambda: explained(stack, f"tasks/{TASK}")["decisions"], "the timer's first decision"
    )
    return decisions[-1]


def test_a_timer_fires_and_tells_why(stack: "Stack") -> None:
    def task(*arguments: str) -> str:
        said = stack.az("acr", "task", *arguments, "-r", names.REGISTRY)
        assert said.code == 0, said.err
        return said.out

    command = f"{stack.login_server}/base/busybox:1.35 echo a minute has come"
    create = ("create", "-n", TASK, "--cmd", command, "-c", "/dev/null", "--schedule", "often:* * * * *")
    task(*create, "-o", "none")
    try:
        decision = fired(stack)
        assert (decision["verdict"], decision["cause"], decision["trigger"]) == ("started", "Timer", "often")
        run = stack.run(decision["runId"])
        assert run["timerTrigger"]["timerTriggerName"] == "often"
        assert run["timerTrigger"]["scheduleOccurrence"][:16] + "Z" == decision["subject"]
        assert explained(stack, f"runs/{decision['runId']}")["reason"] == decision["reason"]
        row = next(line for line in task("list-runs", "-o", "table").splitlines() if decision["runId"] in line)
        assert "Timer" in row
        task("timer", "update", "-n", TASK, "--timer-name", "often", "--enabled", "false", "-o", "none")
        assert "next" not in explained(stack, f"tasks/{TASK}")["timers"][0]
        task("timer", "remove", "-n", TASK, "--timer-name", "often", "-o", "none")
        assert explained(stack, f"tasks/{TASK}")["timers"] == []
    finally:
        task("delete", "-n", TASK, "-y")


def test_only_a_reader_is_told(stack: "Stack") -> None:
    with stack.http() as client:
        assert client.get(f"{stack.registry_url}/tasks/{TASK}/explain").status_code == 401
    with stack.http("owner") as client:
        for path in ("tasks/no-such-task", "tasks/x", "runs/c0000000", "runs/!"):
            assert client.get(f"{stack.registry_url}/{path}/explain").status_code in {400, 404}
