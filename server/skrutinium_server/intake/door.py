"""The door: a protocol that was read is admitted or refused, by definition and law. Pure; deny by default (design § 4.8)."""

import datetime
import re
from functools import lru_cache
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import ContestForm
from skrutinium_server.intake.canonical import in_order
from skrutinium_server.intake.errors import (
    BallotError,
    DistrictError,
    NumberError,
    RefusedError,
    RuleError,
    TimeError,
    UnknownContestError,
    UnknownPollError,
    UnknownPrecinctError,
)
from skrutinium_server.intake.model import Admission, ListVotes, Origin, Protocol, TakenOver
from skrutinium_server.intake.rules import check

MOST: Final = 999_999_999
"""No figure, vote or sequence is larger; the widest number of the Czech feeds has nine digits."""

HIGHEST: Final = 999
"""No list or candidate has a higher number on a ballot; the Czech feeds give them three digits."""

YEARS: Final = range(1900, 2200)
"""A time outside of them is a mistake, and at the ends of the calendar it cannot be told in local time."""

# What the accepted protocol is published with has to fit into a document: the ledger never lets go of it again.
_TEXT: Final = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]{1,1000}")
_SHA256: Final = re.compile("[0-9a-f]{64}")


def check_event(date: datetime.date | None, round_: int | None, source: str, index: DefinitionIndex) -> None:
    """Refuse what belongs to an event on another date, or to another round; what is not told is not compared.

    A source names both rounds by the date of the first, so a second round's definition takes that date with round 2.
    """
    rounds = {contest.round for contest in index.definition.contests}
    if round_ is not None and round_ not in rounds:
        raise TimeError(
            source,
            f"it belongs to round {round_}",
            f"round {', '.join(map(str, sorted(rounds)))} of {index.definition.event}",
            code="event-round",
        )
    first = index.definition.first_round
    if first is not None and round_ == 2 and date == first.date:
        return
    expected = index.definition.date
    if expected is not None and date is not None and date != expected:
        raise TimeError(
            source,
            f"it belongs to an event on {date}",
            f"{expected}, the date of {index.definition.event}",
            code="event-date",
        )


def admit(
    protocol: Protocol,
    taken_over: TakenOver,
    origin: Origin,
    index: DefinitionIndex,
    law: Law,
    *,
    resend: bool = False,
) -> Admission:
    """Admit a protocol with its findings, or raise a :class:`~skrutinium_server.intake.errors.RefusedError`.

    A protocol that its source marks as repeated, or that is brought as a re-send, gets the reason ``source-resend``
    with the source as authority. Whether it supersedes another only the ledger knows, and completes it alike.
    """
    _check_origin(taken_over, origin)
    where = f"Precinct {protocol.precinct}, contest {protocol.contest} ({taken_over.source}, byte {taken_over.offset})"
    _check_place(protocol, index, law, where)
    _check_numbers(protocol, law, where, index.contests[protocol.contest].form)
    _check_ballot(protocol, index, where)
    findings, skipped = check(protocol, law, index)
    blocking = [finding for finding in findings if finding.severity == "error"]
    if blocking:
        raise RuleError(
            where, tuple(finding.rule for finding in blocking), " ".join(finding.text for finding in blocking)
        )
    repeated = resend or protocol.repeated
    return Admission(
        in_order(protocol),
        taken_over,
        origin,
        findings,
        skipped,
        "source-resend" if repeated else None,
        origin.who if repeated else None,
    )


def _check_origin(taken_over: TakenOver, origin: Origin) -> None:
    for what, text in (
        ("the name of the source", taken_over.source),
        ("the format", taken_over.format),
        ("the encoding", taken_over.encoding),
        ("who brings it", origin.who),
        ("the path it comes by", origin.path),
    ):
        if not _TEXT.fullmatch(text):
            raise RefusedError(
                "A protocol",
                f"{what} is {text[:60]!a}",
                "1 to 1000 characters, none of them for control",
            )
    if not _SHA256.fullmatch(taken_over.source_sha256) or not 0 <= taken_over.offset <= MOST:
        raise RefusedError(
            f"A protocol of {taken_over.source}",
            f"the hash of its source is {taken_over.source_sha256[:80]!a}, its place there {taken_over.offset}",
            f"a SHA-256, and a place from 0 to {MOST}",
        )


