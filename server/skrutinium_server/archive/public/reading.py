"""From published documents to what the pages show; each is read once.

A document that is not what its schema says raises :class:`UnreadableDocument`.
"""

from lxml import etree

from skrutinium_server.archive.public.model import (
    Candidate,
    Change,
    Committee,
    Contest,
    Correction,
    District,
    Figure,
    FirstRound,
    Kind,
    List,
    Lot,
    Precinct,
    Progress,
    Protocol,
    Question,
    Row,
    Stamp,
    Unit,
    Votes,
)
from skrutinium_server.archive.reading import children, number, told, whole


def _stamp(root: etree._Element) -> Stamp:
    return Stamp(
        told(root, "event"),
        told(root, "run"),
        told(root, "phase"),
        whole(root, "release"),
        told(root, "time"),
    )


def _progress(element: etree._Element) -> Progress:
    return Progress(told(element, "reporting"), whole(element, "expected"), whole(element, "reported"))


def _figures(element: etree._Element) -> tuple[Figure, ...]:
    return tuple(
        Figure(told(one, "field"), whole(one, "value"), number(one, "protocols"))
        for one in children(element, "figure")
    )


def _row(element: etree._Element) -> Row:
    return Row(told(element, "id"), told(element, "kind"), told(element, "name"), _progress(element))


def _kind(element: etree._Element) -> Kind:
    count = next(children(element, "count"))
    committees = [
        Committee(
            one.get("name") or (f"committee {told(one, 'id')}, name not known" if one.get("id") else ""),
            number(one, "votes"),
            number(one, "seats"),
        )
        for one in children(element, "committee")
    ]
    committees.sort(key=lambda one: (not one.name, -(one.seats or 0), -(one.votes or 0), one.name))
    return Kind(
        id=told(element, "id"),
        contests=whole(element, "contests"),
        decided=whole(element, "decided"),
        seats=whole(element, "seats-decided"),
        progress=_progress(count),
        figures=_figures(count),
        eligible_out=number(count, "eligible-out"),
        committees=tuple(committees),
    )


def unit(root: etree._Element) -> Unit:
    """``event.xml`` or ``area/ID.xml``."""
    return Unit(
        stamp=_stamp(root),
        id=told(root, "id"),
        name=told(root, "name"),
        kind=told(root, "kind"),
        parent=root.get("parent"),
        state=told(root, "state"),
        kinds=tuple(map(_kind, children(root, "kind"))),
        areas=tuple(map(_row, children(root, "area"))),
        contests=tuple(map(_row, children(root, "contest"))),
        date=told(root, "date"),
        made_up=root.get("made-up") == "true",
    )


def _candidate(element: etree._Element) -> Candidate:
    parts = (told(element, name) for name in ("title-before", "given-name", "family-name"))
    name = " ".join(filter(None, parts))
    after = told(element, "title-after")
    return Candidate(
        number=whole(element, "number"),
        name=f"{name}, {after}" if after else name,
        votes=number(element, "votes"),
        elected=number(element, "elected"),
        way=told(element, "way"),
        active=element.get("active") != "false",
        runoff=element.get("runoff") == "true",
    )


def _list(element: etree._Element) -> List:
    return List(
        number=whole(element, "number"),
        name=told(element, "name"),
        votes=number(element, "votes"),
        seats=number(element, "seats"),
        passed=told(element, "passed"),
        active=element.get("active") != "false",
        candidates=tuple(map(_candidate, children(element, "candidate"))),
    )


def _question(element: etree._Element) -> Question:
    return Question(
        number=whole(element, "number"),
        text=told(element, "text"),
        yes=number(element, "yes"),
        no=number(element, "no"),
        answer=told(element, "answer"),
    )


def _first_round(element: etree._Element) -> FirstRound:
    return FirstRound(
        event=told(element, "event"),
        date=told(element, "date"),
        figures=_figures(element),
        candidates=tuple(map(_candidate, children(element, "candidate"))),
    )


def _district(element: etree._Element) -> District:
    count = next(children(element, "count"))
    return District(
        id=told(element, "id"),
        number=whole(element, "number"),
        name=told(element, "name"),
        seats=number(element, "seats"),
        outcome=told(element, "outcome"),
        threshold=number(element, "threshold"),
        vacant=number(element, "vacant"),
        missing=told(element, "missing"),
        progress=_progress(count),
        figures=_figures(count),
        lists=tuple(map(_list, children(element, "list"))),
        candidates=tuple(map(_candidate, children(element, "candidate"))),
        questions=tuple(map(_question, children(element, "question"))),
        unnumbered=tuple(told(one, "name") for one in children(element, "unnumbered-list")),
        lots=tuple(
            Lot(
                whole(one, "places"),
                tuple((number(tied, "list"), number(tied, "candidate")) for tied in children(one, "tied")),
            )
            for one in children(element, "lot")
        ),
        first=next(map(_first_round, children(element, "first-round")), None),
    )


def contest(root: etree._Element) -> Contest:
    """``contest/ID.xml``."""
    count = next(children(root, "count"))
    districts = tuple(map(_district, children(root, "district")))
    return Contest(
        stamp=_stamp(root),
        id=told(root, "id"),
        kind=told(root, "kind"),
        area=told(root, "area"),
        name=told(root, "name"),
        seats=number(root, "seats"),
        round=number(root, "round") or 1,
        state=told(root, "state"),
        held=told(root, "held"),
        progress=_progress(count),
        figures=_figures(count),
        eligible_out=number(count, "eligible-out"),
        districts=districts,
        names={(one.id, row.number): row for one in districts for row in one.lists},
        persons={(one.id, row.number): row for one in districts for row in one.candidates},
    )


def _protocol(element: etree._Element) -> Protocol:
    return Protocol(
        contest=told(element, "contest"),
        district=told(element, "district"),
        entry=whole(element, "entry"),
        version=whole(element, "version"),
        established=told(element, "established"),
        accepted=told(element, "accepted"),
        figures=_figures(element),
        lists=tuple(
            Votes(
                whole(one, "number"),
                whole(one, "votes"),
                tuple((whole(row, "number"), whole(row, "votes")) for row in children(one, "candidate")),
            )
            for one in children(element, "list")
        ),
    )


def precinct(root: etree._Element) -> Precinct:
    """``precinct/ID.xml``."""
    awaited = (
        Protocol(told(one, "contest"), told(one, "district"), None, 0, "", "", (), ())
        for one in children(root, "awaited")
    )
    return Precinct(
        stamp=_stamp(root),
        id=told(root, "id"),
        area=told(root, "area"),
        number=whole(root, "number"),
        kind=told(root, "kind"),
        name=told(root, "name"),
        state=told(root, "state"),
        protocols=(*map(_protocol, children(root, "protocol")), *awaited),
    )


def _change(element: etree._Element) -> Change:
    return Change(
        field=told(element, "field"),
        list=number(element, "list"),
        candidate=number(element, "candidate"),
        old=number(element, "old"),
        new=number(element, "new"),
    )


def corrections(root: etree._Element) -> tuple[Correction, ...]:
    """``corrections/N.xml``."""
    return tuple(
        Correction(
            release=whole(root, "release"),
            precinct=told(one, "precinct"),
            contest=told(one, "contest"),
            entry=whole(one, "entry"),
            supersedes=whole(one, "supersedes"),
            reason=told(one, "reason"),
            authority=told(one, "authority"),
            time=told(one, "time"),
            changes=tuple(map(_change, children(one, "change"))),
        )
        for one in children(root, "correction")
    )
