"""From the bytes of a document to its dataclass.

Each ``read_*`` takes the bytes and ``where`` they came from (for errors), validates by default, and raises
:class:`SchemaError`.
"""

import base64
import binascii
import datetime
from typing import TypedDict

from lxml import etree

from skrutinium.documents import results as d
from skrutinium.documents.attributes import day, flag, moment, number, optional_flag, optional_number, text
from skrutinium.documents.parsing import NAMESPACE, children, document
from skrutinium.errors import SchemaError


class StampValues(TypedDict):
    """The attributes of a :class:`~skrutinium.documents.Stamp`."""

    event: str
    run: str
    phase: str
    release: int
    time: datetime.datetime
    schema: str
    codebook: int


def stamp(root: etree._Element) -> StampValues:
    """What every root carries."""
    return StampValues(
        event=text(root, "event"),
        run=text(root, "run"),
        phase=text(root, "phase"),
        release=number(root, "release"),
        time=moment(root, "time"),
        schema=text(root, "schema"),
        codebook=number(root, "codebook"),
    )


def _reporting(element: etree._Element) -> d.Reporting:
    value = text(element, "reporting")
    try:
        return d.Reporting(value)
    except ValueError as error:
        raise SchemaError(f"reporting is {value!r}; expected one of {', '.join(d.Reporting)}") from error


def _figures(element: etree._Element) -> dict[str, int]:
    return {text(figure, "field"): number(figure, "value") for figure in children(element, "figure")}


def _count(parent: etree._Element) -> d.Count:
    for element in children(parent, "count"):
        return d.Count(
            _reporting(element),
            number(element, "expected"),
            number(element, "reported"),
            _figures(element),
            optional_number(element, "eligible-out"),
            {
                text(one, "field"): number(one, "protocols")
                for one in children(element, "figure")
                if "protocols" in one.attrib
            },
        )
    raise SchemaError(f"{etree.QName(parent).localname} has no count (line {parent.sourceline})")


def _kind(element: etree._Element) -> d.Kind:
    return d.Kind(
        text(element, "id"),
        number(element, "contests"),
        number(element, "decided"),
        number(element, "seats-decided"),
        _count(element),
        tuple(
            d.Committee(
                row.get("id"), row.get("name"), optional_number(row, "votes"), optional_number(row, "seats")
            )
            for row in children(element, "committee")
        ),
    )


def _row(element: etree._Element) -> d.Row:
    return d.Row(
        text(element, "id"),
        text(element, "kind"),
        text(element, "name"),
        _reporting(element),
        number(element, "expected"),
        number(element, "reported"),
        _out(element) if "precincts" in element.attrib else None,
        element.get("held"),
    )


def _out(element: etree._Element) -> d.Out:
    return d.Out(
        number(element, "precincts"),
        number(element, "precincts-out"),
        optional_number(element, "eligible-out"),
    )


def _candidate(element: etree._Element) -> d.Candidate:
    return d.Candidate(
        number=number(element, "number"),
        given_name=element.get("given-name"),
        family_name=element.get("family-name"),
        title_before=element.get("title-before", ""),
        title_after=element.get("title-after", ""),
        votes=optional_number(element, "votes"),
        elected=optional_number(element, "elected"),
        way=element.get("way"),
        runoff=flag(element, "runoff"),
        active=optional_flag(element, "active") is not False,
        committee=element.get("committee"),
    )


def _list(element: etree._Element) -> d.List:
    return d.List(
        number=number(element, "number"),
        committee=element.get("committee"),
        name=element.get("name"),
        standing=optional_number(element, "candidates"),
        votes=optional_number(element, "votes"),
        passed=optional_flag(element, "passed"),
        seats=optional_number(element, "seats"),
        candidates=tuple(map(_candidate, children(element, "candidate"))),
        active=optional_flag(element, "active") is not False,
    )


def _question(element: etree._Element) -> d.Question:
    return d.Question(
        number(element, "number"),
        text(element, "text"),
        optional_number(element, "yes"),
        optional_number(element, "no"),
        element.get("answer"),
    )


