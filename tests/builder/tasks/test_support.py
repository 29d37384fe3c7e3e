"""What a confined engine cannot run is found in the plan, and only that."""

import pytest

from builder.engine.protocol import Kind
from builder.tasks.support import unsupported
from shared.grant import RunVariables
from shared.language import Plan, TaskInput, load

REFUSED = {
    "steps:\n - {cmd: x, privileged: true}\n": "step acb_step_0: a privileged container",
    "steps:\n - {cmd: x, user: root}\n": "another user than the image's",
    "steps:\n - {cmd: x, ports: ['80:80']}\n": "the mapping of ports",
    "steps:\n - {cmd: x, isolation: hyperv}\n": "the isolation that it names",
    "steps:\n - cmd: docker ps\n": "a docker command",
    "steps:\n - {cmd: x, network: host}\n": "a network of its own",
    "steps:\n - {cmd: x, cpus: '1'}\n": "a share of the processors",
    "steps:\n - cmd: -e A=1 x\n": "a flag of docker run before its image",
    "steps:\n - build: --secret id=a -t b .\n": "the flag --secret",
    "steps:\n - build: --build-context a=b -t b .\n": "the flag --build-context",
    "networks:\n - {name: n1}\nsteps:\n - {cmd: x}\n": "the network n1",
    "steps:\n - {build: -t app:1 ., when: ['-']}\n - {cmd: 'app:1', when: ['-']}\n": (
        "the image app:1, which a step builds that it does not wait for,"
    ),
}


def plan(text: str) -> Plan:
    variables = RunVariables(id="ca1", registry="reg.example", registry_name="reg", date="20260102-030405z")
    return load(TaskInput(text=text, variables=variables)).plan


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text: str) -> None:
    why = unsupported(plan(text), Kind.CONFINED)
    assert why is not None
    assert REFUSED[text] in why
    assert "agent pool" in why
    assert unsupported(plan(text), Kind.FULL) is None


def test_what_runs_everywhere() -> None:
    text = "steps:\n - build: -t a .\n - cmd: a\n - push: [a]\n - {cmd: x, detach: true, retries: 2, expose: ['80']}\n"
    assert unsupported(plan(text), Kind.CONFINED) is None
