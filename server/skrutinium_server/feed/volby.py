"""The ``volby`` series at the addresses of volby.cz, in both of their shapes, so that programs work unchanged.

Procedures (``/pls/kvYYYY/…?…``) answer errors with status 200 and the element ``CHYBA``; files (``/appdata/…``) with 404
and ``CHYBA``. Codes: 10 before there is anything, 30 outside of what there is. Source: volby-format §§ 2, 5 and 14.
"""

import datetime
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from skrutinium_server.feed.addresses import VolbyFile, VolbyProcedure
from skrutinium_server.feed.refusals import NO_EVENT, NOT_FOUND, Refusal
from skrutinium_server.feed.representation import marks
from skrutinium_server.feed.shelf import Published, Shelved
from skrutinium_server.release.store.model import Run, SeriesKey

SERIES: Final = "volby"
TERM: Final = 4
"""So many years after an election of councils a by-election may still be held, which is read at the addresses of the former."""

TOO_OFTEN: Final = "Asked too often. Ask again after the seconds that Retry-After tells."

_PRAGUE: Final = ZoneInfo("Europe/Prague")
_DAYS: Final = ("datumvoleb", "datum_voleb")
_NUTS: Final = re.compile(r"[A-Z]{2}[0-9A-Z]{3,4}")
_HYPHENS: Final = re.compile("-(?=-)")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_HEADER: Final = b"Access-Control-Allow-Origin: *\r\n"

VolbyAddress = VolbyProcedure | VolbyFile


@dataclass(frozen=True, slots=True)
class Election:
    """What stands under one name of volby.cz: the law, namespace and schemas, and its documents by the pattern of their paths."""

    law: str
    namespace: str
    schemas: str
    families: tuple[tuple[re.Pattern[str], str], ...]

    def root_of_file(self, path: str) -> str | None:
        """The root of the document at a path, None when there is no such document."""
        return next((root for pattern, root in self.families if pattern.fullmatch(path)), None)

    def root_of_procedure(self, name: str) -> str | None:
        """The root of what a procedure tells; it has the procedure's name."""
        return name.upper() if name.upper() in {root for _, root in self.families} else None


_ALL: Final = (re.compile(r"vysledky\.xml"), "VYSLEDKY")
_BATCHES: Final = (re.compile(r"okrsky/vysledky_okrsky(_[0-9]+)?\.xml"), "VYSLEDKY_OKRSKY")
ELECTIONS: Final[Mapping[str, Election]] = {
    "kv": Election(
        "cz-municipal-",
        "http://www.volby.cz/kv/",
        "kv_",
        (
            _ALL,
            (re.compile(r"okresy/vysledky_obce_okres_[^/]+\.xml"), "VYSLEDKY_OBCE_OKRES"),
            (re.compile(r"zastup/vysledky_obec_[^/]+\.xml"), "VYSLEDKY_OBEC"),
            _BATCHES,
        ),
    ),
    "se": Election(
        "cz-senate-",
        "http://www.volby.cz/senat/",
        "se_",
        (
            _ALL,
            (re.compile(r"obvody/vysledky_obce_obvod_[^/]+\.xml"), "VYSLEDKY_OBCE_OBVOD"),
            _BATCHES,
        ),
    ),
}
"""By the name in :class:`VolbyProcedure` and :class:`VolbyFile`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A path in the newest release of a series."""

    series: Shelved
    path: str


@dataclass(frozen=True, slots=True)
class _Missing:
    """No document, but a run that the address speaks of; ``code`` is that of ``CHYBA``."""

    run: Run
    root: str
    code: int


def run_of(address: VolbyAddress, published: Published) -> Run | None:
    """The run whose document an address reads; None when it speaks of none."""
    match _sought(address, published):
        case Asked(series=series):
            return published.run(series.key.event, series.key.run)
        case _Missing(run=run):
            return run
        case _:
            return None


def earlier(address: VolbyAddress, published: Published) -> VolbyAddress | None:
    """The same address for the first round, where it reads the second without having asked for that; else None.

    What stood there before the second round may be read is read on until it may.
    """
    run = run_of(address, published)
    if run is None or run.first_date is None or _round(address) is not None:
        return None
    if isinstance(address, VolbyFile):
        return replace(address, round=1)
    return replace(address, query=(*address.query, ("kolo", "1")))


