from typing import Any

from devstack.container_groups.bundle import Machine, Placement, capabilities_of, oci_config
from devstack.container_groups.spec import ContainerSpec, Mount

ALL = capabilities_of((1 << 41) - 1)
MACHINE = Machine(capabilities=ALL - {"CAP_SYS_RESOURCE"}, open_files=20000, devices=({"path": "/dev/fuse"},))
PLACE = Placement(hostname="run1", cgroup="slipway/run1-0a", namespace="/state/network", docker_data="/state/docker")


def config(*, privileged: bool, command: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    spec = ContainerSpec(
        container="builder",
        image="img",
        command=command,
        environment=(("A", "own"),),
        memory=1 << 30,
        cpu=0.5,
        privileged=privileged,
        mounts=changes.get("mounts", ()),
    )
    return oci_config(spec, ("/start",), ("A=image", "B=x=y"), PLACE, changes.get("machine", MACHINE))


def test_capability_masks_are_read_by_bit() -> None:
    assert capabilities_of(0xA80425FB) == capabilities_of(0x00000000A80425FB)
    assert len(capabilities_of(0xA80425FB)) == 14
    assert capabilities_of(1 << 21) == {"CAP_SYS_ADMIN"}


def test_an_unprivileged_container_is_docker_by_default() -> None:
    made = config(privileged=False)
    capabilities = made["process"]["capabilities"]
    assert set(capabilities["effective"]) == capabilities_of(0xA80425FB)
    assert capabilities["bounding"] == capabilities["effective"] == capabilities["permitted"]
    assert made["process"]["noNewPrivileges"] is False
    assert made["linux"]["devices"] == []
    assert made["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    assert {"/proc/sys", "/proc/sysrq-trigger"} <= set(made["linux"]["readonlyPaths"])
    assert {"/proc/kcore", "/sys/firmware"} <= set(made["linux"]["maskedPaths"])
    assert all("ro" in mount["options"] for mount in made["mounts"] if mount["destination"].startswith("/sys"))
    assert "bind" not in {mount["type"] for mount in made["mounts"]}


def test_an_unprivileged_container_is_filtered_and_a_privileged_one_is_not() -> None:
    filtered = config(privileged=False)["linux"]["seccomp"]
    refused = {name for rule in filtered["syscalls"] for name in rule["names"]}
    assert {"unshare", "setns", "mount", "umount2", "pivot_root", "keyctl", "bpf", "clone"} <= refused
    assert "seccomp" not in config(privileged=True)["linux"]


def test_volumes_are_bound_where_the_container_wants_them() -> None:
    mounts = (Mount("workspace", "/workspace"), Mount("shared", "/slipway", read_only=True))
    made = {each["destination"]: each for each in config(privileged=False, mounts=mounts)["mounts"]}
    assert made["/workspace"]["source"].endswith("/workspace")
    assert made["/workspace"]["options"] == ["bind", "rw"]
    assert made["/slipway"]["options"] == ["bind", "ro"]


def test_a_privileged_container_gets_what_the_machine_has() -> None:
    made = config(privileged=True)
    assert set(made["process"]["capabilities"]["bounding"]) == ALL - {"CAP_SYS_RESOURCE"}
    assert made["linux"]["maskedPaths"] == []
    assert made["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert made["linux"]["devices"] == [{"path": "/dev/fuse"}]
    binds = [(mount["source"], mount["destination"]) for mount in made["mounts"] if mount["type"] == "bind"]
    assert binds == [("/state/docker", "/var/lib/docker")]
    assert all("rw" in mount["options"] for mount in made["mounts"] if mount["destination"].startswith("/sys"))


def test_every_namespace_is_the_groups_own() -> None:
    for privileged in (True, False):
        namespaces = {each["type"]: each.get("path") for each in config(privileged=privileged)["linux"]["namespaces"]}
        assert namespaces == dict.fromkeys(("pid", "mount", "ipc", "uts", "cgroup")) | {"network": "/state/network"}


def test_resources_follow_the_request() -> None:
    resources = config(privileged=True)["linux"]["resources"]
    assert resources["memory"] == {"limit": 1 << 30}
    assert resources["cpu"] == {"quota": 50_000, "period": 100_000}
    assert resources["pids"]["limit"] > 0


def test_the_groups_environment_and_command_win_over_the_images() -> None:
    process = config(privileged=False)["process"]
    assert process["args"] == ["/start"]
    assert "A=own" in process["env"]
    assert "B=x=y" in process["env"]
    assert config(privileged=False, command=("/other", "x"))["process"]["args"] == ["/other", "x"]
