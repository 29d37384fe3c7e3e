"""Real container groups, driven by the published client."""

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerinstance import models as aci

from devstack.container_groups.shim.network import own_addresses
from tests.devstack.container_groups.running import IMAGE, RESOURCE_GROUP, Service, until

pytestmark = pytest.mark.slow

type MakeService = Callable[..., Service]

LOOP = ["/bin/sh", "-c", "echo up; exec sleep 600"]


@pytest.fixture(scope="module")
def service(make_service: MakeService, builder_image: dict[str, Any]) -> Service:
    return make_service(images={IMAGE: builder_image})


def leftovers(service: Service, name: str) -> list[str]:
    """List whatever of a group is still on this machine."""
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(service.state) in line]
    folders = [str(path) for kind in ("groups", "runc") for path in (service.state / kind).glob(f"{name}-*")]
    cgroups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/slipway/{name}-*")]
    return mounts + folders + cgroups


def processes_of(service: Service, name: str = "") -> list[str]:
    """List the processes, shims apart, whose root file system is one of the service's groups."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            root = (path / "mountinfo").read_text().splitlines()[0]
            if f"{service.state}/groups/{name}" in root:
                found.append((path / "cmdline").read_text())
    return found


@pytest.fixture
def pulse() -> Iterator[int]:
    """Send a word to whoever connects to the port on the host's loopback."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"pulse")

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    server.close()


def test_a_group_runs_to_its_end_and_tells_how(service: Service) -> None:
    service.put("ends", service.group(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]))
    code, log = service.ended("ends")
    assert code == 7
    assert log == "out\nerr\n"
    group = service.get("ends")
    assert group.provisioning_state == "Succeeded"
    view = service.container("ends")
    assert (view.current_state.state, view.current_state.detail_status) == ("Terminated", "Error")
    assert view.current_state.start_time <= view.current_state.finish_time
    assert service.state_of("ends") == "Failed"


def test_the_client_can_wait_for_creation_and_names_are_case_insensitive(service: Service) -> None:
    group = service.group(["/bin/true"])
    made: Any = service.client.container_groups.begin_create_or_update(RESOURCE_GROUP, "Waited", group).result()
    assert made.provisioning_state == "Succeeded"
    assert service.get("wAITED").id == made.id
    assert "Waited" in [each.name for each in service.client.container_groups.list()]
    grouped = service.client.container_groups.list_by_resource_group(RESOURCE_GROUP.upper())
    assert "Waited" in [each.name for each in grouped]


def test_the_same_put_changes_nothing_and_another_one_is_refused(service: Service) -> None:
    service.put("twice", service.group(LOOP))
    service.said("twice", "up")
    started = service.container("twice")
    service.put("twice", service.group(LOOP))
    assert service.container("twice") == started
    with pytest.raises(HttpResponseError) as refused:
        service.put("twice", service.group(["/bin/true"]))
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "InvalidContainerGroupUpdate"


def test_secure_values_reach_the_container_and_no_answer(service: Service) -> None:
    environment = [
        aci.EnvironmentVariable(name="PLAIN", value="seen"),
        aci.EnvironmentVariable(name="TOKEN", secure_value="s3cr3t-value"),
    ]
    group = service.group(["/bin/sh", "-c", "printenv PLAIN; printenv TOKEN | md5sum"], environment=environment)
    answers = [service.put("secret", group)]
    _, log = service.ended("secret")
    assert log == "seen\n4d1b4ca2dcfbe4ec22b5ed04ca7d5d37  -\n" or re.fullmatch(r"seen\n[0-9a-f]{32}  -\n", log)
    answers.append(service.get("secret"))
    answers.extend(each for each in service.client.container_groups.list() if each.name == "secret")
    for answer in answers:
        shown = answer.containers[0].environment_variables
        assert shown is not None
        assert [(each.name, each.value, each.secure_value) for each in shown] == [
            ("PLAIN", "seen", None),
            ("TOKEN", None, None),
        ]
    for path in service.state.rglob("*"):
        if path.is_file() and "upper" not in path.parts and b"s3cr3t-value" in path.read_bytes():
            assert path.name == "config.json"
            assert path.stat().st_mode & 0o777 == 0o600


