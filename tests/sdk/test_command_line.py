"""What all commands of the SDK share: their order, ``--json``, exit codes that are documented."""

import argparse
import json
import re
from pathlib import Path

import pytest

import skrutinium.errors
from skrutinium import commands
from skrutinium.commands import COMMANDS, parser
from skrutinium.errors import SkrutiniumError
from tests.sdk.test_commands import run

ROOT = Path(__file__).parents[2]


def parsers() -> dict[str, argparse.ArgumentParser]:
    action = next(one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


def kinds() -> list[type[SkrutiniumError]]:
    held = (one for one in vars(skrutinium.errors).values() if isinstance(one, type))
    return [one for one in held if issubclass(one, SkrutiniumError)]


def test_commands_are_in_order() -> None:
    """They are listed by name, each once, so that another one has its place."""
    names = [module.__name__ for module in COMMANDS]
    assert names == sorted(set(names))


@pytest.mark.parametrize("name", sorted(parsers()))
def test_every_command_speaks_json(name: str) -> None:
    """Every command has ``--json``, and says in a line what it does."""
    assert "--json" in parsers()[name]._option_string_actions
    assert next(module.HELP for module in COMMANDS if module.__name__.endswith(f".{name}"))


def test_exit_codes_are_documented() -> None:
    """``--help`` names the exit code of every class of error and of every other end; no two classes share one."""
    own = [one.exit_code for one in kinds()]
    told = [
        int(one)
        for one in re.findall(
            r"(?<![\w-])(\d{1,3}) [a-z]", " ".join(parser().format_help().split()).partition("Exit codes:")[2]
        )
    ]

    assert sorted(told) == sorted([0, 1, 2, 3, 130, *own])
    assert len(set(own)) == len(own)


def test_exit_codes_of_the_reference() -> None:
    """The table of the reference has the same codes."""
    page = (
        (ROOT / "docs/commands.md")
        .read_text("utf-8")
        .partition("\n## skrutinium\n")[2]
        .partition("\n### ")[0]
    )
    own = sorted(one.exit_code for one in kinds())

    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == ["0", "1", "2", "3", "130"]
    assert f"| {own[0]} to {own[-2]}, {own[-1]} |" in page


async def test_errors_are_json_where_asked(tmp_path: Path) -> None:
    """With ``--json`` an error is one object on the standard error with its code; the exit code is that of its class."""
    nothing = str(tmp_path / "nothing")
    for arguments in (
        ("verify", nothing),
        ("pull", nothing, str(tmp_path / "mirror")),
        ("replay", nothing),
        ("schema", "nothing.xsd"),
    ):
        code, out, err = await run(*arguments, "--json")
        told = json.loads(err)
        assert (out, told["exit"]) == ("", code)
        assert told["error"] in {one.code for one in kinds()}
        assert told["message"]


def test_help_is_that_of_the_module() -> None:
    """The description of exit codes stands in the module too, where programmers look."""
    assert "Exit codes: 0 done" in str(commands.__doc__)
