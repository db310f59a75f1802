"""What does not change during the night: the councils of an event and the fixed text of each of their lists."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final, Literal

from skrutinium_server.election.model import Area, Contest, ContestKind, Definition, District, List
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.volby.collation import czech_order
from skrutinium_server.release.formats.volby.errors import NotExpressible

CouncilType = Literal["OBEC", "MCMO"]

TYPES: Final[dict[ContestKind, CouncilType]] = {"municipal-council": "OBEC", "ward-council": "MCMO"}
"""Which contests this format holds, in the order of the national document."""

UNKNOWN: Final = 0
"""``VSTRANA`` of lists whose party is not known: no code of the Czech registers, which begin at 1."""

UNKNOWN_NAME: Final = "Neznámá volební strana (v registru chybí její číslo na hlasovacím lístku)"

# The longest names that the schemas allow.
COUNCIL_NAME: Final = 40
LIST_NAME: Final = 250


@dataclass(frozen=True, slots=True)
class ListPlan:
    """One list: its party's code, and its attributes before the votes and after the percentage, ready to write."""

    party: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DistrictPlan:
    """One district of a council; ``lists`` by their numbers on the ballot."""

    id: str
    number: int
    seats: int | None
    lists: dict[int, ListPlan] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CouncilPlan:
    """One council; ``county`` is the NUTS code of its county, None when unknown; ``opening`` are its fixed attributes."""

    id: str
    kind: ContestKind
    type: CouncilType
    county: str | None
    opening: str
    districts: tuple[DistrictPlan, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All councils by id, in the order of Czech names; ids by county; the names of parties by code for each kind."""

    councils: dict[str, CouncilPlan]
    counties: dict[str, tuple[str, ...]]
    parties: dict[ContestKind, dict[int, str]]
    party_codes: dict[str, int]


def check_precincts(definition: Definition) -> None:
    """Raise :class:`~.errors.NotExpressible` when a precinct has a code or number that records have no room for."""
    for precinct in definition.precincts:
        area = precinct.area
        if not (area.isascii() and area.isdigit() and len(area) <= 6 and 1 <= precinct.number <= 99_999):
            raise NotExpressible(
                f"The precinct {precinct.number} of {area!r}",
                "a municipality with a code of at most 6 digits (CIS_OBEC) and a number from 1 to 99999 (CIS_OKRSEK)",
            )


def make_plan(definition: Definition) -> Plan:
    """The plan of an event. Raises :class:`~.errors.NotExpressible` when a code is not one of the Czech feeds."""
    check_precincts(definition)
    areas = {area.id: area for area in definition.areas}
    codes = {committee.id: _party_code(committee.id) for committee in definition.committees}
    names = {committee.id: committee.name for committee in definition.committees}
    contests = [contest for contest in definition.contests if contest.kind in TYPES]
    districts = _districts(definition, {contest.id: contest for contest in contests}, codes, names)
    councils: dict[str, CouncilPlan] = {}
    counties: dict[str, list[str]] = defaultdict(list)
    for contest in sorted(contests, key=lambda contest: (czech_order(contest.name), contest.id)):
        council = councils[contest.id] = _council(contest, districts[contest.id], areas)
        if council.county is not None:
            counties[council.county].append(contest.id)
    return Plan(
        councils=councils,
        counties={nuts: tuple(ids) for nuts, ids in sorted(counties.items())},
        parties=_parties(definition, councils, codes, names),
        party_codes=codes,
    )


def unknown_list(number: int) -> ListPlan:
    """A list that stands in protocols and not in the definition."""
    return _list_plan(number, UNKNOWN, UNKNOWN_NAME, None)


def shortened(text: str, longest: int) -> str:
    """The text as an attribute value, cut to what the schema allows."""
    return attribute(text if len(text) <= longest else text[: longest - 1] + "…")


def _districts(
    definition: Definition, contests: dict[str, Contest], codes: dict[str, int], names: dict[str, str]
) -> dict[str, list[DistrictPlan]]:
    standing = _standing(definition)
    divided = Counter(district.contest for district in definition.districts)
    plans = {
        district.id: DistrictPlan(
            district.id,
            district.number,
            # A council that is not divided may tell its seats only once.
            contests[district.contest].seats
            if district.seats is None and divided[district.contest] == 1
            else district.seats,
        )
        for district in definition.districts
        if district.contest in contests
    }
    for entry in definition.lists:
        if entry.district in plans:
            stand = standing.get((entry.district, entry.number), entry.candidates)
            plans[entry.district].lists[entry.number] = _known_list(entry, stand, codes, names)
    by_contest: dict[str, list[DistrictPlan]] = {contest: [] for contest in contests}
    for district in sorted(definition.districts, key=_number):
        if district.id in plans:
            by_contest[district.contest].append(plans[district.id])
    return by_contest


def _standing(definition: Definition) -> dict[tuple[str, int], int]:
    """How many of the candidates named on a list still stand, for lists whose candidates are named."""
    standing: dict[tuple[str, int], int] = {}
    for candidate in definition.candidates:
        key = candidate.district, candidate.list
        standing[key] = standing.get(key, 0) + candidate.active
    return standing


def _number(district: District) -> int:
    return district.number


def _known_list(
    entry: List, candidates: int | None, codes: dict[str, int], names: dict[str, str]
) -> ListPlan:
    if entry.committee is None:
        return _list_plan(entry.number, UNKNOWN, entry.name or UNKNOWN_NAME, candidates)
    return _list_plan(entry.number, codes[entry.committee], entry.name or names[entry.committee], candidates)


def _list_plan(number: int, party: int, name: str, candidates: int | None) -> ListPlan:
    return ListPlan(
        party=party,
        before=f'<VOLEBNI_STRANA POR_STR_HLAS_LIST="{number}" VSTRANA="{party}" NAZEV_STRANY="{shortened(name, LIST_NAME)}" HLASY="',
        after="" if candidates is None else f' KANDIDATU_POCET="{candidates}"',
    )


def _council(contest: Contest, districts: list[DistrictPlan], areas: dict[str, Area]) -> CouncilPlan:
    if not (contest.id.isascii() and contest.id.isdigit() and len(contest.id) <= 6):
        raise NotExpressible(f"The council {contest.id!r}", "a code of at most 6 digits (KODZASTUP)")
    kind = TYPES[contest.kind]
    seats = contest.seats
    if seats is None and districts and all(district.seats is not None for district in districts):
        seats = sum(district.seats or 0 for district in districts)
    known = "" if seats is None else f' VOLENO_ZASTUP="{seats}"'
    return CouncilPlan(
        id=contest.id,
        kind=contest.kind,
        type=kind,
        county=_county(contest.area, areas),
        opening=(
            f'<OBEC KODZASTUP="{contest.id}" NAZEVZAST="{shortened(contest.name, COUNCIL_NAME)}" OZNAC_TYPU="{kind}"{known} '
            f'POCET_OBVODU="{len(districts)}" JE_SPOCTENO="'
        ),
        districts=tuple(districts),
    )


def _county(area: str | None, areas: dict[str, Area]) -> str | None:
    """The NUTS code of the county that holds the area."""
    while area is not None and area in areas:
        if areas[area].kind == "county":
            return areas[area].nuts
        area = areas[area].parent
    return None


def _party_code(committee: str) -> int:
    if not (
        committee.isascii() and committee.isdigit() and len(committee) <= 4 and int(committee) != UNKNOWN
    ):
        raise NotExpressible(
            f"The committee {committee!r}",
            f"a code from 1 to 9999 (VSTRANA; {UNKNOWN} stands for unknown ones)",
        )
    return int(committee)


def _parties(
    definition: Definition, councils: dict[str, CouncilPlan], codes: dict[str, int], names: dict[str, str]
) -> dict[ContestKind, dict[int, str]]:
    """Every party with a list on the ballot, for each kind of council, whether it has votes or not."""
    parties: dict[ContestKind, dict[int, str]] = {kind: {} for kind in TYPES}
    for entry in definition.lists:
        if entry.contest in councils:
            known = parties[councils[entry.contest].kind]
            if entry.committee is None:
                known[UNKNOWN] = UNKNOWN_NAME
            else:
                known[codes[entry.committee]] = names[entry.committee]
    return parties
