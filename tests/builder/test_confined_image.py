"""The Dockerfile of the confined builder holds what the agent needs, where kaniko spares it."""

import re
from pathlib import Path

from builder.engine.kaniko import EXECUTOR_SETTING
from shared.dockerfile import parse
from shared.dockerfile.arguments import Keyword

FOLDER = Path(__file__).parents[2] / "builder"
FILE = parse((FOLDER / "Dockerfile.confined").read_text())


def environment() -> dict[str, str]:
    last = FILE.stages[-1]
    (words,) = (one.arguments for one in last.body if one.keyword is Keyword.ENV)
    return dict(zip(words[::2], words[1::2], strict=True))


def test_everything_lies_where_kaniko_wipes_nothing() -> None:
    found = environment()
    assert found[EXECUTOR_SETTING] == "/kaniko/executor"
    assert "KANIKO_DIR" not in found
    for name in ("PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR"):
        assert all(part.startswith("/kaniko") for part in found[name].split(":")), name
    (start,) = (one for one in FILE.stages[-1].body if one.keyword is Keyword.ENTRYPOINT)
    assert [word for word in start.arguments if word.startswith("/")] == ["/kaniko/tini", "/kaniko/bin/python3"]


def test_both_images_hold_the_same_agent() -> None:
    def copied(name: str) -> set[str]:
        text = (FOLDER / name).read_text()
        return set(re.findall(r"shared/\S+(?= )|builder(?= /)", text))

    assert "shared/language" in copied("Dockerfile")
    assert copied("Dockerfile") == copied("Dockerfile.confined")
    ignored = [(FOLDER / f"Dockerfile{name}.dockerignore").read_text() for name in ("", ".confined")]
    assert ignored[0] == ignored[1]
