"""Documents of results as rows of tables. Pure: nothing is read or asked here.

No number is a float, and none stands for another: votes are empty where there is no number to show, and ``reporting`` beside them says
why (``none``, ``part``, ``all``, ``not-applicable``).
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from skrutinium.documents import results as d
from skrutinium.documents.protocols import Corrections, PrecinctResults
from skrutinium.tables.columns import OF_DOCUMENT, TABLES, Row, Value

Tabled = (
    d.EventResults
    | d.Summary
    | d.TurnoutReport
    | d.AreaResults
    | d.ContestResults
    | PrecinctResults
    | Corrections
)
"""A document that has tables. Of a district, tables have what its contest's document says; of a batch, what its precincts' say."""

Record = dict[str, Value]
"""One row with the names of its columns."""

_CONTROL = dict.fromkeys((*range(32), 0x7F), " ")
_ALONE = 0
"""What stands for a list where there is none."""


def to_records(document: Tabled, tables: Sequence[str] | None = None) -> dict[str, list[Record]]:
    """The records of a document by table, every table of its kind (or those wanted of them), rows in the order of the document."""
    rows = rows_of(document)
    return {
        name: [dict(zip(TABLES[name].names, row, strict=True)) for row in told]
        for name, told in rows.items()
        if tables is None or name in tables
    }


def rows_of(document: Tabled) -> dict[str, list[Row]]:
    """The same as rows, every table of the document's kind."""
    match document:
        case d.EventResults():
            kind, told = "event", _event(document)
        case d.Summary():
            kind, told = "summary", _summary(document)
        case d.TurnoutReport():
            kind, told = "turnout", _turnout(document)
        case d.AreaResults():
            kind, told = "area", _area(document)
        case d.ContestResults():
            kind, told = "contest", _contest(document)
        case PrecinctResults():
            kind, told = "precinct", _precinct(document)
        case _:
            kind, told = "corrections", _corrections(document)
    tables: dict[str, list[Row]] = {table.name: [] for table in OF_DOCUMENT[kind]}
    for name, row in told:
        tables[name].append(row)
    return tables


Told = Iterator[tuple[str, Row]]


# ------------------------------------------------------------------ values
def _text(value: str | None) -> str | None:
    """A text in one line, None when there is nothing in it: tables have no other empty text than no text."""
    return (value.translate(_CONTROL) or None) if value else None


def _line(value: str) -> str:
    """A text that is always told, in one line; ``?`` should nothing be in it."""
    return _text(value) or "?"


def moment(value: datetime.datetime) -> str:
    """A time, UTC, such as ``2018-10-06T15:00:00Z``."""
    return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def _day(value: datetime.date | None) -> str | None:
    return None if value is None else value.isoformat()


def _share(value: Fraction | None) -> tuple[int | None, int | None]:
    return (None, None) if value is None else (value.numerator, value.denominator)


def _count(count: d.Count) -> Row:
    figures = count.figures
    return (
        str(count.reporting),
        count.expected,
        count.reported,
        figures.get("eligible"),
        figures.get("issued"),
        count.eligible_out,
    )


def _figures(table: str, start: Row, figures: Mapping[str, int], told_by: Mapping[str, int]) -> Told:
    for field, value in figures.items():
        yield table, (*start, field, value, told_by.get(field))


# ------------------------------------------------------------------ the event and its areas
def _kinds(prefix: str, owner: str, kinds: Iterable[d.Kind]) -> Told:
    """``prefix``: the tables ``kinds``, ``kind_figures``, ``committees``, or those of areas."""
    kind_table, figure_table, committee_table = (
        ("area_kinds", "area_figures", "area_committees")
        if prefix == "area"
        else ("kinds", "kind_figures", "committees")
    )
    for kind in kinds:
        start = (owner, kind.id)
        told = (kind.contests, kind.decided, kind.seats_decided, *_count(kind.count), kind.votes)
        yield kind_table, (*start, *told)
        yield from _figures(figure_table, start, kind.count.figures, kind.count.told_by)
        for one in kind.committees:
            row = (one.id or "", _text(one.name), str(kind.count.reporting), one.votes, one.seats)
            yield committee_table, (*start, *row)


def _out(out: d.Out | None) -> Row:
    return (None, None, None) if out is None else (out.precincts, out.precincts_out, out.eligible_out)


def _event(event: d.EventResults) -> Told:
    head = (event.event, event.run, event.phase, _line(event.name), _day(event.date), event.state)
    yield "event", (*head, event.made_up, event.held, *_out(event.out))
    yield from _kinds("event", event.event, event.kinds)


def _summary(summary: d.Summary) -> Told:
    for kind in summary.kinds:
        start = (summary.event, kind.id)
        shares = (*_share(kind.share), *_share(kind.turnout))
        counts = (kind.contests, kind.decided, kind.seats_decided)
        yield "summaries", (*start, _line(kind.line), kind.expected, kind.reported, *shares, *counts)
        for place, one in enumerate(kind.leading, 1):
            named = (one.committee, one.candidate, _text(one.name), one.votes)
            yield "leading", (*start, place, *named, *_share(one.share), one.seats)


def _turnout(report: d.TurnoutReport) -> Told:
    for one in report.areas:
        start = (report.event, one.id, moment(report.hour))
        yield "turnout", (*start, one.expected, one.reported, one.eligible, one.issued)


