"""The text of a task before it is YAML."""

import pytest

from shared.language import source
from shared.language.errors import TaskTooLarge


def test_comment_lines_go_wherever_they_stand() -> None:
    text = "# a\nsteps:\n  - cmd: |\n      echo 1\n      # not for the shell\n      echo 2 # stays\n"
    assert source.strip_comments(text) == "steps:\n  - cmd: |\n      echo 1\n      echo 2 # stays\n"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("version: v1.1.0\n", "v1.1.0"),
        ("steps: []\nversion :  'v1.1.0' \n", "v1.1.0"),
        ('"version": "v1.0.0"', "v1.0.0"),
        ("version: v1.1.0 # why", "v1.1.0 # why"),
        ("version: v1.1.0\r\n", "v1.1.0"),
        (" version: v1.1.0\n", ""),
        ("{version: v1.1.0}", ""),
        ("\ufeffversion: v1.1.0", ""),
        ("version v1.1.0", ""),
        ("version: a\nversion: b", "a"),
        ("", ""),
    ],
)
def test_version(text: str, version: str) -> None:
    assert source.version_of(text) == version


def test_alias_blocks_are_cut_out() -> None:
    text = "version: v1.1.0\r\nalias:\r\n  values:\r\n    a: 1\r\n\r\nsteps:\r\n - cmd: x\r\nalias:\r\n  src: [b]"
    parts = source.split_alias(text)
    assert parts.task == "version: v1.1.0\nsteps:\n - cmd: x\n"
    assert parts.alias == "alias:\n  values:\n    a: 1\n\nalias:\n  src: [b]\n"


def test_a_quoted_alias_key_is_not_seen() -> None:
    assert source.split_alias('"alias":\n  values: {}\n').alias == ""


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(TaskTooLarge, match="the task has 11 characters, more than the 10 allowed"):
        source.check_size("x" * 11, 10)