def not_yet(address: VolbyAddress, run: Run, now: datetime.datetime, refusal: Refusal) -> Refusal:
    """Before a run may be read its addresses answer as the source does when there is nothing yet; ``Retry-After`` as in ``refusal``."""
    root = _root(address)
    if root is None:
        return NOT_FOUND
    missing = _Missing(run, root, 10)
    return replace(_chyba(missing, ELECTIONS[address.election], _status(address), now), until=refusal.until)


def limited(address: VolbyAddress, published: Published, now: datetime.datetime, refusal: Refusal) -> Refusal:
    """A refusal of one who asks too often, as a document of errors with a sentence; status and headers stay those of ``refusal``."""
    root, run = _root(address), run_of(address, published)
    if root is None or run is None:
        return refusal
    told = _chyba(_Missing(run, root, 10), ELECTIONS[address.election], refusal.status, now, TOO_OFTEN)
    return replace(refusal, document=told.document, lines=told.lines + refusal.lines)


def ask(address: VolbyAddress, published: Published, now: datetime.datetime) -> Asked | Refusal:
    """What an address asks for: keys of procedures come in any order, and empty values count as absent."""
    found = _sought(address, published)
    if isinstance(found, _Missing):
        return _chyba(found, ELECTIONS[address.election], _status(address), now)
    return found


def _status(address: VolbyAddress) -> int:
    return 404 if isinstance(address, VolbyFile) else 200


def _root(address: VolbyAddress) -> str | None:
    election = ELECTIONS.get(address.election)
    if election is None:
        return None
    if isinstance(address, VolbyFile):
        return election.root_of_file(address.path)
    return election.root_of_procedure(address.name)


def _round(address: VolbyAddress) -> str | None:
    """The round that is asked for, as it is written."""
    if isinstance(address, VolbyFile):
        return None if address.round is None else str(address.round)
    return _told(address).get("kolo")


def _told(address: VolbyProcedure) -> dict[str, str]:
    """The values of a query that are not empty; of several the first."""
    told: dict[str, str] = {}
    for key, value in address.query:
        if value:
            told.setdefault(key, value)
    return told


def _sought(address: VolbyAddress, published: Published) -> Asked | _Missing | Refusal:
    root = _root(address)
    if root is None:
        return NOT_FOUND if address.election in ELECTIONS else NO_EVENT
    rounds = _rounds(address, published)
    if isinstance(rounds, _NoSuchDay):
        return _Missing(rounds.run, root, 30)
    if not rounds:
        return NO_EVENT
    wanted = _round(address)
    if wanted is not None:
        chosen = [run for run in rounds if wanted == ("1" if run.first_date is None else "2")]
        if not chosen:  # the second round is to come, or there is no such round
            return _Missing(rounds[0], root, 10 if wanted in ("1", "2") else 30)
        rounds = chosen
    # Numbers of batches are those of one round; every other document of the newest round tells of both, and where it
    # has none, as for a constituency that was decided at once, the first round's stands.
    for run in rounds[:1] if root == "VYSLEDKY_OKRSKY" else rounds:
        series = published.series.get(SeriesKey(run.event, run.id, SERIES))
        path = None if series is None else _path(address, root, series)
        if series is not None and path in series.rows:
            assert path is not None
            return Asked(series, path)
    return _Missing(rounds[0], root, _code(address, root, rounds[0], published))


def _code(address: VolbyAddress, root: str, run: Run, published: Published) -> int:
    """Files that are not there may still come; a procedure says so only before there is anything of that kind."""
    series = published.series.get(SeriesKey(run.event, run.id, SERIES))
    nothing = series is None or (root == "VYSLEDKY_OKRSKY" and series.batch == 0)
    return 10 if isinstance(address, VolbyFile) or nothing else 30


@dataclass(frozen=True, slots=True)
class _NoSuchDay:
    """A day on which nothing was voted on is asked for; ``run`` is one that the rest of the address fits."""

    run: Run


