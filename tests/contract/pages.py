"""Reading the pages of the documentation: headings, tables and fenced blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def text(name: str) -> str:
    """A page by its path in the repository."""
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(name), re.DOTALL | re.MULTILINE)


def unfenced(page: str) -> str:
    """A page without its fenced blocks: in them a line that begins with # is no heading."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)


def section(page: str, title: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    page = unfenced(page)
    found = re.search(rf"^(#+) {re.escape(title)}\n", page, re.MULTILINE)
    assert found is not None, f"there is no heading {title!r}"
    rest = page[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(page: str) -> list[list[str]]:
    """The rows of all tables below their headers."""
    lines = re.findall(
        r"^\| (.*) \|$", re.sub(r"^\|.*\|\n\| -.*\|$", "", page, flags=re.MULTILINE), re.MULTILINE
    )
    return [re.split(r" \| ", line) for line in lines]


def named(cell: str) -> list[str]:
    """What stands between backquotes."""
    return re.findall(r"`([^`]+)`", cell)
