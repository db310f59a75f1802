"""From the bytes of a document of results to its dataclass.

Each ``read_*`` takes the bytes and ``where`` they came from (for errors), validates by default, and raises
:class:`SchemaError`.
"""

from collections.abc import Sequence

from lxml import etree

from skrutinium.documents import results as d
from skrutinium.documents.attributes import (
    figures,
    flag,
    moment,
    number,
    optional_day,
    optional_flag,
    optional_number,
    optional_share,
    share,
    text,
)
from skrutinium.documents.parsing import NAMESPACE, children
from skrutinium.documents.streaming import into, stream
from skrutinium.errors import SchemaError


def _reporting(element: etree._Element) -> d.Reporting:
    value = text(element, "reporting")
    try:
        return d.Reporting(value)
    except ValueError as error:
        raise SchemaError(f"reporting is {value!r}; expected one of {', '.join(d.Reporting)}") from error


def _count(element: etree._Element) -> d.Count:
    return d.Count(
        _reporting(element),
        number(element, "expected"),
        number(element, "reported"),
        figures(element),
        optional_number(element, "eligible-out"),
        {
            text(one, "field"): number(one, "protocols")
            for one in children(element, "figure")
            if "protocols" in one.attrib
        },
    )


def _only(counts: Sequence[d.Count], parent: etree._Element) -> d.Count:
    """The count of an element, which has one."""
    if len(counts) != 1:
        raise SchemaError(f"{etree.QName(parent).localname} has {len(counts)} counts; expected one")
    return counts[0]


def _count_in(parent: etree._Element) -> d.Count:
    return _only([_count(element) for element in children(parent, "count")], parent)


