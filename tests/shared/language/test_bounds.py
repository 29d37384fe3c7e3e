"""Any text gives a plan or a listed error, in bounded time and memory."""

import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import LanguageError
from shared.grant import RunVariables
from shared.language import Loaded, TaskInput, load, secret_requests

VARIABLES = RunVariables(id="r", registry="r.io", registry_name="r", date="20260102-030405z")
SECONDS = 2
BYTES = 256 * 1024 * 1024
WORDS = st.sampled_from(
    [
        *("steps:", "version: v1.1.0", "alias:", "  values:", "secrets:", "volumes:", "networks:", "env:"),
        *(" - cmd: x", " - build: .", " - push: [a]", "   when: ['-']", "   id: a", "   env: [A=1]", "   timeout: 1"),
        *("{{.Run.ID}}", "{{if .Values.a}}", "{{end}}", "{{else}}", "{{range .Values}}", '{{ "a" | upper }}', "$ID"),
        *("$$", "&a", "*a", "<<: *a", "- ", "? ", "'", '"', "|", ">", "[", "]", "{", "}", ":", "#", "\t", "\r\n"),
        *("!!int ", "!!binary x", "{{", "}}", "{{- ", " -}}", "(", "nil", ".5e9", "0x", "\ufeff", "\0", "---"),
    ]
)


def outcome(text: str, values: str | None = None) -> Loaded | LanguageError:
    given_task = TaskInput(text=text, variables=VARIABLES, values=values)
    try:
        secret_requests(given_task)
        return load(given_task)
    except LanguageError as error:
        return error


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    assert outcome(text, text) is not None


@given(st.lists(WORDS, max_size=25), st.sampled_from(["\n", " ", ""]))
def test_any_mixture_of_the_language(words: list[str], separator: str) -> None:
    assert outcome(separator.join(words)) is not None


@given(st.text(st.sampled_from("{}().|$:=-+\"'`\\ ax1/*_,\n"), max_size=40))
def test_any_template(action: str) -> None:
    assert outcome("steps:\n - cmd: x {{" + action + "}}\n") is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["steps", "cmd", "when", "id", "env", "secrets", "volumes", "name"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_document(document: object) -> None:
    assert outcome(repr(document).replace("None", "null")) is not None


HOSTILE = {
    "many steps": "steps:\n" + " - cmd: x\n" * 6000,
    "many words": "steps:\n - build: " + "-t a " * 50_000 + ".\n   cache: enabled\n",
    "environment": "env: [" + ",".join(f"A{i}=1" for i in range(9000)) + "]\nsteps:\n" + " - cmd: x\n" * 2500,
    "unknown keys": "steps:\n - {cmd: x, " + ", ".join(f"entrypoin{i}: 1" for i in range(8000)) + "}\n",
    "alias bomb": "version: v1.1.0\nalias:\n  values: {a: " + "b" * 100_000 + "}\nsteps:\n - cmd: " + "$a" * 50_000,
    "actions": "steps:\n - cmd: " + "{{.Run.ID}}" * 20_000,
    "semver": "{{range until 5000}}{{$y := semverCompare `" + ">1.0.0 " * 30 + "` `1.2.3`}}{{end}}",
    "date": "{{range until 5000}}{{$y := date `" + "2006" * 1000 + "` now}}{{end}}",
    "regex": "{{range until 1000}}{{$y := regexFind `(a|b|c|a)*d` (repeat 1000 `a`)}}{{end}}",
    "case": "{{range until 100}}{{$x := camelcase (repeat 30000 `a_b`)}}{{end}}",
    "text": "{{$x := repeat 700000 `ab`}}{{range until 5000}}{{$y := upper $x}}{{end}}",
    "nested lists": "{{$x := list 1}}{{range until 60}}{{$x = list $x $x}}{{end}}{{toJson $x}}",
    "yaml bomb": "a: &a [x,x,x]\n"
    + "".join(f"b{i}: &b{i} [*{'a' if not i else f'b{i - 1}'},x]\n" for i in range(3000)),
}
PROGRAM = """
import sys
from shared.grant import RunVariables
from shared.errors import LanguageError
from shared.language import TaskInput, load
given = TaskInput(text=sys.stdin.read(), variables=RunVariables(id="r", registry="r.io", registry_name="r", date=""))
try:
    load(given)
except LanguageError:
    pass
print("ended")
"""


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tasks_end_within_hard_limits(name: str) -> None:
    """The limits hold for the whole process: interpreter, imports and all."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=HOSTILE[name],
        text=True,
        capture_output=True,
        check=False,
        preexec_fn=limit,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr[-500:]
