"""Czech municipal councils."""

from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Poll
from skrutinium_server.rehearsal.made_up import arrival, changes, list_endings
from skrutinium_server.rehearsal.made_up.council_votes import Mood, landslides, mood, votes
from skrutinium_server.rehearsal.made_up.councils import councils_definition
from skrutinium_server.rehearsal.made_up.generator import Generator, Voted, Voting
from skrutinium_server.rehearsal.made_up.turnout import figures, turnouts


def _voting(index: DefinitionIndex, seed: int) -> Voting:
    clear = landslides(index, seed)
    come = turnouts(index, seed)
    moods: dict[str, Mood] = {}

    def voted(poll: Poll) -> Voted:
        if poll.district not in moods:
            moods[poll.district] = mood(index, poll.district, seed, landslide=poll.contest in clear)
        found = figures(poll, come[index.precincts[poll.precinct].area], seed)
        return found, votes(poll, moods[poll.district], found.returned, seed)

    return voted


GENERATOR: Final = Generator(
    define=councils_definition,
    voting=_voting,
    course=lambda _round: arrival.COUNCILS,
    lots=list_endings.lots,
    ties=list_endings.ties,
    slips=(
        changes.columns_swapped,
        changes.typed_twice,
        changes.digits_swapped,
        changes.candidate_misread,
        changes.not_on_the_ballot,
    ),
    oddities=(changes.envelopes_too_many, changes.envelopes_taken_home),
)
