"""What replaces a protocol on a stage, and another version of a definition: made up, and right by the law. Pure."""

import msgspec

from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.rehearsal.made_up.changes import replacing
from skrutinium_server.rehearsal.made_up.names import MARK
from skrutinium_server.rehearsal.stage.errors import StageError


def lowered(protocol: Protocol, sequence: int) -> Protocol:
    """The protocol with half of its voters and votes: the ballots of another precinct had been counted with its own.

    Halves of voters are rounded up and halves of votes down, so that what the law wants of them still holds.
    """
    lists = tuple(_lowered(row) for row in protocol.lists)
    figures = dict(protocol.figures)
    for name in ("issued", "returned"):
        if name in figures:
            figures[name] = (figures[name] + 1) // 2
    figures["valid-votes"] = sum(row.votes for row in lists)
    return replacing(protocol, sequence, figures, lists)


def _lowered(row: ListVotes) -> ListVotes:
    if row.candidates is None:
        return msgspec.structs.replace(row, votes=row.votes // 2)
    halves = tuple((number, votes // 2) for number, votes in row.candidates)
    return msgspec.structs.replace(row, votes=sum(votes for _, votes in halves), candidates=halves)


def renamed(definition: Definition, version: int) -> Definition:
    """The definition with another given name of its first candidate, as after a mistake in a register; ``version`` tells one from the next.

    Raises :class:`StageError` where the election is not made up, for no name of a real person is changed, or has no candidate.
    """
    if not definition.made_up:
        raise StageError(
            f"{definition.event} is not made up: no name in its registers is changed. Use a made-up election for this."
        )
    if not definition.candidates:
        raise StageError(f"{definition.event} has no candidate whose name could be changed.")
    first = definition.candidates[0]
    assert MARK.search(first.family_name)
    changed = msgspec.structs.replace(first, given_name=f"Opravený {_ROMAN[version % len(_ROMAN)]}")
    return msgspec.structs.replace(definition, candidates=(changed, *definition.candidates[1:]))


_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
