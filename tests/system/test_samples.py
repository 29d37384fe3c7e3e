"""The samples and the demo that the README names."""

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from devstack.cli.seed import seed
from devstack.stack.layout import CHECKOUT

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["node", "python"])
def test_a_multi_stage_sample_is_built_on_a_base_made_from_packages(stack: "Stack", name: str) -> None:
    seed(stack.target, [name])

    said = stack.build(
        CHECKOUT / "samples" / name, "-t", f"sample-{name}:v1", "--build-arg", f"REGISTRY_NAME={stack.login_server}"
    )

    assert said.code == 0, said.out + said.err
    assert re.search(rf"runtime-dependency:\s+registry: \S+\s+repository: base/{name}\s", said.out)
    assert stack.read_back(f"sample-{name}:v1").platform == "linux/amd64"


def test_the_demo_builds_lists_reads_back_and_leaves_a_running_stack_alone(stack: "Stack") -> None:
    done = subprocess.run([str(CHECKOUT / "dev"), "demo"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    digest = stack.read_back("hello:v1").digest
    assert f"{stack.login_server}/hello@{digest}" in done.stdout
    assert re.search(r"\n\S+\s+linux\s+Succeeded\s+Manual\s", done.stdout)
    stack.target.require_running()
