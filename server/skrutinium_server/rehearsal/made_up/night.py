"""The night of a made-up election: protocols that agree with the law, as they come in, the same bytes everywhere."""

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import Final, NamedTuple

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law, load_law
from skrutinium_server.election.model import Definition, Poll
from skrutinium_server.intake.formats.csv_set import write_alone
from skrutinium_server.intake.model import Protocol, TakenOver
from skrutinium_server.rehearsal.made_up.arrival import Arrival, Kind, arrivals, drawn
from skrutinium_server.rehearsal.made_up.chance import branch, pick
from skrutinium_server.rehearsal.made_up.changes import Changing
from skrutinium_server.rehearsal.made_up.endings import settled
from skrutinium_server.rehearsal.made_up.generator import generator_of
from skrutinium_server.rehearsal.made_up.settings import RESENDS, Rates, Wishes
from skrutinium_server.rehearsal.replay import Due

REASONS: Final = ("recount", "commission-mistake", "entry-mistake")
"""Why a protocol is corrected on the night (codebook ``correction-reasons``); courts order changes weeks later."""

AUTHORITY: Final = "Vymyšlená volební komise"


class Coming(NamedTuple):
    """One protocol as it comes in, as what; one that is brought as a correction has its reason and authority."""

    at: datetime.datetime
    protocol: Protocol
    kind: Kind
    reason: str | None = None
    authority: str | None = None


def coming(
    definition: Definition,
    seed: int,
    start: datetime.datetime,
    length: datetime.timedelta | None,
    rates: Rates,
    wishes: Wishes,
) -> Iterator[Coming]:
    """One protocol for each poll of a made-up definition, and what the rates add, in the order they come in.

    ``start`` (aware) is when the first one comes, ``length`` later the last, as late as on a real night unless told. What
    counts at the end is the same whether there were other versions before it or not. Raises ValueError for a definition
    that is not made up, because no votes are invented for a real one, ``WishError`` for what no contest can fulfil.
    """
    if not definition.made_up:
        raise ValueError(f"{definition.event} is not made up; votes are invented for made-up elections only")
    if start.utcoffset() is None:
        raise ValueError(f"the start {start} has no time zone; expected one")
    index = DefinitionIndex(definition)
    generator = generator_of(definition.law)
    round_ = max((contest.round for contest in definition.contests), default=1)
    candidates = Counter(candidate.contest for candidate in definition.candidates)
    course = generator.course(round_)
    due = arrivals(definition.polls, candidates, seed, start, length, course, rates)
    making = _Making(index, seed, rates, wishes)
    return map(making.protocol, due)


class _Making:
    """Makes the protocols of a night one after the other."""

    def __init__(self, index: DefinitionIndex, seed: int, rates: Rates, wishes: Wishes) -> None:
        law = load_law(index.definition.law)
        self._seed = seed
        self._generator = generator_of(law.id)
        self._changing = Changing(index, law, self._generator)
        self._voting = settled(index, law, self._generator, seed, wishes)
        self._odd = frozenset(drawn(index.definition.polls, seed, "odd", rates.warnings))
        self._sequence = 0
        self._sent: dict[Poll, Protocol] = {}
        """Those that come once more."""

    def protocol(self, arrival: Arrival) -> Coming:
        poll, kind = arrival.poll, arrival.kind
        if kind == "duplicate":
            return Coming(arrival.at, self._sent.pop(poll), kind)
        self._sequence += 1
        found = self._right(arrival)
        if arrival.after:
            found = self._changing.mistaken(found, arrival.after)
        if kind == "refused":
            found = self._changing.slipped(found, self._chance("slip", poll))
        if kind == "correction":
            reason = pick(self._chance("reason", poll), REASONS)
            return Coming(arrival.at, found, kind, reason, AUTHORITY)
        if arrival.twice:
            self._sent[poll] = found
        return Coming(arrival.at, found, kind)

    def _right(self, arrival: Arrival) -> Protocol:
        """What the voters did, and what is odd about it."""
        poll = arrival.poll
        found, lists = self._voting(poll)
        protocol = Protocol(
            poll.precinct,
            poll.contest,
            poll.district,
            self._sequence,
            arrival.at,
            {
                "eligible": found.eligible,
                "issued": found.issued,
                "returned": found.returned,
                "valid-votes": sum([row.votes for row in lists]),
            },
            lists,
            arrival.kind in ("resend", "correction"),
        )
        if poll not in self._odd:
            return protocol
        return self._changing.odd(protocol, self._chance("odd", poll))

    def _chance(self, name: str, poll: Poll) -> Random:
        return branch(self._seed, name, poll.precinct, poll.contest)


def made_up_night(
    definition: Definition,
    seed: int,
    start: datetime.datetime,
    length: datetime.timedelta | None,
    resends: int = RESENDS,
) -> list[Due]:
    """The protocols of :func:`made_up_protocols` as bytes in the CSV format of the intake, each a set of its own."""
    return as_due(coming(definition, seed, start, length, Rates(resends=resends), Wishes()), definition.law)


def made_up_protocols(
    definition: Definition,
    seed: int,
    start: datetime.datetime,
    length: datetime.timedelta | None,
    resends: int = RESENDS,
) -> Iterator[Protocol]:
    """The protocols of :func:`coming` where nothing goes wrong but that so many of 10,000 are sent again."""
    arriving = coming(definition, seed, start, length, Rates(resends=resends), Wishes())
    return (one.protocol for one in arriving)


def as_due(arriving: Iterable[Coming], law: str) -> list[Due]:
    """Each as bytes in the CSV format of the intake, a set of its own."""
    told = load_law(law)
    return [Due(one.at, taken_over(one.protocol, told), one.reason, one.authority) for one in arriving]


def taken_over(protocol: Protocol, law: Law) -> TakenOver:
    """A protocol as bytes in the CSV format of the intake, a set of its own."""
    return write_alone(protocol, law)