def _lot(element: etree._Element) -> d.Lot:
    tied = (
        d.Tied(optional_number(one, "list"), optional_number(one, "candidate"))
        for one in children(element, "tied")
    )
    return d.Lot(number(element, "places"), tuple(tied))


def _first_round(district: etree._Element) -> d.FirstRound | None:
    for element in children(district, "first-round"):
        return d.FirstRound(
            text(element, "event"),
            day(element, "date") if "date" in element.attrib else None,
            _figures(element),
            tuple(map(_candidate, children(element, "candidate"))),
        )
    return None


def _district(element: etree._Element) -> d.District:
    return d.District(
        id=text(element, "id"),
        number=number(element, "number"),
        name=text(element, "name"),
        seats=optional_number(element, "seats"),
        outcome=text(element, "outcome"),
        threshold=optional_number(element, "threshold"),
        vacant=optional_number(element, "vacant"),
        count=_count(element),
        lists=tuple(map(_list, children(element, "list"))),
        candidates=tuple(map(_candidate, children(element, "candidate"))),
        questions=tuple(map(_question, children(element, "question"))),
        lots=tuple(map(_lot, children(element, "lot"))),
        unnumbered=tuple(
            d.UnnumberedList(one.get("committee"), text(one, "name"))
            for one in children(element, "unnumbered-list")
        ),
        missing=element.get("missing"),
        first_round=_first_round(element),
    )


