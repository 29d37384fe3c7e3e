"""Alias blocks and their replacement."""

import pytest

from shared.errors import LanguageError
from shared.language.aliases import AliasConfig, Aliases, load
from shared.language.errors import AliasError, TaskTooLarge

NAMES = {"ID": "{{.Run.ID}}", "Registry": "{{.Run.Registry}}", "bash": "img/bash:1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$ID-x $IDx $ID_x", "{{.Run.ID}}-x $IDx {{.Run.ID}}_x"),
        ("$$ID $$$ID $$", "$ID ${{.Run.ID}} $"),
        ("$no$ID $no$$ID $ID$no $ID$ID", "$no$ID $no${{.Run.ID}} {{.Run.ID}}$no {{.Run.ID}}{{.Run.ID}}"),
        ("${i} $((1)) $? $ x$", "${i} $((1)) $? $ x$"),
        ("{{.$ID}}", "{{.{{.Run.ID}}}}"),
        ("", ""),
    ],
)
def test_replacement(text: str, expected: str) -> None:
    assert Aliases(NAMES).replace(text) == expected


def test_another_directive() -> None:
    assert Aliases(NAMES, "%").replace("%ID $ID %%") == "{{.Run.ID}} $ID %"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("bash -c x", "img/bash:1 -c x"),
        (" bash  x\n", "img/bash:1  x"),
        ("bash", "img/bash:1"),
        ("bash\n-c x\n", "bash\n-c x\n"),
        ("bash;ls", "bash;ls"),
        ("other bash\n", "other bash\n"),
    ],
)
def test_only_the_first_word_of_a_command_is_an_image_alias(command: str, expected: str) -> None:
    assert Aliases(NAMES).expand_command(command) == expected


def test_what_wins() -> None:
    sources = {"one": "a: 1\nb: 1\nc: 1\nbash: mine\n", "two": "a: 2\nb: 2\n"}
    block = "alias:\n  src: [one, two]\n  values: {a: 3}\n"
    names = load(block, AliasConfig(images={"bash": "b", "az": "z"}, read_source=sources.__getitem__)).names
    assert {name: names[name] for name in ("a", "b", "c", "bash", "az", "ID")} == {
        "a": "3",
        "b": "2",
        "c": "1",
        "bash": "mine",
        "az": "z",
        "ID": "{{.Run.ID}}",
    }


def test_windows_has_no_image_aliases() -> None:
    assert "bash" not in load("", AliasConfig(), windows=True).names


def test_values_of_two_blocks_join() -> None:
    names = load("alias:\n  values: {a: 1}\nalias:\n  values: {b: 1.50}\n", AliasConfig()).names
    assert (names["a"], names["b"]) == ("1", "1.50")


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("alias: x\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `x` into graph.Alias"),
        ("alias:\n  values:\n    a: [1]\n", "line 3: cannot unmarshal !!seq into string"),
        ("alias:\n  directive: '%%'\n", "$ directive can only be overwritten by a single character"),
        ("alias:\n  directive: 7\n", "overwritten directives may not be alphanumeric characters"),
        ("alias:\n  values: {a-b: 1}\n", "alias key names only support alphanumeric characters"),
        ("alias:\n  src: [no.yml]\n", "open no.yml: no such file or directory"),
    ],
)
def test_errors(block: str, problem: str) -> None:
    with pytest.raises(AliasError) as caught:
        load(block, AliasConfig())
    assert problem in caught.value.message


def test_a_source_may_hold_only_texts() -> None:
    with pytest.raises(LanguageError, match=r"line 2: cannot unmarshal !!map into string"):
        load("alias:\n  src: [x]\n", AliasConfig(read_source=lambda _: "a: 1\nb: {c: d}\n"))


def test_replacement_is_bounded() -> None:
    with pytest.raises(TaskTooLarge):
        Aliases({"a": "x" * 1000}).replace("$a" * 1000)
