"""The canonical form of a protocol: equal facts have one form, whatever order they came in. Pure.

The door admits protocols in this form, so the ledger's canonical JSON of equal protocols is equal too.
"""

import msgspec

from skrutinium_server.intake.model import ListVotes, Protocol


def in_order(protocol: Protocol) -> Protocol:
    """The same facts: figures by id, lists and candidates by number."""
    return msgspec.structs.replace(
        protocol,
        figures=dict(sorted(protocol.figures.items())),
        lists=tuple(map(_in_order, sorted(protocol.lists, key=_number))),
    )


def _number(votes: ListVotes) -> int:
    return votes.number


def _in_order(votes: ListVotes) -> ListVotes:
    if votes.candidates is None:
        return votes
    return ListVotes(votes.number, votes.votes, tuple(sorted(votes.candidates)))
