import os
import subprocess
import sys

from devstack.functions_host.singleton import is_dead, process_identity


def test_a_living_owner_is_not_dead() -> None:
    assert not is_dead(process_identity(os.getpid()))


def test_an_ended_process_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = process_identity(process.pid)
        assert not is_dead(owner)
        process.kill()
    assert is_dead(owner)


def test_a_process_id_that_was_given_anew_is_another_process() -> None:
    boot, namespace, pid, started = process_identity(os.getpid()).split("/")
    assert is_dead(f"{boot}/{namespace}/{pid}/{int(started) - 1}")


def test_nothing_is_claimed_of_other_machines_and_of_strangers() -> None:
    _, namespace, pid, started = process_identity(os.getpid()).split("/")
    assert not is_dead(f"other-boot/{namespace}/{pid}/{int(started) - 1}")
    assert not is_dead("")
    assert not is_dead("func")
    assert not is_dead(f"{process_identity(os.getpid())}/more")