def _check_place(protocol: Protocol, index: DefinitionIndex, law: Law, where: str) -> None:
    event = index.definition.event
    if protocol.precinct not in index.precincts:
        raise UnknownPrecinctError(
            where, f"{event} has no precinct {protocol.precinct}", "a precinct of the definition"
        )
    contest = index.contests.get(protocol.contest)
    if contest is None:
        raise UnknownContestError(
            where, f"{event} has no contest {protocol.contest}", "a contest of the definition"
        )
    if contest.kind not in law.contest_kinds:
        expected = f"one of {', '.join(law.contest_kinds)}, which the law {law.id} speaks of"
        raise UnknownContestError(
            where, f"the contest is of the kind {contest.kind}", expected, code="contest-kind"
        )
    poll = index.poll(protocol.precinct, protocol.contest)
    if poll is None:
        contests = ", ".join(poll.contest for poll in index.polls_of_precinct(protocol.precinct)) or "none"
        raise UnknownPollError(
            where, "the precinct does not vote in this contest", f"one of its contests: {contests}"
        )
    if protocol.district != poll.district:
        raise DistrictError(
            where,
            f"the protocol is of district {protocol.district}",
            f"{poll.district}, where the precinct votes",
        )
    if protocol.established.utcoffset() != datetime.timedelta(0):
        raise TimeError(where, f"established {protocol.established.isoformat()}", "a time in UTC")
    if protocol.established.year not in YEARS:
        expected = f"a year from {YEARS[0]} to {YEARS[-1]}"
        raise TimeError(where, f"established {protocol.established.isoformat()}", expected)


def _check_numbers(protocol: Protocol, law: Law, where: str, form: ContestForm) -> None:
    known = [field.id for field in law.fields]
    for field, value in protocol.figures.items():
        if field not in known:
            raise NumberError(
                where, f"the figure {field!r} is unknown", f"one of {', '.join(known)}", code="unknown-figure"
            )
        if not 0 <= value <= MOST:
            raise _number(where, field, value)
    if not 0 <= protocol.sequence <= MOST:
        raise _number(where, "sequence", protocol.sequence)
    for votes in protocol.lists:
        if votes.number or form != "persons":  # there list 0 stands for the persons
            _check_place_on_ballot(votes.number, "a list", where)
        if not 0 <= votes.votes <= MOST:
            raise _number(where, f"list {votes.number}", votes.votes)
        for candidate, count in votes.candidates or ():
            _check_place_on_ballot(candidate, f"a candidate of list {votes.number}", where)
            if not 0 <= count <= MOST:
                raise _number(where, f"list {votes.number}, candidate {candidate}", count)


def _check_ballot(protocol: Protocol, index: DefinitionIndex, where: str) -> None:
    numbers = {votes.number for votes in protocol.lists}
    if len(numbers) != len(protocol.lists):
        raise BallotError(where, "a list stands twice", "each list once", code="list-twice")
    if index.contests[protocol.contest].form == "persons" and numbers - {0}:
        unknown = ", ".join(map(str, sorted(numbers - {0})))
        expected = "list 0, on which all persons of this contest stand"
        raise BallotError(where, f"list {unknown} is not on the ballot", expected, code="unknown-list")
    ballot = {row.number for row in index.lists_of_district(protocol.district)}
    # Where numbers were not drawn yet when the register was made, a number that it lacks is one of those lists.
    if ballot and not numbers <= ballot and protocol.district not in _undrawn(index):
        unknown = ", ".join(map(str, sorted(numbers - ballot)))
        expected = f"the lists {', '.join(map(str, sorted(ballot)))} of district {protocol.district}"
        raise BallotError(where, f"list {unknown} is not on the ballot", expected, code="unknown-list")
    for votes in protocol.lists:
        if votes.candidates is not None:
            _check_candidates(votes, protocol.district, index, where)


def _check_candidates(votes: ListVotes, district: str, index: DefinitionIndex, where: str) -> None:
    where = f"{where}, list {votes.number}"
    numbers = {number for number, _ in votes.candidates or ()}
    if len(numbers) != len(votes.candidates or ()):
        raise BallotError(where, "a candidate stands twice", "each candidate once", code="candidate-twice")
    known = {candidate.number for candidate in index.candidates_of(district, votes.number)}
    if known and not numbers <= known:
        unknown = ", ".join(map(str, sorted(numbers - known)))
        raise BallotError(
            where,
            f"candidate {unknown} is not on the list",
            "candidates of the definition",
            code="unknown-candidate",
        )


def _check_place_on_ballot(number: int, what: str, where: str) -> None:
    if not 1 <= number <= HIGHEST:
        raise NumberError(where, f"the number of {what} is {number}", f"a whole number from 1 to {HIGHEST}")


def _number(where: str, what: str, value: int) -> NumberError:
    return NumberError(where, f"{what} is {value}", f"a whole number from 0 to {MOST}")


@lru_cache(maxsize=4)
def _undrawn(index: DefinitionIndex) -> frozenset[str]:
    return frozenset(row.district for row in index.definition.unnumbered_lists)