def test_a_deleted_group_is_gone_within_two_seconds_with_all_it_started(service: Service) -> None:
    script = "for n in 1 2 3; do setsid sleep 600 & done; trap '' TERM; echo up; wait; sleep 600"
    service.put("deleted", service.group(["/bin/sh", "-c", script]))
    service.said("deleted", "up")
    assert len(leftovers(service, "deleted")) > 2
    begun = time.monotonic()
    service.delete("deleted")
    assert time.monotonic() - begun < 2
    with pytest.raises(ResourceNotFoundError):
        service.get("deleted")
    assert leftovers(service, "deleted") == []
    service.delete("deleted")


def test_stop_start_restart(service: Service) -> None:
    service.put("again", service.group(["/bin/sh", "-c", "test ! -e /mark && touch /mark && echo fresh && sleep 600"]))
    service.said("again", "fresh")
    service.client.container_groups.stop(RESOURCE_GROUP, "again")
    assert service.state_of("again") == "Stopped"
    service.client.container_groups.begin_start(RESOURCE_GROUP, "again").result()
    service.said("again", "fresh")
    assert service.state_of("again") == "Running"
    service.client.container_groups.begin_restart(RESOURCE_GROUP, "again").result()
    service.said("again", "fresh")
    assert service.state_of("again") == "Running"


def test_a_killed_service_finds_its_groups_again(
    make_service: MakeService, builder_image: dict[str, Any], pulse: int
) -> None:
    """Groups run on with their forwards, and an exit that nobody saw is reported."""
    forward = {"listen_address": "10.99.0.1", "port": 7455, "target_host": "127.0.0.1", "target_port": pulse}
    service = make_service(images={IMAGE: builder_image}, forwards=[forward])
    ask = (
        "import socket, time\nwhile True:\n"
        "    print(socket.create_connection(('10.99.0.1', 7455)).recv(9), flush=True)\n    time.sleep(0.05)"
    )
    service.put("goes-on", service.group(["python3", "-c", ask]))
    service.put("ends-meanwhile", service.group(["/bin/sh", "-c", "echo up; sleep 1; exit 5"]))
    service.said("goes-on", "pulse")
    service.said("ends-meanwhile", "up")
    service.kill()
    until(lambda: next(service.state.glob("groups/ends-meanwhile-*/exit.json"), None))
    service.start()
    assert service.state_of("goes-on") == "Running"
    beats = service.log("goes-on").count("pulse")
    until(lambda: service.log("goes-on").count("pulse") > beats or None)
    assert service.ended("ends-meanwhile")[0] == 5
    service.delete("goes-on")
    assert leftovers(service, "goes-on") == []


def test_what_has_no_record_any_more_is_cleaned_up_at_the_start(
    make_service: MakeService, builder_image: dict[str, Any]
) -> None:
    service = make_service(images={IMAGE: builder_image})
    service.put("torso", service.group(LOOP))
    service.said("torso", "up")
    service.kill()
    next(service.state.glob("groups/torso-*/record.json")).unlink()
    service.start()
    until(lambda: leftovers(service, "torso") == [] or None)
    until(lambda: processes_of(service, "torso") == [] or None)


def test_a_shim_that_dies_takes_its_group_with_it(service: Service) -> None:
    service.put("orphan", service.group(LOOP))
    service.said("orphan", "up")
    record = next(service.state.glob("groups/orphan-*/shim.json")).read_text()
    pid = int(re.findall(r'"pid":(\d+)', record)[0])
    os.kill(pid, 9)
    assert service.ended("orphan")[0] == 137
    until(lambda: next((service.state / "runc").glob("orphan-*"), None) is None or None)


def test_the_end_of_the_service_is_the_end_of_everything(
    make_service: MakeService, builder_image: dict[str, Any]
) -> None:
    service = make_service(images={IMAGE: builder_image})
    service.put("stays", service.group(LOOP))
    service.put("stays-too", service.group(LOOP))
    service.said("stays", "up")
    service.said("stays-too", "up")
    service.stop()
    assert leftovers(service, "stays") + leftovers(service, "stays-too") == []
    assert processes_of(service) == []
    assert list((service.state / "trash").iterdir()) == []