def _kind(element: etree._Element) -> d.Kind:
    return d.Kind(
        text(element, "id"),
        number(element, "contests"),
        number(element, "decided"),
        number(element, "seats-decided"),
        _count_in(element),
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


def _first_round(element: etree._Element) -> d.FirstRound:
    return d.FirstRound(
        text(element, "event"),
        optional_day(element, "date"),
        figures(element),
        tuple(map(_candidate, children(element, "candidate"))),
    )


def _unnumbered(element: etree._Element) -> d.UnnumberedList:
    return d.UnnumberedList(element.get("committee"), text(element, "name"))


class _DistrictParts:
    """The parts of a district as they come: children of a district of a contest, or of the root of a district's own document."""

    def __init__(self) -> None:
        self.counts: list[d.Count] = []
        self.lists: list[d.List] = []
        self.candidates: list[d.Candidate] = []
        self.questions: list[d.Question] = []
        self.lots: list[d.Lot] = []
        self.unnumbered: list[d.UnnumberedList] = []
        self.first_round: list[d.FirstRound] = []
        self.takes = {
            "count": into(self.counts, _count),
            "list": into(self.lists, _list),
            "candidate": into(self.candidates, _candidate),
            "question": into(self.questions, _question),
            "lot": into(self.lots, _lot),
            "unnumbered-list": into(self.unnumbered, _unnumbered),
            "first-round": into(self.first_round, _first_round),
        }

    def district(self, element: etree._Element) -> d.District:
        """The district of an element whose children were taken."""
        return d.District(
            id=text(element, "id"),
            number=number(element, "number"),
            name=text(element, "name"),
            seats=optional_number(element, "seats"),
            outcome=text(element, "outcome"),
            threshold=optional_number(element, "threshold"),
            vacant=optional_number(element, "vacant"),
            count=_only(self.counts, element),
            lists=tuple(self.lists),
            candidates=tuple(self.candidates),
            questions=tuple(self.questions),
            lots=tuple(self.lots),
            unnumbered=tuple(self.unnumbered),
            missing=element.get("missing"),
            first_round=self.first_round[0] if self.first_round else None,
        )


def _district(element: etree._Element) -> d.District:
    parts = _DistrictParts()
    for child in element.iterchildren(etree.Element):
        take = parts.takes.get(str(child.tag).removeprefix(NAMESPACE))
        if take is not None:
            take(child)
    return parts.district(element)


def read_event(data: bytes, where: str, *, validate: bool = True) -> d.EventResults:
    """Read ``event.xml``."""
    kinds, areas = list[d.Kind](), list[d.Row]()
    takes = {"kind": into(kinds, _kind), "area": into(areas, _row)}
    head = stream(data, "event-results", where, takes, validate=validate)
    root = head.root
    return d.EventResults(
        **head.stamp(),
        name=text(root, "name"),
        date=optional_day(root, "date"),
        state=text(root, "state"),
        made_up=flag(root, "made-up"),
        out=_out(root),
        held=optional_number(root, "held") or 0,
        kinds=tuple(kinds),
        areas=tuple(areas),
    )


def read_area(data: bytes, where: str, *, validate: bool = True) -> d.AreaResults:
    """Read ``area/ID.xml``."""
    kinds, areas, contests = list[d.Kind](), list[d.Row](), list[d.Row]()
    takes = {"kind": into(kinds, _kind), "area": into(areas, _row), "contest": into(contests, _row)}
    head = stream(data, "area-results", where, takes, validate=validate)
    root = head.root
    return d.AreaResults(
        **head.stamp(),
        id=text(root, "id"),
        kind=text(root, "kind"),
        name=text(root, "name"),
        parent=root.get("parent"),
        state=text(root, "state"),
        out=_out(root),
        kinds=tuple(kinds),
        areas=tuple(areas),
        contests=tuple(contests),
    )


def read_contest(data: bytes, where: str, *, validate: bool = True) -> d.ContestResults:
    """Read ``contest/ID.xml``."""
    counts, districts = list[d.Count](), list[d.District]()
    takes = {"count": into(counts, _count), "district": into(districts, _district)}
    head = stream(data, "contest-results", where, takes, validate=validate)
    root = head.root
    return d.ContestResults(
        **head.stamp(),
        id=text(root, "id"),
        kind=text(root, "kind"),
        area=text(root, "area"),
        name=text(root, "name"),
        seats=optional_number(root, "seats"),
        round=number(root, "round"),
        state=text(root, "state"),
        made_up=flag(root, "made-up"),
        count=_only(counts, root),
        districts=tuple(districts),
        held=root.get("held"),
    )


def read_district(data: bytes, where: str, *, validate: bool = True) -> d.DistrictResults:
    """Read ``district/ID.xml``."""
    parts = _DistrictParts()
    head = stream(data, "district-results", where, parts.takes, validate=validate)
    root = head.root
    return d.DistrictResults(
        **head.stamp(),
        contest=text(root, "contest"),
        contest_name=text(root, "contest-name"),
        kind=text(root, "kind"),
        area=text(root, "area"),
        round=number(root, "round"),
        state=text(root, "state"),
        made_up=flag(root, "made-up"),
        district=parts.district(root),
        held=root.get("held"),
    )


def _leading(element: etree._Element) -> d.Leading:
    return d.Leading(
        element.get("committee"),
        optional_number(element, "candidate"),
        element.get("name"),
        number(element, "votes"),
        share(element, "share"),
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
        share(element, "share"),
        optional_share(element, "turnout"),
        number(element, "contests"),
        number(element, "decided"),
        number(element, "seats-decided"),
        tuple(map(_leading, children(element, "leading"))),
    )


def read_summary(data: bytes, where: str, *, validate: bool = True) -> d.Summary:
    """Read ``summary.xml``."""
    kinds = list[d.KindSummary]()
    head = stream(data, "summary", where, {"kind": into(kinds, _kind_summary)}, validate=validate)
    return d.Summary(
        **head.stamp(), name=text(head.root, "name"), state=text(head.root, "state"), kinds=tuple(kinds)
    )


def _area_turnout(element: etree._Element) -> d.AreaTurnout:
    return d.AreaTurnout(
        text(element, "id"),
        number(element, "expected"),
        number(element, "reported"),
        optional_number(element, "eligible"),
        optional_number(element, "issued"),
    )


def read_turnout(data: bytes, where: str, *, validate: bool = True) -> d.TurnoutReport:
    """Read ``turnout.xml``."""
    areas = list[d.AreaTurnout]()
    head = stream(data, "turnout", where, {"area": into(areas, _area_turnout)}, validate=validate)
    return d.TurnoutReport(**head.stamp(), hour=moment(head.root, "hour"), areas=tuple(areas))
