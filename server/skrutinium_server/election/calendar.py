"""The calendar around an event: testing windows, rehearsals, closing dates, voting; read from ``SITE/calendar.toml``.

::

    zone = "Europe/Prague"          # times without an offset are meant in this zone; unless given, UTC

    [[entry]]
    event = "kv2018"                # absent: every event of the site
    id = "window-1"
    kind = "testing-window"         # rehearsal, live-test, closing-date, voting, results, meeting
    from = 2018-09-24T08:00:00
    to = 2018-09-28T16:00:00        # absent: a single moment
    text = "Made-up results every day, open to the test ranges."

    [[entry]]
    id = "live-test"
    kind = "live-test"
    from = 2018-10-02T16:00:00
    to = 2018-10-02T18:00:00
    text = "Live test with everybody."
    plays = { precincts = 200, seed = 7 }   # a made-up night; or { ledger = "runs/dress" }

Reading is pure: the bytes come in. Source: requirements M6, M10, M11.
"""

import datetime
import re
import tomllib
import zoneinfo
from typing import Any, Final, Literal, get_args

import msgspec

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.model import IDENTIFIER
from skrutinium_server.election.plays import Plays, read_plays

EntryKind = Literal[
    "testing-window", "rehearsal", "live-test", "closing-date", "voting", "results", "meeting"
]
KINDS: Final[tuple[EntryKind, ...]] = get_args(EntryKind)

TITLES: Final[dict[EntryKind, str]] = {
    "testing-window": "Testing window",
    "rehearsal": "Rehearsal",
    "live-test": "Live test",
    "closing-date": "Closing date",
    "voting": "Voting",
    "results": "Results",
    "meeting": "Meeting",
}
_ANNOUNCED: Final = ("testing-window", "rehearsal", "live-test", "closing-date")
_MOST_BYTES: Final = 1_000_000
_LONGEST: Final = 1000
_HEADER: Final = re.compile(r"\s*\[\[\s*entry\s*\]\]")
_SYNTAX_LINE: Final = re.compile(r"at line (\d+)")


class CalendarError(ElectionError):
    """The calendar cannot be read; the message says line, what is wrong and what was expected."""

    code = "calendar"

    def __init__(self, line: int | None, problem: str, expected: str) -> None:
        self.line = line
        where = "calendar.toml" if line is None else f"calendar.toml, line {line}"
        super().__init__(
            f"{where}: {problem}; expected {expected}. Correct the calendar; nothing was published."
        )


class Entry(msgspec.Struct, frozen=True):
    """One entry; times are UTC, ``to`` equals ``from_`` for a single moment. ``event`` None: every event of the site.

    ``plays`` is there where a live test opens and closes by itself.
    """

    id: str
    kind: EntryKind
    from_: datetime.datetime
    to: datetime.datetime
    text: str
    event: str | None = None
    plays: Plays | None = None


class Calendar(msgspec.Struct, frozen=True):
    """Entries in the order of time; ``zone`` is the time zone in which people read them."""

    zone: str = "UTC"
    entries: tuple[Entry, ...] = ()

    def of_event(self, event: str) -> tuple[Entry, ...]:
        """The entries that concern an event."""
        return tuple(entry for entry in self.entries if entry.event in (None, event))

    def windows_of(self, event: str) -> tuple[str, ...]:
        """What a newsroom is told of the times of tests of an event, a line of text each, in local time."""
        return tuple(self.line(entry) for entry in self.of_event(event) if entry.kind in _ANNOUNCED)

    def line(self, entry: Entry) -> str:
        """One entry for people: when in local time, what."""
        zone = zoneinfo.ZoneInfo(self.zone)
        begins, ends = entry.from_.astimezone(zone), entry.to.astimezone(zone)
        when = f"{begins:%Y-%m-%d %H:%M}"
        if ends != begins:
            when += f" to {ends:%H:%M}" if ends.date() == begins.date() else f" to {ends:%Y-%m-%d %H:%M}"
        return f"{TITLES[entry.kind]}, {when} ({self.zone}): {entry.text}"


