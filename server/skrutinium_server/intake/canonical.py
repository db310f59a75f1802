"""The canonical bytes of a protocol: equal facts have equal bytes, whatever format they came in. Pure."""

import msgspec

from skrutinium_server.intake.model import ListVotes, Protocol

_encode = msgspec.json.Encoder(order="deterministic").encode


def canonical(protocol: Protocol) -> bytes:
    """JSON in UTF-8 without blanks: members in the order of the struct, figures by id, lists and candidates by number."""
    return _encode(
        msgspec.structs.replace(protocol, lists=tuple(map(_in_order, sorted(protocol.lists, key=_number))))
    )


def _number(votes: ListVotes) -> int:
    return votes.number


def _in_order(votes: ListVotes) -> ListVotes:
    if votes.candidates is None:
        return votes
    return ListVotes(votes.number, votes.votes, tuple(sorted(votes.candidates)))
