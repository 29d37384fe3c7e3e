"""What the pages name is there: files they link to or quote, rooms, tables, queues and commands."""

import re
from pathlib import Path

import pytest

from devstack.cli.main import main
from shared.storage.account import CONTAINERS, QUEUES, TABLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
ROOMS = ("shared", "shared/*", "shared/triggers/*", "builder", "builder/*", "devstack", "devstack/*", "infra", ".")
OF_OTHERS = {"package-lock.json", "local.settings.json"}
"""Files of which pages speak and that no checkout has."""


def architecture(title: str) -> str:
    """Answer a section of the architecture page."""
    sections = re.split(r"^## ", (ROOT / "docs/architecture.md").read_text(), flags=re.MULTILINE)
    (found,) = [one for one in sections if one.startswith(title)]
    return found


def anchors(page: Path) -> set[str]:
    """Answer the names of a page's headings, as git hosts make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text()):
        if "://" in target:
            continue
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_quoted_exist(page: Path) -> None:
    for quoted in re.findall(r"`([\w./-]+\.(?:py|sh|bicep|toml|yaml|json))`", page.read_text()):
        is_there = any(any(ROOT.glob(f"{room}/{quoted}")) for room in ROOMS)
        assert is_there or quoted in OF_OTHERS, quoted


def test_the_readme_leads_to_every_page() -> None:
    text = PAGES[0].read_text()
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in text] == []


def test_the_table_of_rooms_names_each_room_once() -> None:
    cells = re.findall(r"^\| (`[^|]+) \|", architecture("Rooms"), flags=re.MULTILINE)
    named = sorted(name.removeprefix("shared/") for cell in cells for name in re.findall(r"`([\w/]+)`", cell))
    parts = [part for part in (ROOT / "shared").iterdir() if not part.name.startswith(("_", "."))]
    assert named == sorted([*(part.stem for part in parts), "functions", "builder", "devstack"])


def test_the_page_names_all_that_is_stored() -> None:
    text = architecture("Data")
    rows = set(re.findall(r"^\| `([\w-]+)` \|", text, flags=re.MULTILINE))
    assert rows == {*TABLES, *CONTAINERS}
    queues = text[text.index("queues:") :].partition("A message is only")[0]
    assert set(re.findall(r"`([\w-]+)`", queues)) == set(QUEUES)


def test_the_commands_that_pages_show_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"^    (\w+) {2,}\S", capsys.readouterr().out, flags=re.MULTILINE))
    shown = {word for page in PAGES for word in re.findall(r"\./dev ([a-z]+)\b", page.read_text())}
    assert shown <= known
    assert {"up", "down", "demo", "test", "az"} <= shown
