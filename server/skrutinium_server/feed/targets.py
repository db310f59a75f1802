"""From the target of a request to what it asks for. Pure: nothing is looked up here.

A segment is decoded once and must then be plain; whatever else a target holds (``..``, empty segments, NUL, encoded slashes)
makes it malformed.
"""

import datetime
import re
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from skrutinium_server.feed.addresses import (
    Address,
    Archive,
    Changes,
    Checkpoint,
    ContractFile,
    DocumentAt,
    Heartbeat,
    KeyFile,
    Line,
    NewestDocument,
    NoticesFile,
    NumberedDocument,
    ObjectByHash,
    Pack,
    Page,
    Place,
    Push,
    ReceiptsOf,
    RegistersFile,
    StateFile,
    VolbyFile,
    VolbyProcedure,
)
from skrutinium_server.feed.choosing import SERIES, Choice
from skrutinium_server.feed.refusals import (
    BAD_ADDRESS,
    BAD_AFTER,
    BAD_CHOICE,
    BAD_NUMBER,
    BAD_QUERY,
    BAD_TIME,
    NO_ARCHIVE,
    NO_CHECKPOINT,
    NO_KEY,
    NO_OBJECT,
    NOT_FOUND,
    URI_TOO_LONG,
    Refusal,
)

LONGEST: Final = 2000
DEFAULT_SERIES: Final = SERIES
MOST: Final = 100
"""Areas, contests and paths in one choice."""

_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-:]{0,199}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_EDITION: Final = re.compile(r"([1-9][0-9]{0,8})(?:\.([1-9][0-9]{0,5}))?")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_KEY: Final = re.compile(r"([0-9a-f]{16})\.pem(\.sig)?")
_CHECKPOINT: Final = re.compile(r"(newest|[1-9][0-9]{0,8})\.xml(\.sig)?")
_ARCHIVE: Final = re.compile(r"(newest|[1-9][0-9]{0,8})(-csv)?\.zip")
_PATH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-:]*(?:/[A-Za-z0-9][A-Za-z0-9._\-:]*)*")
_FOLDER: Final = re.compile(r"([a-z]{2})([0-9]{4})")
_ELECTIONS: Final = {"senat": "se", "kvmedia": "kv", "semedia": "se"}
"""Folders of volby.cz that name no year; those for media stood on the media server."""

MEMOISED: Final = 200
"""Longer targets are read anew each time, so that nobody fills the memory of read ones."""


def asked_of(target: str) -> Address | Refusal:
    """What a target asks for."""
    return parse_target(target) if len(target) <= MEMOISED else parse_target.__wrapped__(target)


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
    if path == "/":
        return Page("addresses")
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
        case ["event", event, "registers", version, _, *_]:
            return _parse_registers(event, version, segments[4:])
        case ["event", event, "receipt"]:
            return ReceiptsOf(event)
        case ["event", event, *rest]:
            return _parse_event(event, rest, query)
        case ["state.xml"]:
            return StateFile()
        case ["notices.xml"]:
            return NoticesFile()
        case ["keys", name]:
            key = _KEY.fullmatch(name)
            return KeyFile(key[1], key[2] is not None) if key else NO_KEY
        case ["object", sha256]:
            return ObjectByHash(sha256) if re.fullmatch("[0-9a-f]{64}", sha256) else NO_OBJECT
        case [("xsd" | "codebooks" | "samples"), _, *_]:
            return ContractFile(tuple(segments))
        case [("access" | "status" | "status.xml" | "status.atom" | "health") as name]:
            return Page(name)
        case ["pls", folder, name] if found := _election(folder):
            return _parse_procedure(*found, name, query)
        case ["appdata", folder, date, "odata", *rest] if rest and (found := _election(folder)):
            return VolbyFile(*found, date, "/".join(rest))
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
    found = _parse_released(place, rest, query)
    return _parse_of_series(place, rest, query) if found is None else found


def _parse_released(place: Place, rest: list[str], query: str) -> Address | Refusal | None:
    """Documents as of a release, by whatever name of it; None when it is something else."""
    match rest:
        case ["newest", "manifest.xml"] if query:
            return _parse_after(place, query)
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
        case _:
            return None


def _parse_of_series(place: Place, rest: list[str], query: str) -> Address | Refusal:
    match rest:
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
            choice = _parse_choice(place, query)
            return choice if isinstance(choice, Refusal) else Push(place, choice)
        case ["line"]:
            return Line(place)
        case ["archive", name]:
            told = _ARCHIVE.fullmatch(name)
            if told is None:
                return NO_ARCHIVE
            return Archive(place, None if told[1] == "newest" else int(told[1]), told[2] is not None)
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
    choice = _parse_choice(place, query)
    return choice if isinstance(choice, Refusal) else Changes(place, int(since[0]), choice)


def _parse_after(place: Place, query: str) -> NewestDocument | Refusal:
    """``after=N``; whatever else a query of the newest manifest says counts for nothing, as elsewhere."""
    told = _query(query)
    after = [value for key, value in told or () if key == "after"]
    if not after:
        return NewestDocument(place, "manifest.xml")
    if len(after) != 1 or (after[0] != "0" and not _NUMBER.fullmatch(after[0])):
        return BAD_AFTER
    return NewestDocument(place, "manifest.xml", int(after[0]))


def _parse_choice(place: Place, query: str) -> Choice | Refusal | None:
    """What ``area``, ``contest``, ``kind`` and ``only`` of a query choose, None for everything; each may come several times, and holds a list."""
    told = _query(query)
    if told is None:
        return BAD_QUERY
    chosen: dict[str, set[str]] = {"area": set(), "contest": set(), "kind": set(), "only": set()}
    for key, value in told:
        if key in chosen:
            chosen[key].update(value.split(","))
    areas, contests, kinds, paths = chosen.values()
    if not (areas or contests or kinds or paths):
        return None
    if (
        len(areas) + len(contests) + len(kinds) + len(paths) > MOST
        or not all(map(_SEGMENT.fullmatch, areas | contests | kinds))
        or not all(map(_PATH.fullmatch, paths))
        or ((areas or contests or kinds) and place.series != SERIES)
    ):
        return BAD_CHOICE
    return Choice(tuple(sorted(areas)), tuple(sorted(contests)), tuple(sorted(paths)), tuple(sorted(kinds)))


def _parse_registers(event: str, version: str, path: list[str]) -> RegistersFile | Refusal:
    if version == "at" and len(path) > 1:
        time = _moment(path[0])
        return BAD_TIME if time is None else RegistersFile(event, time, "/".join(path[1:]))
    if version == "newest":
        return RegistersFile(event, None, "/".join(path))
    found = _EDITION.fullmatch(version)
    if found is None:
        return BAD_NUMBER
    return RegistersFile(event, int(found[1]), "/".join(path), int(found[2]) if found[2] else None)


def _election(folder: str) -> tuple[str, int | None] | None:
    """The election that a folder of volby.cz stands for, and its year where it names one."""
    if folder.lower() in _ELECTIONS:
        return _ELECTIONS[folder.lower()], None
    found = _FOLDER.fullmatch(folder)
    return (found[1], int(found[2])) if found else None


def _parse_procedure(election: str, year: int | None, name: str, query: str) -> VolbyProcedure | Refusal:
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
