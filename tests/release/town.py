"""A small made-up country for the tests of the writer: every kind of unit that a document treats differently."""

from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    Definition,
    District,
    List,
    Poll,
    Precinct,
    UnnumberedList,
)
from skrutinium_server.intake.model import ListVotes, Protocol
from tests.tally.made import FIELDS, LAW, TIME

# Town T with a council of 3 seats, two precincts and a list without a committee; city C with two wards, the first of them
# with a council of its own; village V with one council. Everybody in C also votes for one senator.
_AREAS = (
    Area("CZ", "country", 'Land of <"Nowhere">'),
    Area("R", "region", "Region & sons", "CZ"),
    Area("K", "county", "County", "R"),
    Area("T", "municipality", "Town", "K"),
    Area("C", "municipality", "City", "K"),
    Area("C1", "ward", "First ward", "C"),
    Area("C2", "ward", "Second ward", "C"),
    Area("V", "municipality", "Village", "K"),
)
_CONTESTS = (
    Contest("T", "municipal-council", "lists", "T", "Town", 3),
    Contest("C", "municipal-council", "lists", "C", "City", 2),
    Contest("C1", "ward-council", "lists", "C1", "First ward", 1),
    Contest("V", "municipal-council", "lists", "V", "Village"),
    Contest("S", "senate", "persons", "CZ", "Senator for the city", 1),
)
_DISTRICTS = tuple(District(f"{row.id}.1", row.id, 1, row.name, row.seats) for row in _CONTESTS)
_PRECINCTS = (
    Precinct("T-1", "T", 1, name="Fire station"),
    Precinct("T-2", "T", 2),
    Precinct("C1-1", "C1", 1),
    Precinct("C2-1", "C2", 1, kind="hospital"),
    Precinct("V-1", "V", 1),
)
_POLLS = (
    Poll("T-1", "T", "T.1", 40),
    Poll("T-2", "T", "T.1", 60),
    Poll("C1-1", "C", "C.1"),
    Poll("C1-1", "C1", "C1.1"),
    Poll("C1-1", "S", "S.1"),
    Poll("C2-1", "C", "C.1"),
    Poll("C2-1", "S", "S.1"),
    Poll("V-1", "V", "V.1", 10),
)
_LISTS = (
    List("T", "T.1", 1, "A", "Alpha's list", 3),
    List("T", "T.1", 2, None, "Nobody's list", 1),
    List("T", "T.1", 3, "B", "Beta", 3, active=False),
    List("C", "C.1", 1, "A", "Alpha", 2),
    List("C", "C.1", 2, "B", "Beta", 2),
    List("C1", "C1.1", 1, "A", "Alpha", 1),
    List("V", "V.1", 1),
)
_CANDIDATES = (
    Candidate("T", "T.1", 1, 1, "Ada", "O'Never", "Ing."),
    Candidate("T", "T.1", 1, 2, "", "Chimera", title_after="Ph.D."),
    Candidate("T", "T.1", 1, 3, "Phantom", "Mirage", active=False),
    Candidate("T", "T.1", 2, 1, "Fable", "Legend"),
    Candidate("S", "S.1", 0, 1, "Myth", "Saga"),
    Candidate("S", "S.1", 0, 2, "Tale", "Story"),
)

DEFINITION = Definition(
    event="mu2030",
    name="Made-up election",
    date=TIME.date(),
    law=LAW.id,
    version=1,
    made_up=True,
    areas=_AREAS,
    contests=_CONTESTS,
    districts=_DISTRICTS,
    precincts=_PRECINCTS,
    polls=_POLLS,
    committees=(Committee("A", 'Alpha & "Co"'), Committee("B", "Beta")),
    lists=_LISTS,
    unnumbered_lists=(UnnumberedList("V", "V.1", "B", "Beta of the village"),),
    candidates=_CANDIDATES,
)


def protocol(
    precinct: str,
    contest: str,
    *lists: ListVotes,
    sequence: int = 1,
    figures: tuple[int, ...] = (40, 30, 60),
) -> Protocol:
    """A protocol of that precinct for that contest; ``figures`` are those of the law in order, as many as are told."""
    fields = dict(zip(FIELDS, figures, strict=False))
    return Protocol(precinct, contest, f"{contest}.1", sequence, TIME, fields, lists)
