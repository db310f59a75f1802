"""The night of a made-up election: protocols that agree with the law, as they come in, the same bytes everywhere."""

import datetime
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law, load_law
from skrutinium_server.election.model import Definition, Poll
from skrutinium_server.intake.formats.csv_set import FORMAT, PROTOCOLS, VOTES, write_set
from skrutinium_server.intake.model import ListVotes, Protocol, TakenOver
from skrutinium_server.rehearsal.made_up.arrival import Arrival, arrivals
from skrutinium_server.rehearsal.made_up.senate import LAW as SENATE
from skrutinium_server.rehearsal.made_up.senate_votes import liking, votes_for_persons
from skrutinium_server.rehearsal.made_up.votes import Figures, Mood, figures, landslides, mood, votes
from skrutinium_server.rehearsal.replay import Due

_Voted = tuple[Figures, tuple[ListVotes, ...]]
_Voting = Callable[[Poll], _Voted]
"""What the voters of a precinct do in a contest: figures and votes that agree."""

RESENDS: Final = 26
"""Of 10,000 polls so many were sent again in 2022."""


def made_up_night(
    definition: Definition,
    seed: int,
    start: datetime.datetime,
    duration: datetime.timedelta,
    resends: int = RESENDS,
) -> list[Due]:
    """The protocols of :func:`made_up_protocols` as bytes in the CSV format of the intake, each a set of its own."""
    law = load_law(definition.law)
    return [
        Due(protocol.established, taken_over(protocol, law))
        for protocol in made_up_protocols(definition, seed, start, duration, resends)
    ]


def made_up_protocols(
    definition: Definition,
    seed: int,
    start: datetime.datetime,
    duration: datetime.timedelta,
    resends: int = RESENDS,
) -> Iterator[Protocol]:
    """One protocol for each poll of a made-up definition, and re-sends with changed votes, in the order they come in.

    ``start`` (aware) is when the first one comes, ``duration`` later the last. The newest version of a protocol is the
    same whether there were others before it or not. Raises ValueError for a definition that is not made up, because
    no votes are invented for a real one.
    """
    if not definition.made_up:
        raise ValueError(f"{definition.event} is not made up; votes are invented for made-up elections only")
    if start.utcoffset() is None:
        raise ValueError(f"the start {start} has no time zone; expected one")
    index = DefinitionIndex(definition)
    candidates = Counter(candidate.contest for candidate in definition.candidates)
    voting = _persons(index, seed) if definition.law == SENATE else _councils(index, seed)
    due = arrivals(definition.polls, candidates, seed, start, duration, resends)
    for sequence, arrival in enumerate(due, 1):
        yield _protocol(arrival, sequence, *voting(arrival.poll))


def _councils(index: DefinitionIndex, seed: int) -> _Voting:
    clear = landslides(index, seed)
    moods: dict[str, Mood] = {}

    def voted(poll: Poll) -> _Voted:
        if poll.district not in moods:
            moods[poll.district] = mood(index, poll.district, seed, landslide=poll.contest in clear)
        found = figures(poll, seed)
        return found, votes(poll, moods[poll.district], found.returned, seed)

    return voted


def _persons(index: DefinitionIndex, seed: int) -> _Voting:
    likings = {contest: liking(index, contest, seed) for contest in index.contests}

    def voted(poll: Poll) -> _Voted:
        round_ = index.contests[poll.contest].round
        found = figures(poll, seed, round_)
        return found, votes_for_persons(poll, likings[poll.contest], found.returned, seed, round_)

    return voted


def _protocol(arrival: Arrival, sequence: int, found: Figures, lists: tuple[ListVotes, ...]) -> Protocol:
    poll = arrival.poll
    eligible = found.eligible
    if arrival.after:
        mistaken = _mistaken(lists, arrival.after)
        # With too few votes for a mistake among them, it is the roll that was read wrong.
        eligible += 0 if mistaken else arrival.after
        lists = mistaken or lists
    return Protocol(
        poll.precinct,
        poll.contest,
        poll.district,
        sequence,
        arrival.at,
        {
            "eligible": eligible,
            "issued": found.issued,
            "returned": found.returned,
            "valid-votes": sum(row.votes for row in lists),
        },
        lists,
        arrival.before > 0,
    )


def _mistaken(lists: tuple[ListVotes, ...], times: int) -> tuple[ListVotes, ...] | None:
    """The votes with a quarter (or two) of the best candidate's left out, as a commission may miss a heap of ballots.

    None when that candidate has fewer than four votes.
    """
    count, row, number = max(
        ((count, row, number) for row in lists for number, count in row.candidates or ()),
        key=lambda found: (found[0], -found[1].number, -found[2]),
        default=(0, None, 0),
    )
    if row is None or count < 4:
        return None
    missed = count * min(times, 3) // 4
    wrong = tuple((place, had - missed if place == number else had) for place, had in row.candidates or ())
    changed = msgspec.structs.replace(row, votes=row.votes - missed, candidates=wrong)
    return tuple(changed if other is row else other for other in lists)


def made_up_correction(protocol: Protocol, sequence: int) -> Protocol:
    """Another version of a protocol: some ballots of its best candidate had been counted twice.

    ``sequence`` has to be above those of the versions before. The later version always has fewer votes, or where there are
    hardly any, one voter more on the roll.
    """
    lists = _mistaken(protocol.lists, 1)
    figures = dict(protocol.figures)
    if lists is None:
        figures["eligible"] += 1
    else:
        figures["valid-votes"] = sum(row.votes for row in lists)
    return msgspec.structs.replace(
        protocol,
        sequence=sequence,
        established=protocol.established + datetime.timedelta(minutes=1),
        figures=figures,
        lists=lists or protocol.lists,
        repeated=True,
    )


def taken_over(protocol: Protocol, law: Law) -> TakenOver:
    """A protocol as bytes in the CSV format of the intake, a set of its own."""
    tables = write_set((protocol,), law)
    head, _, line = tables[PROTOCOLS].partition(b"\n")
    rows = tables[VOTES].partition(b"\n")[2]
    whole = hashlib.sha256(tables[PROTOCOLS])
    whole.update(tables[VOTES])
    return TakenOver(
        (line + rows).removesuffix(b"\n"), FORMAT, "UTF-8", PROTOCOLS, whole.hexdigest(), len(head) + 1
    )
