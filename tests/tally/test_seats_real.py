"""Seats and elected persons of the 85 councils of a Czech district in 2014, against the published result."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from lxml import etree

from skrutinium_server.election.seat_law import SeatLaw
from skrutinium_server.tally.seats.allocation import allocate
from skrutinium_server.tally.seats.model import Allocated, CandidateStanding, ListStanding
from skrutinium_server.tally.seats.order import award_order

LAW = SeatLaw(
    method="dhondt",
    threshold=5,
    threshold_base="candidates-over-seats",
    lower_until=2,
    lower_step=1,
    order_factor="11/10",
    tie=("votes", "lot"),
)
NAMESPACE = "{http://www.volby.cz/kv/}"


class PublishedList(NamedTuple):
    """One list as published: its seats, and (number, votes) of its elected candidates in the order of award."""

    standing: ListStanding
    seats: int
    elected: list[tuple[int, int]]


class PublishedDistrict(NamedTuple):
    """One council or one of its districts as published."""

    id: str
    seats: int
    valid_votes: int
    lists: list[PublishedList]


def _published_list(element: etree._Element) -> PublishedList:
    elected = [
        (int(person.attrib["PORADOVE_CISLO"]), int(person.attrib["HLASY"]))
        for person in element.iterchildren(f"{NAMESPACE}ZASTUPITEL")
    ]
    standing = ListStanding(
        number=int(element.attrib["POR_STR_HLAS_LIST"]),
        votes=int(element.attrib["HLASY"]),
        candidates=int(element.attrib["KANDIDATU_POCET"]),
    )
    return PublishedList(standing, int(element.attrib["ZASTUPITELE_POCET"]), elected)


def _read(path: Path) -> list[PublishedDistrict]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    districts = []
    for council in etree.parse(path, parser).getroot().iterchildren(f"{NAMESPACE}OBEC"):
        for unit in list(council.iterchildren(f"{NAMESPACE}OBVOD")) or [council]:
            result = unit.find(f"{NAMESPACE}VYSLEDEK")
            assert result is not None
            turnout = result.find(f"{NAMESPACE}UCAST")
            assert turnout is not None
            districts.append(
                PublishedDistrict(
                    id=f"{council.attrib['KODZASTUP']}.{unit.get('CIS_OBVODU', '1')}",
                    seats=int(unit.attrib["VOLENO_ZASTUP"]),
                    valid_votes=int(turnout.attrib["PLATNE_HLASY"]),
                    lists=[
                        _published_list(element)
                        for element in result.iterchildren(f"{NAMESPACE}VOLEBNI_STRANA")
                    ],
                )
            )
    return districts


@pytest.fixture(scope="module")
def districts(shared_data: Path) -> list[PublishedDistrict]:
    """All councils of one Czech district, as published in 2014."""
    return _read(shared_data / "volby" / "kv2014" / "CZ0202.xml")


def _complete(published: PublishedList) -> ListStanding:
    """The list with a standing that fits the published facts: only the votes of those elected are published.

    The votes that are left are spread evenly over the others, which keeps each as far from the front as can be.
    """
    known = dict(published.elected)
    others = [number for number in range(1, published.standing.candidates + 1) if number not in known]
    assert len(others) + len(known) == published.standing.candidates
    share, extra = divmod(published.standing.votes - sum(known.values()), len(others) or 1)
    votes = known | {number: share + (index < extra) for index, number in enumerate(others)}
    standing = tuple(CandidateStanding(number, votes[number]) for number in votes)
    return ListStanding(
        published.standing.number, published.standing.votes, published.standing.candidates, standing
    )


def _award(law: SeatLaw, published: PublishedList) -> tuple[int, ...]:
    """The order of the elected by the rule; the others take part in the mean, without votes and last on the ballot."""
    known = [CandidateStanding(number, votes) for number, votes in published.elected]
    others = range(1000, 1000 + published.standing.candidates - len(known))
    order = award_order(law, published.standing.votes, [*known, *(CandidateStanding(n, 0) for n in others)])
    return order[: published.seats]


def _numbers(published: PublishedList) -> tuple[int, ...]:
    return tuple(number for number, _ in published.elected)


class TestPublishedResult:
    """The whole published file, council by council."""

    def test_file_is_whole(self, districts: list[PublishedDistrict]) -> None:
        """The file holds 85 councils whose lists add up to the published valid votes and seats."""
        assert len(districts) == 85
        for district in districts:
            assert sum(row.standing.votes for row in district.lists) == district.valid_votes
            assert sum(row.seats for row in district.lists) == district.seats

    def test_seats(self, districts: list[PublishedDistrict]) -> None:
        """Every list of every council gets exactly its published seats, with no seat vacant and no lot."""
        for district in districts:
            outcome = allocate(LAW, district.seats, [row.standing for row in district.lists])

            assert isinstance(outcome, Allocated), district.id
            assert outcome.vacant == 0
            assert [(row.number, row.seats) for row in outcome.lists] == [
                (row.standing.number, row.seats) for row in district.lists
            ], district.id

    def test_lists_above_seats_are_covered(self, districts: list[PublishedDistrict]) -> None:
        """The file has lists with more candidates than seats, capped lists, and councils with a single list."""
        longer = [row for d in districts for row in d.lists if row.standing.candidates > d.seats]

        assert len(longer) >= 20
        assert any(len(district.lists) == 1 for district in districts)
        assert any(
            row.seats == row.standing.candidates for d in districts if len(d.lists) > 1 for row in d.lists
        )

    def test_order_of_the_elected(self, districts: list[PublishedDistrict]) -> None:
        """The elected of every list stand in the file in the order of award, given their votes and the list's mean."""
        for district in districts:
            for row in district.lists:
                assert _award(LAW, row) == _numbers(row), (district.id, row.standing)

    def test_elected_persons(self, districts: list[PublishedDistrict]) -> None:
        """With votes for every candidate the persons elected are those published, nobody above them passed over."""
        persons = 0
        for district in districts:
            outcome = allocate(LAW, district.seats, [_complete(row) for row in district.lists])

            assert isinstance(outcome, Allocated), district.id
            for result, row in zip(outcome.lists, district.lists, strict=True):
                assert result.elected == _numbers(row), (district.id, row.standing)
                persons += len(result.elected or ())
        assert persons == sum(district.seats for district in districts)

    def test_mean_is_a_whole_number(self, districts: list[PublishedDistrict]) -> None:
        """With the exact mean instead of the whole one the published order of three lists does not come out."""
        exact = msgspec.structs.replace(LAW, order_mean="exact")

        assert sum(_award(exact, row) != _numbers(row) for d in districts for row in d.lists) == 3
