"""The shell text of steps: every property at its place, in the reference's order."""

import subprocess

from builder.engine.command import client_script, docker_build, docker_run
from builder.engine.protocol import Container, TextBuild
from shared.images.references import Reference
from shared.language import VolumeMount

SOCKET = "/run/engine/docker.sock"
VOLUMES = f"--volume acb_vol_1:/workspace --volume {SOCKET}:/var/run/docker.sock --volume home:/acb/home"


def test_the_least() -> None:
    text = docker_run(Container(name="a", command="x y", directory="/workspace"), "acb_vol_1", SOCKET)
    assert text == f"docker run --rm --name a {VOLUMES} --env HOME=/acb/home --workdir /workspace x y"


def test_every_property() -> None:
    container = Container(
        name="s",
        command="img a b > out",
        directory="/abs/p",
        network="n1",
        entry_point="/bin/x",
        user="root",
        isolation="default",
        cpus="2",
        environment=("A=b c", "B=$HOME"),
        ports=("80:80",),
        expose=("81",),
        volume_mounts=(VolumeMount(name="sec", mount_path="/run/s"),),
        detach=True,
        keep=True,
        privileged=True,
    )
    assert docker_run(container, "acb_vol_1", SOCKET) == (
        "docker run --detach -p 80:80 --expose 81 --privileged --user root --network n1 --isolation default --cpus 2 "
        f"--entrypoint /bin/x --name s {VOLUMES} --volume sec:/run/s --env HOME=/acb/home --env A=b c --env B=$HOME "
        "--workdir /abs/p img a b > out"
    )


def test_the_image_may_keep_its_own_directory() -> None:
    assert "--workdir" not in docker_run(Container(name="a", command="x"), "v", SOCKET)


def test_a_build_gets_its_words_from_the_shell_and_our_dockerfile_last() -> None:
    build = TextBuild(text='-t "a b:$TAG" -f mine . | cat', directory="/", dockerfile="", environment=("X=1",))
    script = client_script("/run/step", build).replace("exec docker", 'printf "%s\\n"')
    text = f"TAG=v1\n{docker_build(build, f"sh -c '{script}' client")}"
    words = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout.splitlines()
    assert words[-5:] == ["a b:v1", "-f", "mine", ".", "--file=/run/step/Dockerfile"]
    assert words[:2] == ["buildx", "build"]


def test_layers_are_read_with_the_image_and_kept_without_one() -> None:
    layers = Reference("r.example", "app", "cache-1")
    reading = client_script("/run/step", TextBuild(text=".", directory="/", dockerfile="", cache=layers))
    keeping = client_script("/run/step", TextBuild(text=".", directory="/", dockerfile="", keeps=layers))
    assert reading.strip().endswith("--cache-from=type=registry,ref=r.example/app:cache-1")
    assert "--cache-to=type=registry,ref=r.example/app:cache-1,mode=max" in keeping
    assert keeping.strip().endswith("--output=type=cacheonly")
