"""The Czech Senate, in both rounds."""

from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Poll
from skrutinium_server.rehearsal.made_up import arrival, changes, person_endings
from skrutinium_server.rehearsal.made_up.generator import Generator, Voted, Voting
from skrutinium_server.rehearsal.made_up.senate import senate_definition
from skrutinium_server.rehearsal.made_up.senate_votes import liking, votes_for_persons
from skrutinium_server.rehearsal.made_up.turnout import figures, turnouts


def _voting(index: DefinitionIndex, seed: int) -> Voting:
    likings = {contest: liking(index, contest, seed) for contest in index.contests}
    come = turnouts(index, seed)

    def voted(poll: Poll) -> Voted:
        round_ = index.contests[poll.contest].round
        found = figures(poll, come[index.precincts[poll.precinct].area], seed, round_)
        return found, votes_for_persons(poll, likings[poll.contest], found.returned, seed, round_)

    return voted


GENERATOR: Final = Generator(
    define=senate_definition,
    voting=_voting,
    course=lambda round_: arrival.ONE_PERSON if round_ == 1 else arrival.RUNOFF,
    lots=person_endings.lots,
    ties=person_endings.ties,
    slips=(
        changes.columns_swapped,
        changes.typed_twice,
        changes.digits_swapped,
        changes.candidate_misread,
        changes.not_on_the_ballot,
    ),
    oddities=(changes.envelopes_too_many, changes.envelopes_taken_home),
)
