"""The plan command shows a task without running it."""

import json
from pathlib import Path

import pytest

from shared.language.__main__ import main

TASK = "version: v1.1.0\nalias: {src: [names.yml]}\nsteps:\n - id: a\n   build: -t $Registry/$app:{{.Values.tag}} .\n"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "names.yml").write_text("app: web\n")
    path = tmp_path / "acb.yaml"
    path.write_text(TASK)
    return path


def test_json(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(task), "--set", "tag=1", "--run", "registry=r.io", "-o", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["aliases"]["app"] == "web"
    assert shown["steps"][0]["command"]["tags"] == ["r.io/web:1"]
    assert shown["steps"][0]["retryDelay"] == 5
    assert shown["graph"] == {"acb_root": ["a"], "a": []}


def test_text(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(task), "--set", "tag=1"]) == 0
    shown = capsys.readouterr().out
    assert "Rendered text:\n  version: v1.1.0\n" in shown
    assert "  a: at once\n    timeout: 600\n" in shown


def test_a_broken_task_is_shown_as_its_error(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task.write_text("steps:\n - id: a\n   cmd: x\n   retries: -1\n")
    assert main([str(task), "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == {
        "kind": "TaskInvalid",
        "message": "failed to unmarshal task before running: step must specify retries >= 0 (step ID: a)",
        "stepId": "a",
    }


def test_secrets_are_hidden_unless_given(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task.write_text("secrets: [{id: s, keyvault: k}]\nsteps:\n - cmd: x {{.Secrets.s}}\n")
    main([str(task)])
    assert "cmd: 'x ***'" in capsys.readouterr().out
    main([str(task), "--secret", "s=open"])
    assert "cmd: 'x open'" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["../outside.yml", "/etc/hostname", "https://h/a.yml"])
def test_alias_sources_stay_below_the_task(task: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    (task.parent.parent / "outside.yml").write_text("app: stolen\n")
    task.write_text(f"version: v1.1.0\nalias: {{src: ['{source}']}}\nsteps: []\n")
    assert main([str(task)]) == 1
    assert "unable to search/replace aliases in task: " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--set", "a"], ["--run", "nope=1"], ["--values", "absent.yaml"]])
def test_wrong_arguments_are_one_sentence(task: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"^plan: "):
        main([str(task), *arguments])
