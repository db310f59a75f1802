"""The reference names all there is and nothing else: commands, options, exit codes, errors, settings, rules, links."""

import argparse
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
import pytest

import skrutinium
from skrutinium.commands import parser
from skrutinium_server import commands as server_commands
from skrutinium_server.commands import group
from skrutinium_server.election.law import law_ids, load_law
from skrutinium_server.feed import errors as feed_errors
from skrutinium_server.feed import refusals
from skrutinium_server.feed import volby as feed_volby
from skrutinium_server.feed.pages import STALLED, health_page
from skrutinium_server.feed.ranges import unsatisfiable
from skrutinium_server.process import logs
from skrutinium_server.process.settings import SETTINGS, SiteSettings
from skrutinium_server.process.site import ACCESS
from tests.contract.codes import stage_codes
from tests.contract.pages import DOCS, PAGES, ROOT, blocks, named, rows, section, text, unfenced


# ------------------------------------------------------------------ commands
def leaves(
    command: click.Command, path: tuple[str, ...] = ("skrutinium-server",)
) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from leaves(sub, (*path, name))
    else:
        pieces = command.collect_usage_pieces(click.Context(command))
        yield " ".join([*path, *(piece for piece in pieces if piece != "[OPTIONS]")]), command


@pytest.mark.parametrize(
    ("usage", "command"), list(leaves(group)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_reference_names_every_option_of_a_server_command(usage: str, command: click.Command) -> None:
    """The section of a command names exactly its options, with their choices and the defaults that help shows."""
    told = {row[0].strip("`").split()[0]: row[1] for row in rows(section(text("docs/commands.md"), usage))}
    options = {option.opts[0]: option for option in command.params if isinstance(option, click.Option)}
    assert set(told) == set(options)
    for name, option in options.items():
        if isinstance(option.type, click.Choice):
            assert {str(choice) for choice in option.type.choices} <= set(named(told[name]))
        if option.show_default:
            assert str(option.default) in told[name]
        assert ("required" in told[name]) is option.required


def readers_commands() -> dict[str, argparse.ArgumentParser]:
    action = next(one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    return {
        " ".join(
            ["skrutinium", name, *(str(one.metavar) for one in sub._actions if not one.option_strings)]
        ): sub
        for name, sub in action.choices.items()
    }


@pytest.mark.parametrize("usage", list(readers_commands()))
def test_reference_names_every_option_of_a_reader_command(usage: str) -> None:
    """The section of ``watch`` and ``verify`` names exactly their options."""
    told = {named(row[0])[0].split()[0] for row in rows(section(text("docs/commands.md"), usage))}
    options = {one.option_strings[-1] for one in readers_commands()[usage]._actions if one.option_strings}
    assert told == options - {"--help"}


def test_reference_has_no_command_that_is_not_there() -> None:
    """Every heading of the reference is a command."""
    headings = set(re.findall(r"^### (.*)$", text("docs/commands.md"), re.MULTILINE))
    assert headings == {usage for usage, _ in leaves(group)} | set(readers_commands())


def test_reference_has_the_exit_codes_of_the_server() -> None:
    """The table of exit codes is that of the program."""
    page = text("docs/commands.md")
    told = {row[0] for row in rows(page[page.index("## skrutinium-server") : page.index("### ")])}
    assert told == set(re.findall(r"\b(\d+) [a-z]", str(server_commands.__doc__).partition("Exit codes:")[2]))


# ------------------------------------------------------------------ errors
def subclasses(kind: type) -> Iterator[type]:
    yield kind
    below: list[type] = kind.__subclasses__()
    for one in below:
        yield from subclasses(one)


def test_errors_of_the_sdk_are_documented() -> None:
    """Every error class of the SDK stands in the table with its code and exit code, and is public."""
    table = {
        named(row[0])[0]: row
        for row in rows(section(text("docs/errors.md"), "What the SDK raises"))
        if len(row) == 4
    }
    kinds = {
        kind for kind in subclasses(skrutinium.SkrutiniumError) if kind.__module__ == "skrutinium.errors"
    }
    assert set(table) == {kind.__name__ for kind in kinds}
    for name, row in table.items():
        kind = getattr(skrutinium, name)
        assert (named(row[1]), row[2]) == ([kind.code], str(kind.exit_code))


def test_exit_codes_of_the_sdk_are_in_range() -> None:
    """The reference of commands speaks of 10 to 29 and 70."""
    kinds = [
        kind for kind in subclasses(skrutinium.SkrutiniumError) if kind.__module__ == "skrutinium.errors"
    ]
    assert sorted(kind.exit_code for kind in kinds) == [*range(10, 30), 70]  # type: ignore[attr-defined]


def test_refusals_of_the_feed_are_documented() -> None:
    """Every code that the feed answers with stands in the table with its statuses."""
    held = [value for value in vars(refusals).values() if isinstance(value, refusals.Refusal)]
    made = (
        refusals.unexpected("0"),
        refusals.run_refused(""),
        refusals.not_before(datetime.now(UTC)),
        refusals.too_many_requests(1, 1, 0, 1),
        unsatisfiable(1),
        health_page(STALLED),
    )
    due = {
        (refusal.code, str(refusal.status))
        for refusal in (*held, *made)
        if isinstance(refusal, refusals.Refusal)
    }
    # A code of volby.cz comes with the status of the address that asked: 200 for procedures, 404 for files.
    source = Path(feed_volby.__file__).read_text("utf-8")
    codes = set(re.findall(r"_Missing\([^()]*(?:\([^()]*\))?[^()]*\b([1-9]0)\b", source))
    assert codes == {"10", "30"}
    due |= {("chyba-10", "200"), ("chyba-10", "404"), ("chyba-30", "200")}
    table = [row for row in rows(section(text("docs/errors.md"), "What the feed answers")) if len(row) == 3]
    assert {(named(row[0])[0], status) for row in table for status in row[1].split(", ")} == due


def test_errors_of_the_feed_for_its_operator_are_documented() -> None:
    """Every error class of the feed stands in the second table."""
    table = [row for row in rows(section(text("docs/errors.md"), "What the feed answers")) if len(row) == 2]
    assert {named(row[0])[0] for row in table} == {kind.code for kind in subclasses(feed_errors.FeedError)}  # type: ignore[attr-defined]


def test_errors_of_the_stages_are_documented() -> None:
    """Every code in the source of the server stands in the reference, and no other."""
    part = section(text("docs/errors.md"), "What the commands of the server refuse")
    told = {code for row in rows(part) for code in named(row[0])}
    assert told == stage_codes(ROOT / "server" / "skrutinium_server")


def test_differences_that_verify_finds_are_documented() -> None:
    """Every code of a difference stands in the table, and no other."""
    told = [
        named(row[0])[0] for row in rows(section(text("docs/errors.md"), "Differences that verify finds"))
    ]
    listed = re.search(r"which check found it: (.*?)\.", str(skrutinium.Difference.__doc__), re.DOTALL)
    assert listed is not None
    assert set(told) == set(re.split(r",\s+", listed[1]))


# ------------------------------------------------------------------ settings, rules, words
def test_settings_are_documented_with_their_defaults() -> None:
    """Both files are shown as they are created, and every setting has its row."""
    assert blocks("docs/settings.md", "toml") == [SETTINGS, ACCESS]
    told = {named(row[0])[0]: row[1] for row in rows(section(text("docs/settings.md"), "site.toml"))}
    sections = json.loads(msgspec.json.encode(SiteSettings()))
    assert told == {
        name: "none" if value is None else json.dumps(value)
        for defaults in sections.values()
        for name, value in defaults.items()
    }
    assert tomllib.loads(SETTINGS) == {
        section: {name: value for name, value in defaults.items() if value is not None}
        for section, defaults in sections.items()
    }
    keys = {named(row[0])[0] for row in rows(section(text("docs/settings.md"), "access.toml"))}
    assert keys == {"number", "id", "name", "events", "live", "test", "until"}
    assert set(tomllib.loads(ACCESS)["subscriber"][0]) < keys
    assert f"`{logs.VARIABLE}`" in text("docs/settings.md")


def test_rules_of_the_law_are_documented() -> None:
    """The table of rules is that of the law, severities too."""
    told = {(named(row[0])[0], row[1]) for row in rows(section(text("docs/counting.md"), "Rules"))}
    assert told == {(rule.id, rule.severity) for law in law_ids() for rule in load_law(law).rules}


def test_readme_names_every_folder() -> None:
    """The table of folders lists what is there."""
    told = {
        name.strip("/")
        for row in rows(section(text("README.md"), "Where things are"))
        for name in named(row[0])
    }
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert told == there - {"dist", "build"}


def test_decisions_are_numbered_and_have_their_parts() -> None:
    """Records are numbered without gaps, and each says what was decided and what follows."""
    records = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        record = path.read_text("utf-8")
        assert record.startswith(f"# {path.name[:4]}: "), path
        assert "\nStatus: " in record, path
        assert section(record, "Decided"), path
        assert section(record, "Consequences"), path


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", unfenced(path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading in it."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target
