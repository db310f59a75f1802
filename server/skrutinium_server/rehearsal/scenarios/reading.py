"""Reading a scenario from TOML, and those that come with the program.

::

    title = "A correction"
    what = "One precinct's protocol is replaced: a list loses votes."
    page = "scenarios/correction.md"

    [night]                     # as the settings of a made-up election
    law = "cz-municipal-2018"
    precincts = 24
    seed = 7

    [[step]]
    at = "40%"                  # of the protocols; "19:30" on the night's clock; "+30s" after the step before
    do = "correct"              # a method of the stage, with its arguments
    reason = "recount"

Reading is pure but for :func:`load`. Source: requirement M6.
"""

import datetime
import inspect
import re
import tomllib
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec

from skrutinium_server.rehearsal.made_up.settings import Settings
from skrutinium_server.rehearsal.scenarios.errors import ScenarioError
from skrutinium_server.rehearsal.scenarios.model import After, At, Clock, Scenario, Share, Step
from skrutinium_server.rehearsal.stage import ACTS, Stage

LARGEST: Final = 256 * 1024
"""Bytes of a scenario."""
MOST_STEPS: Final = 500
_LONGEST: Final = 500
_HEADER: Final = re.compile(r"\s*\[\[\s*step\s*\]\]")
_SYNTAX_LINE: Final = re.compile(r"at line (\d+)")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PAGE: Final = re.compile(r"(scenarios/[a-z0-9-]+\.md)?")
_SHARE: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_AFTER: Final = re.compile(r"\+([0-9]{1,5})s")
_AT: Final = '"40%" of the protocols, "19:30" on the night\'s clock, or "+30s" after the step before'
_FIELDS: Final = {"title", "what", "page", "night", "step"}


