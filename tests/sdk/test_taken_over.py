"""The bytes of a protocol, read again by the newsroom's own code."""

import dataclasses
import datetime

import pytest

from skrutinium.documents.protocols import ListVotes, Protocol, TakenOver
from skrutinium.errors import SchemaError
from skrutinium.verifying.taken_over import compare, reread
from tests.sdk.store_builder import NIGHT, ZEROS, Sent

MOMENT = datetime.datetime(2026, 10, 10, 13, 4, 2, tzinfo=datetime.UTC)
BY_LINES, BY_ELEMENT = NIGHT[1]


def told(sent: Sent) -> Protocol:
    """The protocol as published, with its bytes."""
    form, encoding = ("csv", "UTF-8") if sent.contest == "100" else ("volby-batches", "ISO-8859-2")
    return Protocol(
        precinct=sent.precinct,
        contest=sent.contest,
        district=f"{sent.contest}.1",
        entry=3,
        version=1,
        sequence=sent.sequence,
        established=MOMENT,
        accepted=MOMENT,
        sha256=ZEROS,
        repeated=False,
        supersedes=None,
        reason=None,
        authority=None,
        figures=sent.figures(),
        lists=tuple(ListVotes(number, votes, persons) for number, (votes, persons) in sent.lists().items()),
        taken_over=TakenOver(sent.bytes(), form, encoding, "made", ZEROS, 0),
    )


def differing(published: Protocol) -> list[str]:
    assert published.taken_over is not None
    return [what for what, _, _ in compare(published, reread(published.taken_over))]


@pytest.mark.parametrize("sent", [BY_LINES, BY_ELEMENT])
def test_bytes_of_a_right_protocol_agree(sent: Sent) -> None:
    """Both formats say what was published."""
    assert differing(told(sent)) == []


@pytest.mark.parametrize("sent", [BY_LINES, BY_ELEMENT])
def test_every_altered_number_is_named(sent: Sent) -> None:
    """A figure, a list's votes, a sequence or a precinct that the bytes do not say is named."""
    right = told(sent)
    assert differing(dataclasses.replace(right, sequence=99)) == ["sequence"]
    assert differing(dataclasses.replace(right, precinct="9-9")) == ["precinct"]
    assert differing(dataclasses.replace(right, figures={**right.figures, "issued": 1})) == ["issued"]
    first = dataclasses.replace(right.lists[0], votes=right.lists[0].votes + 1)
    assert differing(dataclasses.replace(right, lists=(first, *right.lists[1:]))) == ["votes of list 1"]
    assert differing(dataclasses.replace(right, lists=right.lists[:-1]))[0] == "votes of list 3"


def test_votes_moved_between_candidates_are_named() -> None:
    """Votes given to another candidate of the same list are found, although the list's votes agree."""
    right = told(BY_LINES)
    first = right.lists[0]
    moved = ListVotes(first.number, first.votes, {1: first.candidates[1] + 1, 2: first.candidates[2] - 1})
    names = differing(dataclasses.replace(right, lists=(moved, *right.lists[1:])))
    assert names == ["votes of candidate 1 of list 1", "votes of candidate 2 of list 1"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1,2",
        "100-1,100,100.1,2,ě,,1,1,1,1".encode(),
        b"100-1,100,100.1,x,t,,1,1,1,1",
        b"100-1,100,100.1,2,t,,1,1,1,1\n9,9,1,,3",
    ],
)
def test_bytes_that_are_no_protocol_are_refused(data: bytes) -> None:
    """Lines that are not those of one protocol raise the SDK's own error."""
    with pytest.raises(SchemaError):
        reread(TakenOver(data, "csv", "UTF-8", "made", ZEROS, 0))
