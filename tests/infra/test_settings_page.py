"""docs/settings.md names every setting, its default as the code has it, and nothing else."""

import json
import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from builder import environment
from infra.checker.app_settings import PLATFORM
from shared.settings import Settings

NOTHING = "\N{EN DASH}"
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()


def rows(title: str) -> dict[str, list[str]]:
    """Answer the cells after the name, by name, of the table below a heading."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(title + "\n"))
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({row[0] for row in cells}) == len(cells), "a setting stands there twice"
    return {row[0].strip("`"): row[1:] for row in cells}


def shown(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if default not in (None, "", (), {}) else NOTHING


FIELDS = {field.alias or name: field for name, field in Settings.model_fields.items()}


def test_the_page_names_the_settings_of_the_app_in_their_order() -> None:
    assert list(rows("The app")) == list(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_unit_default_and_meaning_are_told(name: str) -> None:
    unit, default, meaning = rows("The app")[name]

    assert default == shown(FIELDS[name])
    assert unit
    assert len(meaning) > 10


def test_the_page_names_the_settings_of_the_platform() -> None:
    assert rows("The platform").keys() == PLATFORM.keys()


def test_the_page_names_what_the_local_stack_adds() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]

    assert rows("The local stack").keys() == sample.keys() - FIELDS.keys() - PLATFORM.keys()


def test_the_page_names_what_a_builder_reads() -> None:
    read = {environment._URL, environment._GROUP, environment._TOKEN, environment._CA}

    assert rows("A builder").keys() == read