def names() -> tuple[str, ...]:
    """The scenarios that come with the program."""
    found = (file.name for file in _files().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def source(name: str) -> bytes:
    """The file of a scenario that comes with the program, one of :func:`names`."""
    data: bytes = _files().joinpath(f"{name}.toml").read_bytes()
    return data


def load(name: str | Path) -> Scenario:
    """A scenario that comes with the program, by its name, or one in a file; reads the file. Raises :class:`ScenarioError`."""
    if isinstance(name, str) and name in names():
        return read(source(name), f"{name}.toml")
    path = Path(name)
    if not path.is_file():
        raise ScenarioError(
            str(name), None, "there is no such scenario", f"a file, or one of {', '.join(names())}"
        )
    with path.open("rb") as file:
        return read(file.read(LARGEST + 1), str(path))


def _files() -> Any:
    return resources.files("skrutinium_server").joinpath("rehearsal", "scenarios", "files")


def read(data: bytes, file: str) -> Scenario:
    """The scenario in the bytes of ``file``, whose name (without folder and ending) is its own. Raises :class:`ScenarioError`."""
    if len(data) > LARGEST:
        raise ScenarioError(file, None, f"more than {LARGEST} bytes", "a scenario")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(file, data.count(b"\n", 0, error.start) + 1, "not UTF-8", "UTF-8") from error
    try:
        told = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _SYNTAX_LINE.search(str(error))
        raise ScenarioError(file, int(found[1]) if found else None, str(error), "TOML") from error
    return _Reader(file, text.splitlines(), told).scenario()


class _Reader:
    """One file: what it tells, and in which lines."""

    def __init__(self, file: str, lines: list[str], told: dict[str, Any]) -> None:
        self._file = file
        self._lines = lines
        self._told = told
        self._headers = [number for number, line in enumerate(lines, 1) if _HEADER.match(line)]

    def scenario(self) -> Scenario:
        """The whole of it."""
        for key in self._told.keys() - _FIELDS:
            raise self._error(
                self._find(key), f"{key!r} is unknown", "title, what, page, [night] and [[step]]"
            )
        name = Path(self._file).name.removesuffix(".toml")
        if not _NAME.fullmatch(name):
            raise self._error(
                None, f"{name!r} cannot name a scenario", "small letters, digits and '-', then .toml"
            )
        title, what = self._text("title"), self._text("what")
        page = self._told.get("page", "")
        if not isinstance(page, str) or not _PAGE.fullmatch(page):
            raise self._error(self._find("page"), f"{page!r} is no page", "scenarios/NAME.md")
        return Scenario(name, title, what, page, self._night(), self._steps())

    def _text(self, key: str) -> str:
        text = self._told.get(key)
        if not isinstance(text, str) or not 1 <= len(text.strip()) <= _LONGEST:
            raise self._error(self._find(key), f"there is no {key}", f"a text of 1 to {_LONGEST} characters")
        return " ".join(text.split())

    def _night(self) -> Settings:
        try:
            return msgspec.convert(self._told.get("night", {}), Settings)
        except (msgspec.ValidationError, ValueError) as error:
            line = next(
                (number for number, text in enumerate(self._lines, 1) if text.strip() == "[night]"), None
            )
            raise self._error(line, str(error), "the settings of a made-up election") from error

    def _steps(self) -> tuple[Step, ...]:
        tables = self._told.get("step", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables) or not tables:
            raise self._error(self._find("step"), "there is no step", "[[step]] at least once")
        if len(tables) > MOST_STEPS:
            raise self._error(None, f"{len(tables)} steps", f"at most {MOST_STEPS}")
        steps = [self._step(place, table) for place, table in enumerate(tables)]
        reached = Share(Fraction(0))
        for step in steps:
            if isinstance(step.at, Share):
                if step.at.share < reached.share:
                    raise self._error(step.line, f"{step.at} comes after {reached}", "steps in their order")
                reached = step.at
        if isinstance(steps[0].at, After):
            raise self._error(
                steps[0].line, f"the first step is at {steps[0].at}", "a share or a time for the first step"
            )
        return tuple(steps)

    def _step(self, place: int, table: dict[str, Any]) -> Step:
        start = self._headers[place] if place < len(self._headers) else None
        do = table.get("do")
        method = str(do).replace("-", "_")
        if not isinstance(do, str) or method not in ACTS or "_" in do:
            known = ", ".join(sorted(map(_dashed, ACTS)))
            raise self._error(self._find("do", start), f"{do!r} cannot be done", f"one of {known}")
        return Step(self._at(table.get("at"), start), method, self._arguments(do, table, start), start)

    def _arguments(self, do: str, table: dict[str, Any], start: int | None) -> dict[str, Any]:
        """What the method is called with."""
        act = getattr(Stage, do.replace("-", "_"))
        hints, wanted = get_type_hints(act, include_extras=True), dict(inspect.signature(act).parameters)
        del wanted["self"]
        arguments = {}
        for key, value in table.items():
            if key in ("at", "do"):
                continue
            name = key.replace("-", "_")
            if name not in wanted or "_" in key:
                expected = ", ".join(("at", "do", *map(_dashed, wanted)))
                raise self._error(self._find(key, start), f"{do} has no {key!r}", f"only {expected}")
            try:
                arguments[name] = msgspec.convert(value, hints[name])
            except msgspec.ValidationError as error:
                raise self._error(
                    self._find(key, start), f"{key} is {value!r} ({error})", f"{key} as {do} takes it"
                ) from error
        for name, parameter in wanted.items():
            if parameter.default is parameter.empty and name not in arguments:
                raise self._error(start, f"{do} lacks {_dashed(name)}", f"{_dashed(name)} = …")
        return arguments

    def _at(self, told: object, start: int | None) -> At:
        text = str(told)
        if found := _SHARE.fullmatch(text):
            share = Fraction(f"{found[1]}.{found[2] or 0}") / 100
            if share <= 1:
                return Share(share)
        elif found := _TIME.fullmatch(text):
            return Clock(datetime.time(int(found[1]), int(found[2])))
        elif found := _AFTER.fullmatch(text):
            return After(int(found[1]))
        raise self._error(self._find("at", start), f"at is {told!r}", _AT)

    def _find(self, key: str, start: int | None = 0) -> int | None:
        """The line that sets a key, of the table that begins at ``start``; that of the table where it is not set."""
        if start is None:
            return None
        setting = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
        for number, line in enumerate(self._lines[start:], start + 1):
            if line.lstrip().startswith("["):
                break
            if setting.match(line):
                return number
        return start or None

    def _error(self, line: int | None, problem: str, expected: str) -> ScenarioError:
        return ScenarioError(self._file, line, problem, expected)


def _dashed(name: str) -> str:
    """A name as it is written in a file."""
    return name.replace("_", "-")
