"""The totals of a page as CSV, beside it."""

from collections.abc import Iterator, Sequence

from skrutinium_server.archive.cells import Cell, table
from skrutinium_server.archive.public.model import Contest, Unit

_UNIT = ("row", "kind", "id", "name", "reporting", "expected", "reported", "votes", "seats")
_CONTEST = (
    *("contest", "district", "list", "candidate", "name", "votes", "seats", "elected"),
    *("outcome", "reporting", "expected", "reported", "question", "vote"),
)


def unit_table(unit: Unit) -> bytes:
    """Event or area: a row for each kind of contest, its figures and committees, each smaller unit, each contest."""
    return table(_UNIT, _unit_rows(unit))


def _unit_rows(unit: Unit) -> Iterator[Sequence[Cell]]:
    for kind in unit.kinds:
        progress = kind.progress
        yield (
            *("kind", kind.id, None, None),
            *(progress.reporting, progress.expected, progress.reported, None, kind.seats),
        )
        for figure in kind.figures:
            yield "figure", kind.id, figure.field, None, None, None, figure.protocols, figure.value, None
        for committee in kind.committees:
            yield (
                "committee",
                kind.id,
                None,
                committee.name,
                None,
                None,
                None,
                committee.votes,
                committee.seats,
            )
    for name, rows in (("area", unit.areas), ("contest", unit.contests)):
        for row in rows:
            progress = row.progress
            yield (
                *(name, row.kind, row.id, row.name),
                *(progress.reporting, progress.expected, progress.reported, None, None),
            )


def contest_table(contest: Contest) -> bytes:
    """Contest: a row for each list, each candidate, each vote on a question; ``list`` is empty where persons stand."""
    return table(_CONTEST, _contest_rows(contest))


def _contest_rows(contest: Contest) -> Iterator[Sequence[Cell]]:
    for district in contest.districts:
        progress = district.progress
        end = (district.outcome, progress.reporting, progress.expected, progress.reported, None, None)
        for one in district.lists:
            yield contest.id, district.id, one.number, None, one.name, one.votes, one.seats, None, *end
            for row in one.candidates:
                yield (
                    contest.id,
                    district.id,
                    one.number,
                    row.number,
                    row.name,
                    row.votes,
                    None,
                    row.elected,
                    *end,
                )
        for row in district.candidates:
            yield contest.id, district.id, None, row.number, row.name, row.votes, None, row.elected, *end
        for question in district.questions:
            for vote, count in (("yes", question.yes), ("no", question.no)):
                told = (contest.id, district.id, None, None, question.text, count, None, None)
                yield *told, *end[:-2], question.number, vote
