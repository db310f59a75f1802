"""Definitions from what batches of precinct protocols tell themselves (``VYSLEDKY_OKRSKY``).

Where no register is at hand, the batches give the date, the contests, districts, precincts, polls and the lists by
number. They give no names: areas, contests and districts are called by their key and code (``KODZASTUP 500011``, see
:mod:`skrutinium_server.election.placeholders`), lists have none. Seats, candidates and counties stay unknown, so every
municipality lies in the country directly; and what has not come in yet is not there. Batches of the Senate give
constituencies (``CIS_OBVOD``), the candidates by number and the round; a ward cannot be told from a municipality there.

Votes are read by the intake, not here.
"""

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from lxml import etree

from skrutinium_server.election.canonical import in_order
from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats.czech_areas import COUNTRY
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Contest,
    ContestKind,
    Definition,
    District,
    List,
    Poll,
    Precinct,
)
from skrutinium_server.election.placeholders import placeholder
from skrutinium_server.xml_parsing import xml_parser

MOST_BYTES: Final = 16 * 2**20
"""Larger batches are refused; the largest known one has 1.8 MB."""

_KINDS: Final[Mapping[str, ContestKind]] = {"OBEC": "municipal-council", "MCMO": "ward-council"}
_SIX_DIGITS: Final = re.compile(r"[1-9][0-9]{5}")


class BatchesTold(msgspec.Struct, frozen=True):
    """The definition, and how many records the source expects in the whole country (None without a batch)."""

    definition: Definition
    expected_records: int | None


@dataclass(slots=True)
class _Told:
    dates: set[datetime.date] = field(default_factory=set)
    expected: int | None = None
    kinds: dict[str, ContestKind] = field(default_factory=dict)
    districts: dict[str, tuple[str, int]] = field(default_factory=dict)
    precincts: dict[str, tuple[str, int]] = field(default_factory=dict)
    polls: dict[tuple[str, str], str] = field(default_factory=dict)
    lists: set[tuple[str, str, int]] = field(default_factory=set)
    wards: dict[str, str] = field(default_factory=dict)
    candidates: set[tuple[str, str, int, int]] = field(default_factory=set)
    rounds: set[int] = field(default_factory=set)


def read_paths(law: Law, paths: Sequence[Path], *, event: str | None = None) -> Definition:
    """:func:`read_batches` of files and of the ``.xml`` files of folders."""
    files = [file for path in paths for file in (sorted(path.glob("*.xml")) if path.is_dir() else [path])]
    if not files:
        raise SourceError(", ".join(map(str, paths)), None, None, "no .xml file", "at least one batch")
    return read_batches(law, ((file.name, _bytes(file)) for file in files), event=event).definition


def read_batches(law: Law, batches: Iterable[tuple[str, bytes]], *, event: str | None = None) -> BatchesTold:
    """What (file name, bytes) pairs tell together, in any order.

    Raises :class:`SourceError` naming file, line and attribute; nothing is taken over then.
    """
    told = _Told()
    for file, data in batches:
        _read_batch(file, data, told, persons=law.majority is not None)
    # A second round is named by the date of the first, so its own date is not told.
    round_ = max(told.rounds, default=1)
    date = next(iter(told.dates), None) if round_ == 1 else None
    definition = Definition(
        event=event or f"{law.prefix}{date.year if date else ''}",
        name=law.name_cs,
        date=date,
        law=law.id,
        version=1,
        areas=tuple(_areas(told)),
        contests=tuple(_contest(id, kind, round_) for id, kind in told.kinds.items()),
        districts=tuple(
            District(id, contest, number, _district_name(id, contest, told))
            for id, (contest, number) in told.districts.items()
        ),
        precincts=tuple(Precinct(id, area, number) for id, (area, number) in told.precincts.items()),
        polls=tuple(
            Poll(precinct, contest, district) for (precinct, contest), district in told.polls.items()
        ),
        lists=tuple(List(*key) for key in told.lists),
        candidates=tuple(
            Candidate(*key, "", placeholder("PORADOVE_CISLO", str(key[-1]))) for key in told.candidates
        ),
    )
    return BatchesTold(in_order(definition), told.expected)


