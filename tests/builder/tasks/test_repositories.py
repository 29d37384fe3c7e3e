"""What a task names of the run's registry is found, whatever the text around it; nothing else is."""

from pathlib import Path

import pytest

from builder.tasks.repositories import calls_docker, named, named_in_dockerfiles
from shared.grant import RunVariables
from shared.language import Plan, TaskInput, load

REGISTRY = "reg.example:7455"


def plan(*steps: str) -> Plan:
    text = "version: v1.1.0\nsteps:\n" + "".join(f" - {step}\n" for step in steps)
    variables = RunVariables(id="ca1", registry=REGISTRY, registry_name="reg", date="20260102-030405z")
    return load(TaskInput(text=text, variables=variables)).plan


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("cmd: $Registry/a/b:1 run", ("a/b",)),
        ("cmd: docker push $Registry/a:$ID", ("a",)),
        ("cmd: docker build -t $Registry/a:1 --build-arg B=$Registry/b@sha256:00 .", ("a", "b")),
        ("cmd: sh -c 'docker pull \"$Registry/a__b.c-d/e\"'", ("a__b.c-d/e",)),
        ("{cmd: tool, env: ['IMAGE=$Registry/a']}", ("a",)),
        ("build: -t $Registry/a --tag=$Registry/b .", ("a", "b")),
        ("{build: -t a ., cache: enabled}", ("a",)),
        ("push: [$Registry/a, $Registry/b:2, other.example/c]", ("a", "b")),
        ("cmd: not-$Registry/a x.$Registry/b https/$Registry/c", ()),
        ("cmd: busybox", ()),
    ],
)
def test_names_in_texts(step: str, expected: tuple[str, ...]) -> None:
    assert named(plan(step), REGISTRY) == expected


def test_names_in_dockerfiles_but_not_behind_links(tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "deep").mkdir(parents=True)
    (context / "deep/app.Dockerfile").write_text(f"FROM {REGISTRY}/base/one AS a\nFROM {REGISTRY}/base/two\n")
    (context / "notes.txt").write_text(f"{REGISTRY}/never")
    (tmp_path / "outside").write_text(f"FROM {REGISTRY}/outside\n")
    (context / "Dockerfile").symlink_to(tmp_path / "outside")
    assert named_in_dockerfiles(context, REGISTRY) == ("base/one", "base/two")


def test_which_tasks_call_docker() -> None:
    assert calls_docker(plan("cmd: docker ps"))
    assert not calls_docker(plan("build: -t docker ."))
