"""One ``OKRSEK`` element of a Czech batch, read strictly from its own bytes."""

import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree

from skrutinium_server.election.law import Law
from skrutinium_server.intake.errors import ReadError
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.xml_parsing import xml_parser

RECORD: Final = (
    "CIS_OBEC",
    "CIS_OKRSEK",
    "KODZASTUP",
    "CIS_OBVODU",
    "OZNAC_TYPU",
    "PORADI_ZPRAC",
    "DATUM_CAS_ZPRAC",
    "OPAKOVANE",
)
SENATE_RECORD: Final = ("CIS_OBEC", "CIS_OKRSEK", "PORADI_ZPRAC", "DATUM_CAS_ZPRAC", "OPAKOVANE")
CONSTITUENCY: Final = ("CIS_OBVOD", "CIS_OBVODU")
"""Where a record of the Senate tells its constituency: by its own key or by that of councils."""
SENATE_UNREAD: Final = frozenset({"KODZASTUP", "OZNAC_TYPU", "KOLO"})
"""Attributes that may stand in a record of the Senate and say nothing that is needed; the bytes keep them."""
BALLOT_NUMBERS: Final = ("PORADOVE_CISLO", "POR_STR_HLAS_LIST")
"""Where votes for persons tell the candidate: by their own key or by that of lists."""
ALWAYS: Final = ("ZAPSANI_VOLICI", "VYDANE_OBALKY", "PLATNE_HLASY")
"""Figures that every generation of the feed carried; the law's others may be absent and are then unknown."""
UNREAD: Final = frozenset({"VOLICSKE_PRUKAZY", "PLATNE_LISTKY"})
"""Attributes of 2026 that may stand there though the law has no field for them; the bytes keep them."""
REPEATED: Final = {"0": False, "1": True, "false": False, "true": True}

_CODE: Final = re.compile(r"[1-9][0-9]{0,5}")
_TAG: Final = re.compile(rb"<[^<>]*>")
_STAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")


class RecordReader:
    """Reads records by the attributes that a law gives its fields."""

    def __init__(self, law: Law) -> None:
        self.zone = ZoneInfo(law.time_zone)
        self._fields = {field.volby: field.id for field in law.fields if field.volby is not None}
        self._always = tuple(name for name in ALWAYS if name in self._fields)
        self._known = self._fields.keys() | UNREAD
        self._persons = law.majority is not None

    def read(self, data: bytes, encoding: str, source: str, offset: int) -> Protocol:
        """The protocol of one element; ``source`` and ``offset`` are named in a :class:`ReadError`."""
        try:
            element = etree.fromstring(data, xml_parser(encoding))
        except etree.XMLSyntaxError as error:
            raise ReadError(
                source, offset, f"the record: {error.msg}", "one whole OKRSEK element", code="not-well-formed"
            ) from error
        if element.tag != "OKRSEK":
            raise ReadError(source, offset, f"an element {element.tag!s}", "OKRSEK")
        children = list(element)
        if (
            not children
            or children[0].tag != "UCAST_OKRSEK"
            or any(child.tag != "HLASY_OKRSEK" for child in children[1:])
        ):
            raise ReadError(
                source,
                offset,
                "unexpected elements in OKRSEK",
                "one UCAST_OKRSEK, then HLASY_OKRSEK elements",
            )
        if any(map(len, children)):
            raise ReadError(source, offset, "elements in elements of the record", "attributes only")
        if _TAG.sub(b"", data).strip():
            raise ReadError(source, offset, "text between the elements of the record", "attributes only")
        votes: tuple[ListVotes, ...]
        if self._persons:
            told, contest, district = _senate_place(element, source, offset)
            votes = _votes_for_persons(children[1:], source, offset)
        else:
            told, contest, district = _council_place(element, source, offset)
            votes = _votes(children[1:], source, offset)
        if told["OPAKOVANE"] not in REPEATED:
            raise ReadError(
                source, offset, f"OPAKOVANE is {told['OPAKOVANE']!r}", f"one of {', '.join(REPEATED)}"
            )
        return Protocol(
            f"{_code(told['CIS_OBEC'], 'CIS_OBEC', source, offset)}-{whole_number(told['CIS_OKRSEK'], 'CIS_OKRSEK', source, offset)}",
            contest,
            district,
            whole_number(told["PORADI_ZPRAC"], "PORADI_ZPRAC", source, offset),
            local_time(told["DATUM_CAS_ZPRAC"], "DATUM_CAS_ZPRAC", self.zone, source, offset),
            self._figures(children[0], source, offset),
            votes,
            REPEATED[told["OPAKOVANE"]],
        )

    def _figures(self, element: etree._Element, source: str, offset: int) -> dict[str, int]:
        told = dict(element.items())
        for name in self._always:
            if name not in told:
                raise _missing(name, element, source, offset)
        if not told.keys() <= self._known:
            raise _unknown(told.keys() - self._known, element, source, offset)
        return {
            id: whole_number(told[name], name, source, offset)
            for name, id in self._fields.items()
            if name in told
        }


def attributes(element: etree._Element, source: str, offset: int, names: tuple[str, ...]) -> dict[str, str]:
    """Exactly these attributes; a missing or an unknown one is an error."""
    told = dict(element.items())
    for name in names:
        if name not in told:
            raise _missing(name, element, source, offset)
    if len(told) != len(names):
        raise _unknown(told.keys() - set(names), element, source, offset)
    return told


