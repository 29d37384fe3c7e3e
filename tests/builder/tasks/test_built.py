"""Which steps run what the task itself has built before."""

import pytest

from builder.tasks.beside import steps_of
from builder.tasks.built import built_before
from shared.grant import RunVariables, StepContainer
from shared.images.references import Reference
from shared.language import CmdStep, Plan, TaskInput, load


def plan(text: str) -> Plan:
    variables = RunVariables(id="ca1", registry="reg.example", registry_name="reg", date="20260102-030405z")
    return load(TaskInput(text=f"steps:\n{text}", variables=variables)).plan


def taken(text: str) -> dict[str, Reference | None]:
    read = plan(text)
    return {step.id: built_before(read, step) for step in read.steps if isinstance(step, CmdStep)}


@pytest.mark.parametrize("built", ["app:1", "docker.io/library/app:1", "other:2 -t app:1"])
def test_names_are_compared_by_what_they_mean(built: str) -> None:
    assert taken(f" - build: -t {built} .\n - {{id: c, cmd: app:1 x}}\n") == {"c": Reference.parse("app:1")}


def test_a_step_waits_for_others_through_others() -> None:
    text = """
 - {id: b, build: -t app .}
 - {id: between, cmd: busybox}
 - {id: far, cmd: app, when: [between]}
 - {id: beside, cmd: 'app:latest', when: ['-']}
 - {id: other, cmd: 'app:2', when: [b]}
"""
    assert taken(text) == {
        "between": None,
        "far": Reference.parse("app"),
        "beside": None,
        "other": None,
    }


def test_such_a_step_asks_for_a_container_without_an_image() -> None:
    text = " - {id: b, build: -t reg.example/app .}\n - {id: c, cmd: reg.example/app}\n - {id: d, cmd: busybox}\n"
    assert steps_of(plan(text)) == (StepContainer(step="c"), StepContainer(step="d", image="busybox"))
