"""The ``volby`` series at the addresses of volby.cz, in both of their shapes, so that programs work unchanged.

Procedures (``/pls/kvYYYY/…?…``) answer errors with status 200 and the element ``CHYBA``; files (``/appdata/…``) with 404
and ``CHYBA``. Codes: 10 before there is anything, 30 outside of what there is. Source: volby-format §§ 2, 5 and 14.
"""

import datetime
import re
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from skrutinium_server.feed.addresses import VolbyFile, VolbyProcedure
from skrutinium_server.feed.refusals import NO_EVENT, NOT_FOUND, Refusal
from skrutinium_server.feed.representation import marks
from skrutinium_server.feed.shelf import Published, Shelved
from skrutinium_server.release.store.model import Run, SeriesKey

SERIES: Final = "volby"

ELECTIONS: Final = (("cz-municipal-", "kv"),)
"""Which laws are held under which name of volby.cz."""

_PRAGUE: Final = ZoneInfo("Europe/Prague")
_DAYS: Final = {"kv": ("datumvoleb", "datum_voleb")}
_NUTS: Final = re.compile(r"[A-Z]{2}[0-9A-Z]{3,4}")
_HYPHENS: Final = re.compile("-(?=-)")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_FAMILIES: Final = (
    (re.compile(r"vysledky\.xml"), "VYSLEDKY"),
    (re.compile(r"okresy/vysledky_obce_okres_[^/]+\.xml"), "VYSLEDKY_OBCE_OKRES"),
    (re.compile(r"zastup/vysledky_obec_[^/]+\.xml"), "VYSLEDKY_OBEC"),
    (re.compile(r"okrsky/vysledky_okrsky(_[0-9]+)?\.xml"), "VYSLEDKY_OKRSKY"),
)
_HEADER: Final = b"Access-Control-Allow-Origin: *\r\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """A path in the newest release of a series."""

    series: Shelved
    path: str


def run_of(address: VolbyProcedure | VolbyFile, published: Published) -> Run | None:
    """The run that an address speaks of: the newest current one that fits."""
    fitting = (
        _fitting_procedure(address, published)
        if isinstance(address, VolbyProcedure)
        else _fitting_file(address, published)
    )
    return fitting[-1] if fitting else None


def not_yet(
    address: VolbyProcedure | VolbyFile, run: Run, now: datetime.datetime, refusal: Refusal
) -> Refusal:
    """Before a run may be read its addresses answer as the source does when there is nothing yet; ``Retry-After`` as in ``refusal``."""
    if isinstance(address, VolbyProcedure):
        root = {family: family for _, family in _FAMILIES}.get(address.name.upper())
        status = 200
    else:
        root = next((root for pattern, root in _FAMILIES if pattern.fullmatch(address.path)), None)
        status = 404
    return NOT_FOUND if root is None else replace(_chyba(root, 10, status, now, run), until=refusal.until)


def ask_procedure(address: VolbyProcedure, published: Published, now: datetime.datetime) -> Asked | Refusal:
    """What a procedure asks for; keys come in any order, empty values count as absent."""
    root = {family: family for _, family in _FAMILIES}.get(address.name.upper())
    if root is None:
        return NOT_FOUND
    told = {key: value for key, value in address.query if value}
    runs = _runs(published, address.election)
    if not any(run.date.startswith(f"{address.year}-") for run in runs):
        return NO_EVENT
    fitting = _fitting_procedure(address, published)
    if not fitting:
        return _chyba(root, 30, 200, now, runs[-1])
    run = fitting[-1]
    series = published.series.get(SeriesKey(run.event, run.id, SERIES))
    if series is None:
        return _chyba(root, 10, 200, now, run)
    path = _path(root, told, series)
    if path is None and root == "VYSLEDKY_OKRSKY" and series.batch == 0:
        return _chyba(root, 10, 200, now, run)
    if path is None or path not in series.rows:
        return _chyba(root, 30, 200, now, run)
    return Asked(series, path)


def ask_file(address: VolbyFile, published: Published, now: datetime.datetime) -> Asked | Refusal:
    """What a file address asks for: the paths are those of the series, and the newest batch has a name without number."""
    fitting = _fitting_file(address, published)
    if not fitting:
        return NO_EVENT
    root = next((root for pattern, root in _FAMILIES if pattern.fullmatch(address.path)), None)
    if root is None:
        return NOT_FOUND
    run = fitting[-1]
    series = published.series.get(SeriesKey(run.event, run.id, SERIES))
    if series is None:
        return _chyba(root, 10, 404, now, run)
    path = address.path
    if path == "okrsky/vysledky_okrsky.xml":
        path = _batch(series.batch)
    return Asked(series, path) if path in series.rows else _chyba(root, 10, 404, now, run)


def _fitting_procedure(address: VolbyProcedure, published: Published) -> list[Run]:
    keys = _DAYS.get(address.election, ())
    day = next((value for key in keys for name, value in address.query if name == key and value), None)
    return [
        run
        for run in _runs(published, address.election)
        if (_day(run) == day if day else run.date.startswith(f"{address.year}-"))
    ]


def _fitting_file(address: VolbyFile, published: Published) -> list[Run]:
    return [
        run
        for run in _runs(published, address.election)
        if _day(run) == address.date and run.date.startswith(f"{address.year}-")
    ]


def _runs(published: Published, election: str) -> list[Run]:
    """The current runs that stand under that name, by date."""
    laws = tuple(law for law, name in ELECTIONS if name == election)
    held = (
        [run for run in published.current.values() if run.law.startswith(laws) and SERIES in run.series]
        if laws
        else []
    )
    return sorted(held, key=lambda run: run.date)


def _day(run: Run) -> str:
    return run.date.replace("-", "")


def _path(root: str, told: dict[str, str], series: Shelved) -> str | None:
    if root == "VYSLEDKY":
        return "vysledky.xml"
    if root == "VYSLEDKY_OBCE_OKRES":
        nuts = told.get("nuts", "").upper()
        return f"okresy/vysledky_obce_okres_{nuts}.xml" if _NUTS.fullmatch(nuts) else None
    if root == "VYSLEDKY_OBEC":
        council = told.get("cislo_obce", "")
        return f"zastup/vysledky_obec_{council}.xml" if _NUMBER.fullmatch(council) else None
    number = told.get("davka", str(series.batch))
    if series.batch == 0 or not _NUMBER.fullmatch(number):
        return None
    return _batch(int(number))


def _batch(number: int) -> str:
    return f"okrsky/vysledky_okrsky_{number:05d}.xml"


def _chyba(root: str, code: int, status: int, now: datetime.datetime, run: Run) -> Refusal:
    """The error document of the format, with the mark that every document outside live has."""
    # A comment must not hold two hyphens in a row, but the name of a run may.
    name = _HYPHENS.sub("- ", run.id)
    mark = "" if run.phase == "live" else f"<!-- {run.phase.upper()}: run {name}, not a real election -->\n"
    indent = " " * (len(root) + 2)
    stamp = now.astimezone(_PRAGUE).replace(microsecond=0, tzinfo=None).isoformat()
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{mark}'
        f'<{root} xmlns="http://www.volby.cz/kv/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        f'{indent}xsi:schemaLocation="http://www.volby.cz/kv/ kv_{root.lower()}.xsd"\n'
        f'{indent}DATUM_CAS_GENEROVANI="{stamp}">\n'
        f'<CHYBA KOD_CHYBY="{code}"/>\n</{root}>\n'
    ).encode()
    return Refusal(
        status,
        f"chyba-{code}",
        "No such document.",
        lines=_HEADER + marks(run.id, run.phase),
        document=document,
    )