def test_memory_over_the_limit_is_named(service: Service) -> None:
    script = "import sys; data = bytearray(400 * 1024**2); sys.exit(3)"
    service.put("hungry", service.group(["python3", "-c", script], memory=0.1))
    code, _ = service.ended("hungry")
    view = service.container("hungry")
    assert code == 137
    assert view.current_state.detail_status == "OOMKilled"


def test_a_command_that_does_not_exist_fails_the_creation(service: Service) -> None:
    service.put("missing", service.group(["/no/such/program"]))
    service.ended("missing")
    group = service.get("missing")
    assert group.provisioning_state == "Failed"
    view = service.container("missing")
    assert "/no/such/program" in str(view.events[-1].message)


def test_an_unprivileged_group_has_dockers_capabilities_and_no_more(service: Service) -> None:
    script = (
        "grep CapEff /proc/self/status; mount -t tmpfs none /mnt 2>/dev/null || echo no mount;"
        "echo b 2>/dev/null >/proc/sysrq-trigger || echo no sysrq;"
        "for d in /sys/fs/cgroup /sys/fs/cgroup/memory; do [ ! -e $d/cgroup.procs ] || mkdir $d/x 2>&1; done;"
        "head -c1 /dev/loop0 2>/dev/null || echo no device; grep -c /var/lib/docker /proc/mounts"
    )
    service.put("plain", service.group(["/bin/sh", "-c", script], privileged=False))
    _, log = service.ended("plain")
    lines = log.splitlines()
    assert lines[:3] == ["CapEff:\t00000000a80425fb", "no mount", "no sysrq"]
    assert "Read-only file system" in lines[3]
    assert lines[4:] == ["no device", "0"]


def test_a_privileged_group_reaches_no_address_of_the_host(service: Service) -> None:
    with socket.create_server(("", 0)) as everywhere:
        port = everywhere.getsockname()[1]
        hosts = ["127.0.0.1", "10.0.2.2", "10.99.0.1", *own_addresses()]
        script = (
            "import socket\n"
            f"for host in {hosts!r}:\n"
            f"    try: socket.create_connection((host, {port}), 2); print('reached', host)\n"
            "    except OSError: print('refused')\n"
            "try: socket.create_connection(('169.254.169.254', 80), 2); print('reached metadata')\n"
            "except OSError as error: print(error.strerror)\n"
        )
        service.put("closed", service.group(["python3", "-c", script]))
        _, log = service.ended("closed")
    assert log.splitlines() == ["refused"] * len(hosts) + ["No route to host"]


def test_a_running_log_is_whole_and_an_ended_one_short(service: Service) -> None:
    script = "import time\nfor n in range(3000): print(n, flush=True)\ntime.sleep(600)"
    service.put("talks", service.group(["python3", "-c", script]))
    assert service.said("talks", "2999").count("\n") == 3000
    tail = service.client.containers.list_logs(RESOURCE_GROUP, "talks", "builder", tail=2).content
    assert tail == "2998\n2999\n"
    service.client.container_groups.stop(RESOURCE_GROUP, "talks")
    assert service.log("talks").count("\n") == 1000


def test_start_latency_and_answer_time(service: Service, record_property: Callable[[str, object], None]) -> None:
    """PUT answered in 50 ms, the first process running 300 ms after it (medians, quiet machine)."""
    answers, starts = [], []
    for number in range(7):
        group = service.group(["/bin/sh", "-c", "date +%s.%N"])
        begun = time.time()
        service.put(f"quick{number}", group)
        answers.append(time.time() - begun)
        _, log = service.ended(f"quick{number}")
        starts.append(float(log) - begun)
    record_property("answer_ms", [round(1000 * each) for each in answers])
    record_property("start_ms", [round(1000 * each) for each in starts])
    assert sorted(answers)[3] < 0.1
    assert sorted(starts)[3] < 0.5
