"""A private dockerd inside a privileged group builds, runs and reaches what it should and nothing else."""

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.devstack.container_groups.running import IMAGE, Service, free_port

pytestmark = pytest.mark.slow

REGISTRY = "localreg.slipway.test"
GREETING = b"greetings from the host"
DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN <<SCRIPT
echo "heredoc ran"
nslookup REGISTRY >/names
SCRIPT
"""
SCRIPT = """\
set -eu
mkdir -p /etc/docker
echo '{"features": {"containerd-snapshotter": true}}' >/etc/docker/daemon.json
dockerd >/tmp/dockerd.log 2>&1 &
while ! docker version >/dev/null 2>&1; do sleep 0.05; kill -0 $! || { cat /tmp/dockerd.log; exit 1; }; done
echo "ready"
docker buildx build --progress=plain --provenance=false -t probe /context 2>&1
docker run --rm probe cat /names
docker run --rm probe nc -w 5 REGISTRY PORT
docker run --rm probe nc -w 5 127.0.0.1 PORT || echo "own loopback only"
docker run --rm --privileged probe sh -c "mkdir /m && mount -t tmpfs none /m"
docker run --rm --memory 64m --cpus 0.5 probe true
echo finished
""".replace("REGISTRY", REGISTRY)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a layer with a build context of a static busybox, from the Debian package."""
    folder = tmp_path_factory.mktemp("busybox")
    subprocess.run(["apt-get", "download", "busybox-static"], cwd=folder, check=True, capture_output=True)
    package = next(folder.glob("*.deb"))
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "files")], check=True)
    made = folder / "layer" / "context"
    made.mkdir(parents=True)
    shutil.copy2(folder / "files" / "bin" / "busybox", made / "busybox")
    (made / "Dockerfile").write_text(DOCKERFILE.replace("REGISTRY", REGISTRY))
    return folder / "layer"


@pytest.fixture
def greeter() -> Iterator[int]:
    """Greet every connection on the host's loopback."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(GREETING + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    server.close()


def test_a_dockerfile_with_a_heredoc_builds_and_nested_containers_know_the_registry(
    make_service: Callable[..., Service],
    builder_image: dict[str, Any],
    context: Path,
    greeter: int,
) -> None:
    port = free_port()
    service = make_service(
        images={IMAGE: {**builder_image, "lower": [str(context), *builder_image["lower"]]}},
        forwards=[{"listen_address": "10.99.0.1", "port": port, "target_host": "127.0.0.1", "target_port": greeter}],
        hosts={REGISTRY: "10.99.0.1"},
    )
    service.put("docker", service.group(["/bin/sh", "-c", SCRIPT.replace("PORT", str(port))]))
    code, log = service.ended("docker", seconds=120)
    assert code == 0, log
    assert "heredoc ran" in log
    assert re.search(rf"Name:\s+{REGISTRY}\s+Address: 10\.99\.0\.1", log)
    assert log.count(GREETING.decode()) == 1
    assert "own loopback only" in log
    assert log.endswith("finished\n")
