import os
import subprocess
import sys

from devstack.stack.processes import ProcessId, identify, terminate


def test_this_process_is_alive_and_another_start_time_is_not() -> None:
    mine = identify(os.getpid())

    assert mine is not None
    assert mine.is_alive
    assert not ProcessId(mine.pid, mine.started + 1).is_alive


def test_a_recycled_pid_is_never_signalled() -> None:
    mine = identify(os.getpid())
    assert mine is not None

    assert terminate(ProcessId(mine.pid, mine.started - 1), 1)


def test_a_zombie_counts_as_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    known = identify(child.pid)
    assert known is not None
    assert child.stdin is not None
    child.stdin.close()

    assert known.wait(10)
    child.wait()


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    known = identify(child.pid)
    assert known is not None

    assert not terminate(known, 0.2)
    assert child.wait() == -9
    child.stdout.close()
