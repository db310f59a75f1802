"""From the target of a request to what it asks for. Pure: nothing is looked up here.

The addresses are those of ``docs/architecture.md``. A segment is decoded once and must then be plain; whatever else an
address holds (``..``, empty segments, NUL, encoded slashes) makes it malformed.
"""

import datetime
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from skrutinium_server.feed.refusals import (
    BAD_ADDRESS,
    BAD_NUMBER,
    BAD_QUERY,
    BAD_TIME,
    NO_CHECKPOINT,
    NO_KEY,
    NO_OBJECT,
    NOT_FOUND,
    URI_TOO_LONG,
    Refusal,
)

LONGEST: Final = 2000
DEFAULT_SERIES: Final = "skrutinium"

_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-:]{0,199}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_KEY: Final = re.compile(r"([0-9a-f]{16})\.pem(\.sig)?")
_CHECKPOINT: Final = re.compile(r"(newest|[1-9][0-9]{0,8})\.xml(\.sig)?")
_FOLDER: Final = re.compile(r"([a-z]{2})([0-9]{4})")


@dataclass(frozen=True, slots=True)
class Place:
    """A series as an address names it; without ``run`` it is that of the event's current run."""

    event: str
    run: str | None
    series: str


@dataclass(frozen=True, slots=True)
class NewestDocument:
    """``newest/PATH``."""

    place: Place
    path: str


@dataclass(frozen=True, slots=True)
class NumberedDocument:
    """``release/N/PATH``."""

    place: Place
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class DocumentAt:
    """``at/TIME/PATH``."""

    place: Place
    time: datetime.datetime
    path: str


@dataclass(frozen=True, slots=True)
class Changes:
    """``changes?since=N``."""

    place: Place
    since: int


@dataclass(frozen=True, slots=True)
class Pack:
    """``pack/N``."""

    place: Place
    number: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``checkpoint/N.xml``, or the newest without ``number``; ``signature``: the line beside it."""

    place: Place
    number: int | None
    signature: bool


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """``heartbeat.xml``."""

    place: Place


@dataclass(frozen=True, slots=True)
class Push:
    """``push``."""

    place: Place


@dataclass(frozen=True, slots=True)
class StateFile:
    """``/state.xml``."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """``/keys/KEYID.pem`` or its signature."""

    key_id: str
    signature: bool


@dataclass(frozen=True, slots=True)
class ObjectByHash:
    """``/object/SHA256``."""

    sha256: str


@dataclass(frozen=True, slots=True)
class ContractFile:
    """``/xsd/…``, ``/codebooks/…``, ``/samples/…``."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """``/access``, ``/status`` or ``/health``."""

    name: str


@dataclass(frozen=True, slots=True)
class VolbyProcedure:
    """``/pls/kvYYYY/NAME?…``; the keys of ``query`` are in lower case."""

    election: str
    year: int
    name: str
    query: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class VolbyFile:
    """``/appdata/kvYYYY/YYYYMMDD/odata/PATH``."""

    election: str
    year: int
    date: str
    path: str


Address = (
    NewestDocument
    | NumberedDocument
    | DocumentAt
    | Changes
    | Pack
    | Checkpoint
    | Heartbeat
    | Push
    | StateFile
    | KeyFile
    | ObjectByHash
    | ContractFile
    | Page
    | VolbyProcedure
    | VolbyFile
)


@lru_cache(maxsize=32768)
def parse_target(target: str) -> Address | Refusal:
    """What the target of a request (RFC 9112, 3.2: origin form or absolute form) asks for."""
    if len(target) > LONGEST:
        return URI_TOO_LONG
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if scheme.lower() not in ("http", "https") or not separator:
            return BAD_ADDRESS
        target = "/" + rest.partition("/")[2]
    path, _, query = target.partition("?")
    segments: list[str] = []
    for raw in path[1:].split("/"):
        segment = _decoded(raw)
        if segment is None:
            return BAD_ADDRESS
        segments.append(segment)
    return _parse(segments, query.partition("#")[0])


def _decoded(raw: str) -> str | None:
    text = raw
    if "%" in raw:
        try:
            text = unquote_to_bytes(raw).decode("ascii")
        except ValueError:  # surrogates, or bytes that are no ASCII
            return None
    return text if _SEGMENT.fullmatch(text) else None


def _parse(segments: list[str], query: str) -> Address | Refusal:
    match segments:
        case ["event", event, *rest]:
            return _parse_event(event, rest, query)
        case ["state.xml"]:
            return StateFile()
        case ["keys", name]:
            key = _KEY.fullmatch(name)
            return KeyFile(key[1], key[2] is not None) if key else NO_KEY
        case ["object", sha256]:
            return ObjectByHash(sha256) if re.fullmatch("[0-9a-f]{64}", sha256) else NO_OBJECT
        case [("xsd" | "codebooks" | "samples"), _, *_]:
            return ContractFile(tuple(segments))
        case [("access" | "status" | "health") as name]:
            return Page(name)
        case ["pls", folder, name] if found := _FOLDER.fullmatch(folder):
            return _parse_procedure(found[1], int(found[2]), name, query)
        case ["appdata", folder, date, "odata", *rest] if rest and (found := _FOLDER.fullmatch(folder)):
            return VolbyFile(found[1], int(found[2]), date, "/".join(rest))
        case _:
            return NOT_FOUND


def _parse_event(event: str, rest: list[str], query: str) -> Address | Refusal:
    run: str | None = None
    series = DEFAULT_SERIES
    if len(rest) > 1 and rest[0] == "run":
        run, rest = rest[1], rest[2:]
    if len(rest) > 1 and rest[0] == "series":
        series, rest = rest[1], rest[2:]
    place = Place(event, run, series)
    match rest:
        case ["newest", _, *_]:
            return NewestDocument(place, "/".join(rest[1:]))
        case ["release", number, _, *_]:
            return (
                NumberedDocument(place, int(number), "/".join(rest[2:]))
                if _NUMBER.fullmatch(number)
                else BAD_NUMBER
            )
        case ["at", time, _, *_]:
            moment = _moment(time)
            return BAD_TIME if moment is None else DocumentAt(place, moment, "/".join(rest[2:]))
        case ["changes"]:
            return _parse_changes(place, query)
        case ["pack", number]:
            return Pack(place, int(number)) if _NUMBER.fullmatch(number) else BAD_NUMBER
        case ["checkpoint", name]:
            found = _CHECKPOINT.fullmatch(name)
            if found is None:
                return NO_CHECKPOINT
            return Checkpoint(place, None if found[1] == "newest" else int(found[1]), found[2] is not None)
        case ["heartbeat.xml"]:
            return Heartbeat(place)
        case ["push"]:
            return Push(place)
        case _:
            return NOT_FOUND


def _parse_changes(place: Place, query: str) -> Changes | Refusal:
    told = _query(query)
    if told is None:
        return BAD_QUERY
    since = [value for key, value in told if key == "since"]
    if len(since) != 1:
        return BAD_QUERY
    if since[0] != "0" and not _NUMBER.fullmatch(since[0]):
        return BAD_NUMBER
    return Changes(place, int(since[0]))


def _parse_procedure(election: str, year: int, name: str, query: str) -> VolbyProcedure | Refusal:
    told = _query(query)
    return BAD_QUERY if told is None else VolbyProcedure(election, year, name, told)


def _query(query: str) -> tuple[tuple[str, str], ...] | None:
    try:
        told = parse_qsl(query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return None
    return tuple((key.strip().lower(), value.strip()) for key, value in told)


def _moment(text: str) -> datetime.datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
