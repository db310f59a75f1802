"""Made-up contests of persons for the tests of the tally: two constituencies that cut through towns, gaps of every kind."""

import random

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    Definition,
    District,
    Poll,
    Precinct,
)
from skrutinium_server.intake.model import ListVotes, Protocol
from tests.tally.made import TIME, Night, protocol

SENATE = load_law("cz-senate-2018")


def definition(
    contests: dict[str, dict[int, str | None]],
    towns: dict[str, dict[str, list[int]]],
    *,
    round_: int = 1,
    inactive: frozenset[tuple[str, int]] = frozenset(),
) -> Definition:
    """``contests`` tells the committee of each candidate, ``towns`` which precincts of a town vote in which contest."""
    committees = sorted({name for rows in contests.values() for name in rows.values() if name is not None})
    polls = [
        Poll(f"{town}-{number}", contest, f"{contest}.1", 100)
        for town, parts in towns.items()
        for contest, numbers in parts.items()
        for number in numbers
    ]
    return Definition(
        event="se2030",
        name="Made-up election",
        date=TIME.date(),
        law=SENATE.id,
        version=1,
        made_up=True,
        areas=(
            Area("CZ", "country", "Made-up country"),
            *(Area(f"K{number}", "county", f"Made-up county {number}", "CZ") for number in (0, 1)),
            *(
                Area(town, "municipality", f"Made-up town {town}", f"K{place % 2}")
                for place, town in enumerate(towns)
            ),
        ),
        contests=tuple(Contest(id, "senate", "persons", "CZ", f"Made-up {id}", 1, round_) for id in contests),
        districts=tuple(District(f"{id}.1", id, 1, f"Made-up {id}", 1) for id in contests),
        precincts=tuple(
            Precinct(id, id.partition("-")[0], int(id.partition("-")[2]))
            for id in dict.fromkeys(poll.precinct for poll in polls)
        ),
        polls=tuple(polls),
        committees=tuple(Committee(id, f"Made-up committee {id}") for id in committees),
        candidates=tuple(
            Candidate(
                id,
                f"{id}.1",
                0,
                number,
                "Made-up",
                f"Person {number}",
                active=(id, number) not in inactive,
                committee=committee,
            )
            for id, rows in contests.items()
            for number, committee in rows.items()
        ),
    )


def votes(poll: Poll, given: dict[int, int], *, sequence: int = 1) -> Protocol:
    """A protocol that tells these votes by candidate."""
    total = sum(given.values())
    rows = [ListVotes(0, total, tuple(given.items()))]
    figures = {"eligible": 100, "issued": total, "returned": total, "valid-votes": total}
    return protocol(poll, rows, sequence=sequence, figures=figures)


def nights(*, distinct: bool = False) -> SearchStrategy[Night]:
    """A definition and protocols of it in their order of arrival; see :func:`tests.tally.made.nights`."""
    return st.builds(lambda seed: _night(random.Random(seed), distinct), st.integers(0, 2**32))


def _night(chance: random.Random, distinct: bool) -> Night:
    contests = {
        id: {
            number: chance.choice([None, "A", "B", "C"])
            for number in sorted(chance.sample(range(1, 6), chance.randint(0, 4)))
        }
        for id in ("1", "4")
    }
    towns = {"M0": {"1": [1, 2], "4": [3]}, "M1": {"4": [1]}, "M2": {"1": [1]}}
    inactive = frozenset(
        (id, number) for id, rows in contests.items() for number in rows if chance.randrange(9) == 0
    )
    made = definition(contests, towns, round_=chance.choice([1, 1, 2]), inactive=inactive)
    protocols = []
    for poll in made.polls:
        number = chance.choice([0, 1, 1, 1, 2])
        sequences = chance.sample(range(1, 6), number) if distinct else chance.choices(range(1, 4), k=number)
        for sequence in sequences:
            known = list(contests[poll.contest])
            if chance.randrange(12) == 0:
                known = chance.sample(range(1, 7), 3)
            row = votes(poll, {one: chance.randint(0, 4) for one in known}, sequence=sequence)
            if chance.randrange(15) == 0:
                row = protocol(poll, [ListVotes(0, 7)], sequence=sequence)
            protocols.append(row)
    chance.shuffle(protocols)
    return made, protocols
