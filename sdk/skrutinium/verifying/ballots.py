"""What the document of a contest says of who stands in each of its districts: what seats are given by, beside the votes."""

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from skrutinium.documents.parsing import children

_NAMES = ("given-name", "family-name", "title-before", "title-after", "committee", "active")


@dataclass(frozen=True, slots=True)
class ListOnBallot:
    """One list; ``named`` are its candidates as far as anything is known of them, ``standing`` those not withdrawn.

    ``known`` is False when it has neither name nor committee: then it may be on the ballot, or in protocols alone.
    """

    committee: str | None
    known: bool
    active: bool
    candidates: int | None
    named: frozenset[int]
    standing: frozenset[int]

    @property
    def count(self) -> int | None:
        """How many candidates stand; None when nobody tells."""
        return len(self.standing) if self.named else self.candidates


@dataclass(frozen=True, slots=True)
class Ballot:
    """One district; ``persons`` stand where there are no lists. ``outcome`` is what its newest document says."""

    turn: int
    seats: int | None
    unnumbered: bool
    lists: dict[int, ListOnBallot]
    persons: frozenset[int]
    outcome: str


def ballots(root: etree._Element) -> Iterator[tuple[str, Ballot]]:
    """Id and ballot of each district of ``contest/ID.xml``."""
    districts = list(children(root, "district"))
    for district in districts:
        seats = district.get("seats")
        if seats is None and len(districts) == 1:
            seats = root.get("seats")
        _, standing = _candidates(district)
        yield (
            str(district.get("id")),
            Ballot(
                int(str(root.get("round"))),
                None if seats is None else int(seats),
                next(children(district, "unnumbered-list"), None) is not None,
                {int(str(one.get("number"))): _list(one) for one in children(district, "list")},
                standing,
                str(district.get("outcome")),
            ),
        )


def _list(element: etree._Element) -> ListOnBallot:
    candidates = element.get("candidates")
    named, standing = _candidates(element)
    return ListOnBallot(
        committee=element.get("committee"),
        known=element.get("committee") is not None or element.get("name") is not None,
        active=_stands(element),
        candidates=None if candidates is None else int(candidates),
        named=named,
        standing=standing & named,
    )


def _candidates(parent: etree._Element) -> tuple[frozenset[int], frozenset[int]]:
    rows = {int(str(one.get("number"))): one for one in children(parent, "candidate")}
    named = frozenset(who for who, row in rows.items() if any(row.get(name) is not None for name in _NAMES))
    return named, frozenset(who for who, row in rows.items() if _stands(row))


def _stands(element: etree._Element) -> bool:
    return element.get("active") not in ("false", "0")
