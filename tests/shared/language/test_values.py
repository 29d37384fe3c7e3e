"""What a template sees as values and run variables."""

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.grant import NamedValue, Platform, RunVariables
from shared.language.errors import ValuesError
from shared.language.values import load_values, shell_word, template_data

PREFIX = "unable to render task: error while loading exec steps: "


def test_a_values_file_is_typed() -> None:
    text = "a: 1\nb: on\nc: 0123\nd: 1:30\ne: 2026-01-02\nf: [x, 3, ~]\ng:\nh: '5'\n1: one\n"
    assert load_values(text, ()) == {
        "a": 1,
        "b": True,
        "c": 83,
        "d": "1:30",
        "e": "2026-01-02",
        "f": ["x", 3, None],
        "g": None,
        "h": "5",
        "1": "one",
    }


def test_what_the_request_sets_wins_and_is_text() -> None:
    overrides = [NamedValue(name="a", value="1,2"), NamedValue(name="x.y", value=""), NamedValue(name="a", value="7")]
    assert load_values("a: 5\nb: 6\n", overrides) == {"a": "7", "b": 6, "x.y": ""}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: {b: c}\n", "failed to serialize Values: json: unsupported type: map[interface {}]interface {}"),
        ("a: [{b: c}]\n", "failed to serialize Values: json: unsupported type: map[interface {}]interface {}"),
        ("a: .inf\n", "failed to serialize Values: json: unsupported value: +Inf"),
        ("- a\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into templating.Values"),
        ("a: [\n", "yaml: line 1: did not find expected node content"),
    ],
)
def test_what_a_values_file_cannot_hold(text: str, problem: str) -> None:
    with pytest.raises(ValuesError) as caught:
        load_values(text, ())
    assert caught.value.message.startswith(PREFIX + "failed to override values: ")
    assert caught.value.message.endswith(problem)


def test_a_value_needs_a_name() -> None:
    with pytest.raises(ValuesError) as caught:
        load_values(None, [NamedValue(name="", value="v")])
    assert caught.value.message == PREFIX + "failed to parse --set data; expected a key=val format"


def test_the_data_of_a_template() -> None:
    variables = RunVariables(id="cb1", registry="r.example.io", registry_name="r", date="20260102-030405z")
    data = template_data(variables, {"a": "it's"}, {"s": "x"}, platform=Platform(), shared_volume="vol")
    run = data["Run"]
    assert isinstance(run, dict)
    assert (run["ID"], run["SharedVolume"], run["OS"], run["OSVersion"]) == ("cb1", "vol", "linux", "")
    assert data["Build"] == {"ID": "cb1"}
    assert data["Secrets"] == {"s": "x"}
    assert data["ValuesJSON"] == """'{"a":"it'"'"'s"}'"""
    assert str(data["RunJSON"]).startswith("""'{"Architecture":"amd64","Branch":"",""")


HOSTILE = [
    "$(id)",
    "`id`",
    "{{.Run.ID}}",
    "--upload-pack=x",
    "a'b",
    'a"b',
    "a;id",
    "a&&id",
    "a|id",
    "#x",
    "$HOME",
    "a>b",
]


@pytest.mark.parametrize("name", ["main", "feature/x-1.2_3", "fix/#12", "a=b,c+d@e%f", "äöü", "", "-x"])
def test_the_name_of_a_branch_stays_as_it_is(name: str) -> None:
    assert shell_word(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_shell_reads_any_name_as_that_very_word(name: str) -> None:
    for text in (f"printf %s {shell_word(name)}", f"printf %s x{shell_word(name)}"):
        done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True, text=True)
        assert done.stdout.removeprefix("x") == name
    quoted = subprocess.run(
        ["/bin/sh", "-c", f'printf %s "{shell_word(name)}"'], capture_output=True, check=False, text=True
    )
    assert "uid=" not in quoted.stdout + quoted.stderr


@given(st.text(max_size=20))
def test_any_name_is_one_word(name: str) -> None:
    read = shlex.split(f"x {shell_word(name)}")
    assert read == ["x", *([("".join(one if one.isprintable() else "?" for one in name))] if name else [])]


def test_names_are_not_altered_where_they_are_quoted_anyway() -> None:
    variables = RunVariables(id="cb1", registry="r.example.io", registry_name="r", date="x", branch="$(id)")
    data = template_data(variables, {}, {}, platform=Platform(), shared_volume="vol")
    assert '"Branch":"$(id)"' in str(data["RunJSON"])