def _rounds(address: VolbyAddress, published: Published) -> list[Run] | _NoSuchDay:
    """The runs of the election that is asked for, the newest round first."""
    held = _held(published, address.election)
    fitting = {
        day: runs
        for day, runs in held.items()
        if address.year is None or 0 <= int(day[:4]) - address.year <= TERM
    }
    if isinstance(address, VolbyFile):
        return fitting.get(address.date, [])
    told = _told(address)
    day = next((told[key] for key in _DAYS if key in told), None)
    if day is not None and day in fitting:
        return fitting[day]
    current = _current(address, fitting)
    if day is None or not current:
        return current
    return _NoSuchDay(current[0])


def _current(address: VolbyProcedure, held: Mapping[str, list[Run]]) -> list[Run]:
    """The election that is meant when no day is told: of the year, a by-election only if there is nothing else."""
    of_year = {
        day: runs for day, runs in held.items() if address.year is None or int(day[:4]) == address.year
    }
    regular = [
        day for day, runs in of_year.items() if any(run.event == address.election + day[:4] for run in runs)
    ]
    newest = max(regular or of_year, default=None)
    return [] if newest is None else of_year[newest]


def _held(published: Published, election: str) -> dict[str, list[Run]]:
    """The current runs that stand under that name by the first day of voting in the first round, the newest round first.

    Beside a live run the tests of its other round are not there.
    """
    by_day: defaultdict[str, list[Run]] = defaultdict(list)
    for run in published.current.values():
        if run.law.startswith(ELECTIONS[election].law) and SERIES in run.series:
            by_day[(run.first_date or run.date).replace("-", "")].append(run)
    return {
        day: sorted(_alike(runs), key=lambda run: (run.date, run.event), reverse=True)
        for day, runs in by_day.items()
    }


def _alike(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.phase == "live"] or runs


def _path(address: VolbyAddress, root: str, series: Shelved) -> str | None:
    if isinstance(address, VolbyFile):
        newest = address.path == "okrsky/vysledky_okrsky.xml"
        return _batch(series.batch) if newest else address.path
    told = _told(address)
    if root == "VYSLEDKY":
        return "vysledky.xml"
    if root == "VYSLEDKY_OBCE_OKRES":
        nuts = told.get("nuts", "").upper()
        return f"okresy/vysledky_obce_okres_{nuts}.xml" if _NUTS.fullmatch(nuts) else None
    if root == "VYSLEDKY_OBEC":
        return _numbered("zastup/vysledky_obec", told.get("cislo_obce", ""))
    if root == "VYSLEDKY_OBCE_OBVOD":
        return _numbered("obvody/vysledky_obce_obvod", told.get("cislo_obvodu", ""))
    number = told.get("davka", str(series.batch))
    if series.batch == 0 or not _NUMBER.fullmatch(number):
        return None
    return _batch(int(number))


def _numbered(family: str, number: str) -> str | None:
    return f"{family}_{number}.xml" if _NUMBER.fullmatch(number) else None


def _batch(number: int) -> str:
    return f"okrsky/vysledky_okrsky_{number:05d}.xml"


def _chyba(
    missing: _Missing, election: Election, status: int, now: datetime.datetime, sentence: str = ""
) -> Refusal:
    """The error document of the format, with the mark that every document outside live has, and a ``sentence`` where there is one.

    It holds ASCII only, so it is the same in every encoding.
    """
    run, root = missing.run, missing.root
    # A comment must not hold two hyphens in a row, but the name of a run may.
    name = _HYPHENS.sub("- ", run.id)
    mark = "" if run.phase == "live" else f"<!-- {run.phase.upper()}: run {name}, not a real election -->\n"
    indent = " " * (len(root) + 2)
    stamp = now.astimezone(_PRAGUE).replace(microsecond=0, tzinfo=None).isoformat()
    end = f">{sentence}</CHYBA>" if sentence else "/>"
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{mark}'
        f'<{root} xmlns="{election.namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        f'{indent}xsi:schemaLocation="{election.namespace} {election.schemas}{root.lower()}.xsd"\n'
        f'{indent}DATUM_CAS_GENEROVANI="{stamp}">\n'
        f'<CHYBA KOD_CHYBY="{missing.code}"{end}\n</{root}>\n'
    ).encode()
    return Refusal(
        status,
        f"chyba-{missing.code}",
        "No such document.",
        lines=_HEADER + marks(run.id, run.phase),
        document=document,
    )