def _progress(kinds: Sequence[d.Kind]) -> tuple[str, int, int]:
    """How far a unit is altogether, as the next larger one tells it of those below."""
    expected, reported = sum(one.count.expected for one in kinds), sum(one.count.reported for one in kinds)
    if not expected:
        return str(d.Reporting.NOT_APPLICABLE), 0, 0
    how = d.Reporting.NONE if not reported else d.Reporting.ALL if reported == expected else d.Reporting.PART
    return str(how), expected, reported


def _area(area: d.AreaResults) -> Told:
    if area.parent is None:
        itself = (area.id, area.id, None, area.kind, _line(area.name))
        yield "areas", (*itself, *_progress(area.kinds), *_out(area.out))
    for one in area.areas:
        named = (area.id, one.id, area.id, one.kind, _line(one.name))
        yield "areas", (*named, str(one.reporting), one.expected, one.reported, *_out(one.out))
    yield from _kinds("area", area.id, area.kinds)


# ------------------------------------------------------------------ a contest
def _contest(contest: d.ContestResults) -> Told:
    named = (contest.id, contest.kind, contest.area, _line(contest.name), contest.seats, contest.round)
    told = (contest.state, _text(contest.held), contest.made_up, *_count(contest.count))
    yield "contests", (*named, *told)
    yield from _figures("contest_figures", (contest.id,), contest.count.figures, contest.count.told_by)
    for district in contest.districts:
        yield from _district((contest.id, district.id), district)


def _district(start: tuple[str, str], district: d.District) -> Told:
    first = district.first_round
    outcome = (district.seats, district.outcome, district.threshold, district.vacant, _text(district.missing))
    round_ = (first.event, _day(first.date)) if first else (None, None)
    named = (district.number, _line(district.name), *outcome)
    yield "districts", (*start, *named, *_count(district.count), district.votes, *round_)
    yield from _figures("district_figures", start, district.count.figures, district.count.told_by)
    reporting = str(district.count.reporting)
    for row in district.lists:
        listed = (row.number, row.committee, _text(row.name), row.active, row.standing)
        yield "lists", (*start, *listed, reporting, row.votes, row.passed, row.seats)
        yield from _candidates((*start, row.number), row.candidates, reporting)
    for place, unnumbered in enumerate(district.unnumbered, 1):
        yield "unnumbered_lists", (*start, place, unnumbered.committee, _line(unnumbered.name))
    yield from _candidates((*start, _ALONE), district.candidates, reporting)
    for one in district.questions:
        answer = (one.yes, one.no, one.answer)
        yield "questions", (*start, one.number, _line(one.text), reporting, *answer)
    for number, lot in enumerate(district.lots, 1):
        for tied in lot.tied:
            yield "lots", (*start, number, tied.list or _ALONE, tied.candidate or _ALONE, lot.places)
    if first:
        yield from _first_round(start, first)


def _candidates(start: Row, candidates: Iterable[d.Candidate], reporting: str) -> Told:
    for one in candidates:
        titles = (_text(one.title_before), _text(one.title_after))
        named = (
            one.number,
            _text(one.given_name),
            _text(one.family_name),
            *titles,
            one.committee,
            one.active,
        )
        yield "candidates", (*start, *named, reporting, one.votes, one.elected, one.way, one.runoff)


def _first_round(start: Row, first: d.FirstRound) -> Told:
    for field, value in first.figures.items():
        yield "first_round_figures", (*start, field, value)
    for one in first.candidates:
        names = (_text(one.given_name), _text(one.family_name))
        yield "first_round_candidates", (*start, one.number, *names, one.votes, one.elected, one.runoff)


# ------------------------------------------------------------------ protocols
def _precinct(precinct: PrecinctResults) -> Told:
    reported = len(precinct.protocols)
    named = (precinct.id, precinct.area, precinct.number, precinct.kind, _text(precinct.name))
    yield "precincts", (*named, precinct.state, reported + len(precinct.awaited), reported)
    for awaited in precinct.awaited:
        owed = (precinct.id, awaited.contest, awaited.district, True)
        yield "protocols", (*owed, *(None,) * 10)
    for one in precinct.protocols:
        start = (precinct.id, one.contest)
        times = (moment(one.established), moment(one.accepted))
        entry = (one.entry, one.version, one.sequence, *times, one.sha256, one.repeated)
        why = (one.supersedes, one.reason, _text(one.authority))
        yield "protocols", (*start, one.district, False, *entry, *why)
        for field, value in one.figures.items():
            yield "protocol_figures", (*start, field, value)
        for row in one.lists:
            yield "protocol_lists", (*start, row.number, row.votes)
            for candidate, votes in row.candidates.items():
                yield "protocol_candidates", (*start, row.number, candidate, votes)


def _corrections(corrections: Corrections) -> Told:
    for one in corrections.corrections:
        start = (corrections.release, one.entry)
        what = (one.precinct, one.contest, one.supersedes, one.reason, _line(one.authority), moment(one.time))
        yield "corrections", (*start, *what)
        for place, change in enumerate(one.changes, 1):
            named = (change.field, change.list, change.candidate)
            yield "correction_changes", (*start, place, *named, change.old, change.new)