def whole_number(value: str, name: str, source: str, offset: int) -> int:
    """A whole number of at most nine digits."""
    if not (value.isdigit() and value.isascii() and len(value) <= 9):
        raise ReadError(
            source,
            offset,
            f"{name} is {value[:40]!r}",
            "a whole number of at most nine digits",
            code="number",
        )
    return int(value)


def local_time(value: str, name: str, zone: ZoneInfo, source: str, offset: int) -> datetime.datetime:
    """A stamp of local time as UTC; of two possible moments the first, none for a time that did not happen."""
    expected = "a local time as YYYY-MM-DDThh:mm:ss that happened"
    if not _STAMP.fullmatch(value):
        raise ReadError(source, offset, f"{name} is {value[:40]!r}", expected, code="stamp")
    try:
        moment = datetime.datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(datetime.UTC)
        if moment.astimezone(zone).strftime("%H:%M") != value[11:16]:
            raise ValueError("left out when summer time began")
    except (ValueError, OverflowError) as error:
        raise ReadError(source, offset, f"{name} is {value!r} ({error})", expected, code="stamp") from error
    return moment


def _council_place(element: etree._Element, source: str, offset: int) -> tuple[dict[str, str], str, str]:
    """The attributes of a council's record, its contest and its district."""
    told = attributes(element, source, offset, RECORD)
    if told["OZNAC_TYPU"] not in ("OBEC", "MCMO"):
        raise ReadError(source, offset, f"OZNAC_TYPU is {told['OZNAC_TYPU']!r}", "OBEC or MCMO")
    contest = _code(told["KODZASTUP"], "KODZASTUP", source, offset)
    return told, contest, f"{contest}.{whole_number(told['CIS_OBVODU'], 'CIS_OBVODU', source, offset)}"


def _senate_place(element: etree._Element, source: str, offset: int) -> tuple[dict[str, str], str, str]:
    """The same of a record of the Senate: the constituency is the contest, and its only district."""
    told = dict(element.items())
    key = one_of(told, CONSTITUENCY, element, source, offset)
    for name in SENATE_RECORD:
        if name not in told:
            raise _missing(name, element, source, offset)
    unknown = told.keys() - {*SENATE_RECORD, key} - SENATE_UNREAD
    if unknown:
        raise _unknown(unknown, element, source, offset)
    contest = str(whole_number(told[key], key, source, offset))
    return told, contest, f"{contest}.1"


def one_of(
    told: Mapping[str, str], names: tuple[str, ...], element: etree._Element, source: str, offset: int
) -> str:
    """Which of several attributes with one meaning is there; exactly one is expected."""
    there = [name for name in names if name in told]
    if len(there) != 1:
        raise _missing(" or ".join(names), element, source, offset)
    return there[0]


def _votes_for_persons(elements: Iterable[etree._Element], source: str, offset: int) -> tuple[ListVotes, ...]:
    """All candidates stand on list 0, its votes are their sum."""
    given: dict[int, int] = {}
    for element in elements:
        key = one_of(dict(element.items()), BALLOT_NUMBERS, element, source, offset)
        told = attributes(element, source, offset, (key, "HLASY"))
        number = whole_number(told[key], key, source, offset)
        if number in given:
            problem = f"{key} {number} stands twice"
            raise ReadError(source, offset, problem, "each candidate once", code="candidate-twice")
        given[number] = whole_number(told["HLASY"], "HLASY", source, offset)
    return (ListVotes(0, sum(given.values()), tuple(sorted(given.items()))),)


def _votes(elements: Iterable[etree._Element], source: str, offset: int) -> tuple[ListVotes, ...]:
    votes: list[ListVotes] = []
    numbers: set[int] = set()
    for element in elements:
        told = element.items()
        # Nearly all rows are written in this order; the slow way accepts any order and tells what is wrong.
        if len(told) == 2 and told[0][0] == "POR_STR_HLAS_LIST" and told[1][0] == "HLASY":
            (_, list_), (_, count) = told
        else:
            named = attributes(element, source, offset, ("POR_STR_HLAS_LIST", "HLASY"))
            list_, count = named["POR_STR_HLAS_LIST"], named["HLASY"]
        number = whole_number(list_, "POR_STR_HLAS_LIST", source, offset)
        if number in numbers:
            raise ReadError(
                source,
                offset,
                f"POR_STR_HLAS_LIST {number} stands twice",
                "each list once",
                code="list-twice",
            )
        numbers.add(number)
        votes.append(ListVotes(number, whole_number(count, "HLASY", source, offset)))
    return tuple(votes)


def _code(value: str, name: str, source: str, offset: int) -> str:
    if not _CODE.fullmatch(value):
        raise ReadError(
            source, offset, f"{name} is {value[:40]!r}", "a code of at most six digits", code="code"
        )
    return value


def _missing(name: str, element: etree._Element, source: str, offset: int) -> ReadError:
    return ReadError(
        source,
        offset,
        f"{element.tag!s} has no attribute {name}",
        f"{name} to be there",
        code="attribute-missing",
    )


def _unknown(names: Iterable[object], element: etree._Element, source: str, offset: int) -> ReadError:
    unknown = ", ".join(sorted(map(str, names)))
    return ReadError(
        source,
        offset,
        f"{element.tag!s} has the attribute {unknown}",
        "known attributes only",
        code="attribute-unknown",
    )
