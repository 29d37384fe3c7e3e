"""What a Dockerfile may use without asking for it, by the real az; and that no secret is left in what is pushed."""

import json
import re
import tarfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.stack import names
from tests.system.pushed import contents

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow

FEATURES = r"""# syntax=docker/dockerfile:1
ARG BASE
FROM --platform=$BUILDPLATFORM $BASE AS tools
ARG BUILDPLATFORM
ARG TARGETPLATFORM
ARG TARGETOS
ARG TARGETARCH
RUN <<EOF
set -e
echo "from $BUILDPLATFORM to $TARGETPLATFORM" | tee /told
test "$TARGETOS/$TARGETARCH" = "$TARGETPLATFORM"
EOF
RUN <<'EOF'
#!/usr/bin/awk -f
BEGIN { print "an awk script said " 6 * 7 }
EOF
RUN --mount=type=cache,id=kept,target=/cache,uid=12,mode=0700 stat -c 'cache is %a of %u' /cache; echo warm > /cache/it
RUN --mount=type=cache,id=kept,target=/cache,uid=12,mode=0700 test "$(cat /cache/it)" = warm
RUN test ! -e /cache/it
RUN --mount=type=tmpfs,target=/scratch grep ' /scratch tmpfs ' /proc/mounts && echo x > /scratch/gone
RUN test ! -e /scratch/gone
RUN --mount=type=bind,source=given,target=/given grep given /given && ! touch /given
RUN --mount=type=bind,source=given,target=/given,rw echo spoiled > /given
RUN --network=none echo "$(ls /sys/class/net | wc -l) network interface"

FROM $BASE
RUN --mount=type=bind,from=tools,source=/told,target=/told cp /told /bound
COPY --link --chmod=751 --chown=12:34 given /linked/
COPY --from=tools --chmod=0600 /told /copied
ARG WHO=you
COPY <<"plain" <<expanded /in/
for $WHO
plain
for $WHO
expanded
ADD archive.tar /unpacked/
SHELL ["/bin/sh", "-ec"]
RUN false || echo "a shell of our own"
HEALTHCHECK --interval=5s CMD ["true"]
ONBUILD RUN echo later
STOPSIGNAL SIGTERM
"""
SAID = (
    "from linux/amd64 to linux/amd64",
    "an awk script said 42",
    "cache is 700 of 12",
    "given",
    "1 network interface",
    "a shell of our own",
)


def test_every_feature_of_the_engine_needs_no_switch(stack: "Stack", context: Path) -> None:
    (context / "Dockerfile").write_text(FEATURES)
    (context / "given").write_text("given\n")
    with tarfile.open(context / "archive.tar", "w") as archive:
        archive.add(context / "given", "deep/file")
    base = f"BASE={stack.login_server}/base/busybox:1.35"
    repository = f"dockerfile/{uuid.uuid4().hex[:8]}"  # one that no build before has kept layers for
    said = stack.build(context, "-t", f"{repository}:v1", "--build-arg", base)
    assert said.code == 0, said.out + said.err
    for line in SAID:
        assert re.search(rf"^#\d+ [\d.]+ {line}\r?$", said.out, re.MULTILINE), said.out

    image = contents(stack, repository, "v1")
    linked, copied = image.files["linked/given"], image.files["copied"]
    assert (linked.mode, linked.owner, linked.content) == (0o751, (12, 34), b"given\n")
    assert (copied.mode, copied.content) == (0o600, b"from linux/amd64 to linux/amd64\n")
    assert image.files["bound"].content == copied.content
    assert image.files["in/plain"].content == b"for $WHO\n"
    assert image.files["in/expanded"].content == b"for you\n"
    assert image.files["unpacked/deep/file"].content == b"given\n"
    config = json.loads(image.config)["config"]
    assert config["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 5_000_000_000}
    assert (config["OnBuild"], config["StopSignal"]) == (["RUN echo later"], "SIGTERM")


def test_a_secret_argument_can_be_mounted_and_is_in_nothing_that_is_pushed(stack: "Stack", context: Path) -> None:
    secret = uuid.uuid4().hex
    (context / "Dockerfile").write_text(
        f"FROM {stack.login_server}/base/busybox:1.35\n"
        "RUN --mount=type=secret,id=TOKEN,required=true cut -c 1-16 /run/secrets/TOKEN > /half\n"
        "RUN test ! -e /run/secrets/TOKEN && test -z $TOKEN\n"
    )
    said = stack.build(context, "-t", "dockerfile/secret:v1", "--secret-build-arg", f"TOKEN={secret}")
    assert said.code == 0, said.out + said.err
    image = contents(stack, "dockerfile/secret", "v1")
    assert image.files["half"].content == f"{secret[:16]}\n".encode()
    assert not image.holds(secret)


def test_what_a_build_mounts_as_a_secret_is_in_no_layer_and_no_cache(stack: "Stack", context: Path) -> None:
    """The file comes from a step before, so the run knows no secret and keeps the layers of its build."""
    secret, repository = uuid.uuid4().hex, f"dockerfile/{uuid.uuid4().hex[:8]}"
    (context / "app").mkdir()
    (context / "app" / "Dockerfile").write_text(
        f"FROM {stack.login_server}/base/busybox:1.35 AS slow\n"
        "RUN --mount=type=secret,id=key,required=true sleep 5; md5sum < /run/secrets/key > /sum\n"
        f"FROM {stack.login_server}/base/busybox:1.35\n"
        "COPY --from=slow /sum /sum\n"
        "RUN --mount=type=secret,id=key,target=/key,mode=0400,required=true cut -c 1-16 /key | tee /half\n"
        "RUN test ! -s /key && test ! -e /run/secrets/key\n"
    )
    image = f"$Registry/{repository}:v1"
    (context / "task.yaml").write_text(
        "version: v1.1.0\nsteps:\n"
        f"  - cmd: $Registry/base/busybox:1.35 sh -c 'printf {secret[:20]} > key; printf {secret[20:]} >> key'\n"
        f"  - build: -t {image} --secret id=key,src=key app\n"
        f"  - push: [{image}]\n"
    )
    said = stack.az("acr", "run", "-r", names.REGISTRY, "-f", "task.yaml", str(context))
    assert said.code == 0, said.out + said.err
    kept = re.search(r"Keeping the layers of this build in \S+:(cache-\w+)", said.out)
    assert kept, said.out
    for tag in ("v1", kept[1]):
        pushed = contents(stack, repository, tag)
        assert pushed.holds(secret[:16]), "what a RUN writes down is found, so the search sees all layers"
        assert not pushed.holds(secret)
        assert "run/secrets/key" not in pushed.files