def _contest(id: str, kind: ContestKind, round_: int) -> Contest:
    if kind == "senate":
        return Contest(id, kind, "persons", COUNTRY.id, placeholder("CIS_OBVOD", id), 1, round_)
    return Contest(id, kind, "lists", id, placeholder("KODZASTUP", id))


def _district_name(id: str, contest: str, told: _Told) -> str:
    if told.kinds[contest] == "senate":
        return placeholder("CIS_OBVOD", contest)
    return placeholder("CIS_OBVODU", id)


def _bytes(file: Path) -> bytes:
    if file.stat().st_size > MOST_BYTES:
        raise SourceError(file.name, None, None, "the file is too large", f"at most {MOST_BYTES} bytes")
    return file.read_bytes()


def _parse(file: str, data: bytes) -> etree._Element:
    if len(data) > MOST_BYTES:
        raise SourceError(file, None, None, f"{len(data)} bytes", f"at most {MOST_BYTES}")
    # A document type could define entities; the format has none. The test on bytes holds only for encodings that
    # contain ASCII, so others are refused with it.
    if b"<!DOCTYPE" in data or not data.removeprefix(b"\xef\xbb\xbf").startswith(b"<"):
        raise SourceError(file, 1, None, "a document type or an unknown encoding", "XML without DOCTYPE")
    try:
        root = etree.fromstring(data, xml_parser())
    except etree.XMLSyntaxError as error:
        raise SourceError(file, error.lineno, None, f"not XML: {error.msg}", "a whole batch") from error
    if etree.QName(root).localname != "VYSLEDKY_OKRSKY":
        raise SourceError(file, 1, None, f"the root is {etree.QName(root).text}", "VYSLEDKY_OKRSKY")
    return root


def _read_batch(file: str, data: bytes, told: _Told, *, persons: bool) -> None:
    heads = 0
    for element in _parse(file, data).iterchildren(etree.Element):
        name = etree.QName(element).localname
        if name == "DAVKA":
            heads += 1
            _read_head(file, element, told, persons=persons)
        elif name == "OKRSEK" and persons:
            _read_senate_record(file, element, told)
        elif name == "OKRSEK":
            _read_record(file, element, told)
        elif name == "CHYBA":
            raise SourceError(
                file, element.sourceline, name, "the file tells an error of its source", "a batch"
            )
        else:
            raise SourceError(file, element.sourceline, name, "the element is unknown", "DAVKA or OKRSEK")
    if heads != 1:
        raise SourceError(file, None, "DAVKA", f"stands {heads} times", "once")


def _read_head(file: str, element: etree._Element, told: _Told, *, persons: bool) -> None:
    told.expected = max(told.expected or 0, _number(file, element, "OKRSKY_CELKEM", most=999_999))
    if persons:
        _read_round(file, element, told)
        if element.get("DATUMVOLEB") is None:
            return
    value = element.get("DATUMVOLEB", "")
    try:
        date = datetime.datetime.strptime(value, "%Y%m%d").replace(tzinfo=datetime.UTC).date()
    except ValueError as error:
        raise SourceError(
            file, element.sourceline, "DATUMVOLEB", repr(value), "a date as YYYYMMDD"
        ) from error
    if told.dates and date not in told.dates:
        other = next(iter(told.dates))
        raise SourceError(
            file, element.sourceline, "DATUMVOLEB", f"{date}", f"{other} as in the other batches"
        )
    told.dates.add(date)


def _read_round(file: str, element: etree._Element, told: _Told) -> None:
    round_ = 1 if element.get("KOLO") is None else _number(file, element, "KOLO", least=1, most=2)
    if told.rounds and round_ not in told.rounds:
        expected = f"{next(iter(told.rounds))} as in the other batches"
        raise SourceError(file, element.sourceline, "KOLO", f"round {round_}", expected)
    told.rounds.add(round_)


