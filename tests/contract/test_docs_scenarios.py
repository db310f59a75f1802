"""The pages of the scenarios: one for each, with its parts, and a reference of all that can be done."""

import inspect
import re
from pathlib import Path

import pytest

from skrutinium_server.rehearsal.scenarios import load, names, read
from skrutinium_server.rehearsal.stage import ACTS, Stage
from tests.contract.pages import DOCS, ROOT, blocks, named, rows, section, text

PARTS = ["What happens", "What your program should do", "What the SDK does", "Try it"]
PLAYED = [ROOT / "tests" / "rehearsal" / "scenarios" / name for name in ("test_changes.py", "test_ways.py")]


def test_each_scenario_has_its_page() -> None:
    """Every file has a page and a row in the list, and there is no page without a file."""
    assert {path.stem for path in (DOCS / "scenarios").iterdir()} == set(names())
    listed = [named(row[0])[0] for row in rows(text("docs/scenarios.md").partition("\n## ")[0])]
    assert sorted(listed) == list(names())


@pytest.mark.parametrize("name", names())
def test_page_has_its_parts(name: str) -> None:
    """The page is the one that the file names, has its parts in order, shows code, and says how to play it."""
    assert load(name).page == f"scenarios/{name}.md"
    page = text(f"docs/scenarios/{name}.md")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == PARTS
    assert page.startswith(f"# {load(name).title}\n")
    assert len(blocks(f"docs/scenarios/{name}.md", "python")) == 1
    assert f"sandbox play SITE NAME {name}`" in section(page, "Try it")


def test_each_scenario_is_played_by_a_test() -> None:
    """A test plays the file of every scenario."""
    played = "".join(path.read_text("utf-8") for path in PLAYED)
    assert set(re.findall(r'scenes\("([a-z-]+)"\)', played)) == set(names())


def test_everything_that_can_be_done_is_documented() -> None:
    """Every act has its row with all of its arguments, and there is no row of another one."""
    table = {
        named(row[0])[0]: named(row[1])
        for row in rows(section(text("docs/scenarios.md"), "What can be done"))
    }
    assert table == {
        act.replace("_", "-"): [
            one.replace("_", "-")
            for one in inspect.signature(getattr(Stage, act)).parameters
            if one != "self"
        ]
        for act in ACTS
    }


def test_scenario_of_the_page_can_be_read() -> None:
    """The file that the page shows is a scenario."""
    (shown,) = blocks("docs/scenarios.md", "toml")
    assert [step.do for step in read(shown.encode(), "our-night.toml").steps] == [
        "correct",
        "outage",
        "restore",
    ]


def test_files_come_with_the_program() -> None:
    """The files lie in the package, so that a wheel has them."""
    package = Path(inspect.getfile(Stage)).parents[1] / "scenarios" / "files"
    assert {path.name for path in package.iterdir()} == {f"{name}.toml" for name in names()}
