"""The reference of the SDK names all there is: arguments, timing, exit codes, variables, what a staged night can do."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skrutinium
from skrutinium import commands, testing
from tests.contract.pages import ROOT, blocks, named, rows, section, text, unfenced

SDK = ROOT / "sdk" / "skrutinium"


def settings_table(first: str) -> dict[str, str]:
    """One table of the settings of the SDK by its first row: name and default."""
    tables = section(text("docs/settings.md"), "The SDK").split("\n\n")
    found = [{named(row[0])[0]: row[1] for row in rows(table)} for table in tables if table.startswith("|")]
    return next(table for table in found if next(iter(table)) == first)


def shown(default: object) -> str:
    """A default as the page writes it."""
    if default is inspect.Parameter.empty:
        return "none"
    return f"random.{getattr(default, '__name__', '')}" if callable(default) else str(default)


def test_arguments_of_connect_are_documented() -> None:
    """Every argument of ``connect`` has its row, with its default, in its order; the face without await has the same."""
    parameters = inspect.signature(skrutinium.connect).parameters
    assert list(settings_table("place").items()) == [
        (name, shown(one.default)) for name, one in parameters.items()
    ]


@pytest.mark.parametrize(("kind", "first"), [(skrutinium.Timing, "poll"), (skrutinium.Patience, "connect")])
def test_timing_and_patience_are_documented(kind: type, first: str) -> None:
    """Every field has its row with its default."""
    fields = dataclasses.fields(kind)
    assert settings_table(first) == {one.name: str(one.default) for one in fields}


def test_exit_codes_are_those_of_the_errors() -> None:
    """What ``--help`` says of exit codes is what the errors say, each code has one meaning, and the page has the others."""
    said = dict(re.findall(r"\b(\d+) ([a-z][^;.]*)", str(commands.__doc__).partition("Exit codes:")[2]))
    errors = {
        str(kind.exit_code): kind
        for kind in vars(skrutinium).values()
        if isinstance(kind, type) and issubclass(kind, skrutinium.SkrutiniumError)
    }
    assert len(errors) == len({kind.code for kind in errors.values()})
    page = section(text("docs/commands.md"), "skrutinium")
    own = {row[0] for row in rows(page.partition("\n### ")[0])} - {"10 to 29, 70"}
    assert set(said) == set(errors) | own
    for number, kind in errors.items():
        assert number == "70" or said[number].split(",")[0].strip().replace(" ", "-") == kind.code


def test_variables_of_the_environment_are_documented() -> None:
    """Every variable that the SDK reads by name stands in a page."""
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    for path in SDK.rglob("*.py"):
        source = path.read_text("utf-8")
        for name in re.findall(r'"(SKRUTINIUM_[A-Z_]+)"', source):
            assert f"`{name}`" in pages, f"{path}: {name}"


def test_everything_that_a_night_can_do_is_documented() -> None:
    """The page names every public call and property of a staged night."""
    part = section(text("docs/newsroom.md"), "Test your program")
    names = {name for name in dir(testing.Night) if not name.startswith("_")} - {
        "open",
        "close",
        "lead_to",
        "begin",
    }
    told = {re.split(r"\W", one.removeprefix("await ").removeprefix("night."))[0] for one in named(part)}
    assert names <= told


def test_test_of_a_newsroom_runs(tmp_path: Path) -> None:
    """The test that the page shows passes, with the line for ``conftest.py`` beside it."""
    (block,) = (one for one in blocks("docs/newsroom.md", "python") if "def test_" in one)
    plugin = next(
        one for one in named(unfenced(text("docs/newsroom.md"))) if one.startswith("pytest_plugins")
    )
    (tmp_path / "conftest.py").write_text(plugin)
    (tmp_path / "test_shown.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