def _read_record(file: str, element: etree._Element, told: _Told) -> None:
    place, contest = _code(file, element, "CIS_OBEC"), _code(file, element, "KODZASTUP")
    number = _number(file, element, "CIS_OKRSEK", least=1, most=99_999)
    part = _number(file, element, "CIS_OBVODU", least=1, most=99)
    kind = _KINDS.get(element.get("OZNAC_TYPU", ""))
    if kind is None:
        raise SourceError(
            file,
            element.sourceline,
            "OZNAC_TYPU",
            repr(element.get("OZNAC_TYPU")),
            f"one of {', '.join(_KINDS)}",
        )
    district, precinct = f"{contest}.{part}", f"{place}-{number}"
    _same(file, element, "OZNAC_TYPU", contest, told.kinds.setdefault(contest, kind), kind)
    told.districts[district] = (contest, part)
    told.precincts[precinct] = (place, number)
    before = told.polls.setdefault((precinct, contest), district)
    _same(file, element, "CIS_OBVODU", f"precinct {precinct}", before, district)
    if place != contest:
        if kind == "ward-council":
            raise SourceError(
                file, element.sourceline, "CIS_OBEC", f"{place} for ward {contest}", "the same code"
            )
        _same(file, element, "KODZASTUP", f"ward {place}", told.wards.setdefault(place, contest), contest)
    for votes in element.iterchildren("{*}HLASY_OKRSEK"):
        told.lists.add((contest, district, _number(file, votes, "POR_STR_HLAS_LIST", least=1, most=999)))


def _read_senate_record(file: str, element: etree._Element, told: _Told) -> None:
    """One precinct of a constituency; the candidates stand on list 0."""
    place = _code(file, element, "CIS_OBEC")
    number = _number(file, element, "CIS_OKRSEK", least=1, most=99_999)
    key = _key(element, "CIS_OBVOD", "CIS_OBVODU")
    contest = str(_number(file, element, key, least=1, most=999))
    district, precinct = f"{contest}.1", f"{place}-{number}"
    told.kinds[contest] = "senate"
    told.districts[district] = (contest, 1)
    told.precincts[precinct] = (place, number)
    told.polls[precinct, contest] = district
    for votes in element.iterchildren("{*}HLASY_OKRSEK"):
        key = _key(votes, "PORADOVE_CISLO", "POR_STR_HLAS_LIST")
        told.candidates.add((contest, district, 0, _number(file, votes, key, least=1, most=999)))


def _key(element: etree._Element, own: str, of_councils: str) -> str:
    """Which of two attributes with one meaning is there."""
    return of_councils if element.get(own) is None and element.get(of_councils) is not None else own


def _areas(told: _Told) -> Iterable[Area]:
    yield COUNTRY
    for contest, kind in told.kinds.items():
        if kind == "municipal-council":
            yield Area(contest, "municipality", placeholder("KODZASTUP", contest), COUNTRY.id)
        elif kind == "ward-council":
            city = told.wards.get(contest, COUNTRY.id)
            yield Area(contest, "ward", placeholder("KODZASTUP", contest), city)
    for ward, city in told.wards.items():
        if ward not in told.kinds:
            yield Area(ward, "ward", placeholder("CIS_OBEC", ward), city)
    if "senate" in told.kinds.values():
        for place in {place for place, _ in told.precincts.values()}:
            yield Area(place, "municipality", placeholder("CIS_OBEC", place), COUNTRY.id)


def _code(file: str, element: etree._Element, name: str) -> str:
    value = element.get(name, "")
    if not _SIX_DIGITS.fullmatch(value):
        raise SourceError(file, element.sourceline, name, repr(value), "a code of six digits")
    return value


def _number(file: str, element: etree._Element, name: str, *, least: int = 0, most: int) -> int:
    value = element.get(name, "")
    if not (value.isascii() and value.isdigit()) or len(value) > 9 or not least <= int(value) <= most:
        raise SourceError(
            file, element.sourceline, name, repr(value), f"a whole number from {least} to {most}"
        )
    return int(value)


def _same(file: str, element: etree._Element, name: str, what: str, before: str, now: str) -> None:
    if before != now:
        raise SourceError(file, element.sourceline, name, f"{what} is told as {now}", f"{before} as before")