def _taken_over(protocol: etree._Element) -> d.TakenOver | None:
    for element in children(protocol, "taken-over"):
        try:
            data = base64.b64decode("".join((element.text or "").split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise SchemaError(f"taken-over bytes are no Base64 (line {element.sourceline})") from error
        return d.TakenOver(
            data,
            text(element, "format"),
            text(element, "encoding"),
            text(element, "source"),
            text(element, "source-sha256"),
            number(element, "offset"),
        )
    return None


def protocol(element: etree._Element) -> d.Protocol:
    """One protocol element."""
    return d.Protocol(
        precinct=text(element, "precinct"),
        contest=text(element, "contest"),
        district=text(element, "district"),
        entry=number(element, "entry"),
        version=number(element, "version"),
        sequence=number(element, "sequence"),
        established=moment(element, "established"),
        accepted=moment(element, "accepted"),
        sha256=text(element, "sha256"),
        repeated=flag(element, "repeated"),
        supersedes=optional_number(element, "supersedes"),
        reason=element.get("reason"),
        authority=element.get("authority"),
        figures=_figures(element),
        lists=tuple(
            d.ListVotes(
                number(votes, "number"),
                number(votes, "votes"),
                {number(one, "number"): number(one, "votes") for one in children(votes, "candidate")},
            )
            for votes in children(element, "list")
        ),
        taken_over=_taken_over(element),
    )


def read_event(data: bytes, where: str, *, validate: bool = True) -> d.EventResults:
    """Read ``event.xml``."""
    root = document(data, "event-results", where, validate=validate)
    return d.EventResults(
        **stamp(root),
        name=text(root, "name"),
        date=day(root, "date") if "date" in root.attrib else None,
        state=text(root, "state"),
        made_up=flag(root, "made-up"),
        out=_out(root),
        held=optional_number(root, "held") or 0,
        kinds=tuple(map(_kind, children(root, "kind"))),
        areas=tuple(map(_row, children(root, "area"))),
    )


def read_area(data: bytes, where: str, *, validate: bool = True) -> d.AreaResults:
    """Read ``area/ID.xml``."""
    root = document(data, "area-results", where, validate=validate)
    return d.AreaResults(
        **stamp(root),
        id=text(root, "id"),
        kind=text(root, "kind"),
        name=text(root, "name"),
        parent=root.get("parent"),
        state=text(root, "state"),
        out=_out(root),
        kinds=tuple(map(_kind, children(root, "kind"))),
        areas=tuple(map(_row, children(root, "area"))),
        contests=tuple(map(_row, children(root, "contest"))),
    )


def read_contest(data: bytes, where: str, *, validate: bool = True) -> d.ContestResults:
    """Read ``contest/ID.xml``."""
    root = document(data, "contest-results", where, validate=validate)
    return d.ContestResults(
        **stamp(root),
        id=text(root, "id"),
        kind=text(root, "kind"),
        area=text(root, "area"),
        name=text(root, "name"),
        seats=optional_number(root, "seats"),
        round=number(root, "round"),
        state=text(root, "state"),
        made_up=flag(root, "made-up"),
        count=_count(root),
        districts=tuple(map(_district, children(root, "district"))),
        held=root.get("held"),
    )


def read_district(data: bytes, where: str, *, validate: bool = True) -> d.DistrictResults:
    """Read ``district/ID.xml``."""
    root = document(data, "district-results", where, validate=validate)
    return d.DistrictResults(
        **stamp(root),
        contest=text(root, "contest"),
        contest_name=text(root, "contest-name"),
        kind=text(root, "kind"),
        area=text(root, "area"),
        round=number(root, "round"),
        state=text(root, "state"),
        made_up=flag(root, "made-up"),
        district=_district(root),
        held=root.get("held"),
    )


def _leading(element: etree._Element) -> d.Leading:
    return d.Leading(
        element.get("committee"),
        optional_number(element, "candidate"),
        element.get("name"),
        number(element, "votes"),
        number(element, "share"),
        optional_number(element, "seats"),
    )


def _kind_summary(element: etree._Element) -> d.KindSummary:
    line = element.findtext(NAMESPACE + "line")
    if not line:
        raise SchemaError(f"a kind of contest without a line (line {element.sourceline})")
    return d.KindSummary(
        text(element, "id"),
        line,
        number(element, "expected"),
        number(element, "reported"),
        number(element, "share"),
        optional_number(element, "turnout"),
        number(element, "contests"),
        number(element, "decided"),
        number(element, "seats-decided"),
        tuple(map(_leading, children(element, "leading"))),
    )


def read_summary(data: bytes, where: str, *, validate: bool = True) -> d.Summary:
    """Read ``summary.xml``."""
    root = document(data, "summary", where, validate=validate)
    return d.Summary(
        **stamp(root),
        name=text(root, "name"),
        state=text(root, "state"),
        kinds=tuple(map(_kind_summary, children(root, "kind"))),
    )


def read_precinct(data: bytes, where: str, *, validate: bool = True) -> d.PrecinctResults:
    """Read ``precinct/ID.xml``."""
    root = document(data, "precinct-results", where, validate=validate)
    return d.PrecinctResults(
        **stamp(root),
        id=text(root, "id"),
        area=text(root, "area"),
        number=number(root, "number"),
        kind=text(root, "kind"),
        name=root.get("name"),
        protocols=tuple(map(protocol, children(root, "protocol"))),
        awaited=tuple(
            d.Awaited(text(one, "contest"), text(one, "district")) for one in children(root, "awaited")
        ),
        state=text(root, "state"),
    )


def read_batch(data: bytes, where: str, *, validate: bool = True) -> d.ProtocolBatch:
    """Read ``batch/N.xml``."""
    root = document(data, "protocol-batch", where, validate=validate)
    protocols = tuple(map(protocol, children(root, "protocol")))
    return d.ProtocolBatch(**stamp(root), protocols=protocols, state=text(root, "state"))


def _change(element: etree._Element) -> d.Change:
    return d.Change(
        element.get("field"),
        optional_number(element, "list"),
        optional_number(element, "candidate"),
        optional_number(element, "old"),
        optional_number(element, "new"),
    )


def _correction(element: etree._Element) -> d.Correction:
    return d.Correction(
        precinct=text(element, "precinct"),
        contest=text(element, "contest"),
        entry=number(element, "entry"),
        supersedes=number(element, "supersedes"),
        reason=text(element, "reason"),
        authority=text(element, "authority"),
        time=moment(element, "time"),
        changes=tuple(map(_change, children(element, "change"))),
    )


def read_corrections(data: bytes, where: str, *, validate: bool = True) -> d.Corrections:
    """Read ``corrections/N.xml``."""
    root = document(data, "corrections", where, validate=validate)
    corrections = tuple(map(_correction, children(root, "correction")))
    return d.Corrections(**stamp(root), corrections=corrections, state=text(root, "state"))