def read_calendar(data: bytes) -> Calendar:
    """The calendar in the bytes of ``calendar.toml``. Raises :class:`CalendarError`."""
    if len(data) > _MOST_BYTES:
        raise CalendarError(None, f"{len(data)} bytes", f"at most {_MOST_BYTES}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CalendarError(data.count(b"\n", 0, error.start) + 1, "not UTF-8", "UTF-8") from error
    try:
        told = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _SYNTAX_LINE.search(str(error))
        raise CalendarError(int(found[1]) if found else None, str(error), "TOML") from error
    lines = text.splitlines()
    for key in told.keys() - {"zone", "entry"}:
        raise CalendarError(_find(lines, key, 0), f"{key!r} is unknown", "zone and [[entry]]")
    zone = _zone(told.get("zone", "UTC"), _find(lines, "zone", 0))
    tables = told.get("entry", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise CalendarError(_find(lines, "entry", 0), "entry is no list of tables", "[[entry]]")
    entries = [_entry(_Table(table, lines, place), zone) for place, table in enumerate(tables)]
    known: dict[str, int | None] = {}
    for place, entry in enumerate(entries):
        line = _Table(tables[place], lines, place).line("id")
        if entry.id in known:
            raise CalendarError(line, f"the id {entry.id!r} stands twice", "an id of its own for every entry")
        known[entry.id] = line
    return Calendar(zone.key, tuple(sorted(entries, key=lambda entry: (entry.from_, entry.to, entry.id))))


class _Table:
    """One ``[[entry]]`` and where it stands."""

    def __init__(self, values: dict[str, Any], lines: list[str], place: int) -> None:
        self.values = values
        self._lines = lines
        headers = [number for number, line in enumerate(lines) if _HEADER.match(line)]
        self._start = headers[place] if place < len(headers) else None

    def line(self, key: str) -> int | None:
        """The line of a field; that of the table when the field is not there, None when it cannot be told."""
        if self._start is None:
            return None
        return _find(self._lines, key, self._start + 1) or self._start + 1

    def has(self, key: str) -> bool:
        """Whether a line sets a field."""
        return self._start is not None and _find(self._lines, key, self._start + 1) is not None

    def error(self, key: str, problem: str, expected: str) -> CalendarError:
        """What is wrong with a field."""
        return CalendarError(self.line(key), problem, expected)


_FIELDS: Final = ("event", "id", "kind", "from", "to", "text", "plays")


def _entry(table: _Table, zone: zoneinfo.ZoneInfo) -> Entry:
    for key in table.values.keys() - set(_FIELDS):
        raise table.error(key, f"{key!r} is unknown", f"one of {', '.join(_FIELDS)}")
    for key in ("id", "kind", "from", "text"):
        if key not in table.values:
            raise table.error(key, f"the entry has no {key}", "id, kind, from and text in every entry")
    id, kind, text = table.values["id"], table.values["kind"], table.values["text"]
    event = table.values.get("event")
    for key, value in (("id", id), ("event", event)):
        if value is not None and not (isinstance(value, str) and IDENTIFIER.fullmatch(value)):
            raise table.error(key, f"{value!r} is no {key}", "letters, digits, '.' and '-', at most 64")
    if kind not in KINDS:
        raise table.error("kind", f"{kind!r} is no kind", f"one of {', '.join(KINDS)}")
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= _LONGEST:
        raise table.error("text", "the text is empty or too long", f"1 to {_LONGEST} characters")
    begins = _moment(table, "from", zone)
    ends = _moment(table, "to", zone) if "to" in table.values else begins
    if ends < begins:
        raise table.error("to", "it ends before it begins", "to at or after from")
    plays = _plays(table, kind, begins, ends) if "plays" in table.values else None
    return Entry(id, kind, begins, ends, " ".join(text.split()), event, plays)


def _plays(table: _Table, kind: EntryKind, begins: datetime.datetime, ends: datetime.datetime) -> Plays:
    """What a live test plays."""
    told = table.values["plays"]
    if kind != "live-test":
        raise table.error("plays", f"a {kind} plays nothing", "plays in entries of the kind live-test only")
    if ends == begins:
        raise table.error("to", "a live test that plays has no end", "to, when its run closes")

    def wrong(key: str, problem: str, expected: str) -> CalendarError:
        where = "plays" if table.has("plays") else key
        return table.error(where, f"plays: {problem}", expected)

    return read_plays(told, wrong)


def _moment(table: _Table, key: str, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    value = table.values[key]
    if not isinstance(value, datetime.datetime):
        raise table.error(key, f"{value!s} is no date and time", "one such as 2018-09-24T08:00:00")
    try:
        return _utc(table, key, value, zone)
    except OverflowError as error:
        raise table.error(key, f"{value} is too far away", "a time between the years 2 and 9998") from error


def _utc(table: _Table, key: str, value: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    if value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(microsecond=0)
    local = value.replace(tzinfo=zone, microsecond=0)
    utc = local.astimezone(datetime.UTC)
    if utc.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise table.error(key, f"{value} does not exist in {zone.key}: clocks skip it", "a time that exists")
    return utc


def _zone(name: object, line: int | None) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(str(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CalendarError(line, f"{name!r} is no time zone", "a name such as Europe/Prague") from error


def _find(lines: list[str], key: str, start: int) -> int | None:
    """The number of the line that sets a key, from ``start`` up to the next table."""
    setting = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
    for number in range(start, len(lines)):
        if _HEADER.match(lines[number]):
            return None
        if setting.match(lines[number]):
            return number + 1
    return None
