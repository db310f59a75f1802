"""The format volby beside real documents: the night of 2018 through intake and tally, and the documents of 2014."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from skrutinium_server.election.formats import volby_batches as batch_definitions
from skrutinium_server.election.formats import volby_registers
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    ContestKind,
    Definition,
    District,
    List,
)
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.formats.volby_batches import Batch, read_folder
from skrutinium_server.intake.model import Origin
from skrutinium_server.release.formats.volby.collation import czech_order
from skrutinium_server.release.formats.volby.council import council
from skrutinium_server.release.formats.volby.national import Decided, national
from skrutinium_server.release.formats.volby.plan import make_plan
from skrutinium_server.release.formats.volby.rounding import half_up, truncated
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.release.model import Document
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.model import CommitteeTally, ContestTally, Count, DistrictTally, KindTally
from skrutinium_server.tally.seats.model import Allocated, ListSeats
from tests.release.volby_event import Night

LAW = load_law("cz-municipal-2018")
FIELDS = {field.volby: field.id for field in LAW.fields if field.volby}
Record = tuple[object, ...]


def tree(data: bytes) -> etree._Element:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def numbers(element: etree._Element, *names: str) -> tuple[int, ...]:
    return tuple(int(element.attrib[name]) for name in names)


class Replayed:
    """The night of 2018: what was published with each batch, and everything as it stands at the end."""

    def __init__(self, folder: Path) -> None:
        registers = volby_registers.read_paths(LAW, sorted((folder / "registers").glob("*.csv")))
        event = merge(registers, batch_definitions.read_paths(LAW, [folder / "batches"]))
        self.index = DefinitionIndex(event)
        self.night = Night(event, "live")
        self.sources = [folder / "batches" / f"{number}.xml" for number in range(1, 101)]
        self.batches: list[Document] = []
        validator = Validator()
        self.night.cut()
        origin = Origin("volby.cz", "replay")
        for batch in read_folder(folder / "batches", LAW):
            assert isinstance(batch, Batch)
            for record in batch.records:
                self.night.take(admit(record.protocol, record.taken_over, origin, self.index, LAW).protocol)
            released = self.night.cut(batch.number)
            self.batches.append(released[f"okrsky/vysledky_okrsky_{batch.number:05d}.xml"])
            # All aggregates of every cut would take most of a minute.
            for document in released.values() if batch.number % 20 == 1 else self.batches[-1:]:
                validator.validate(document.path, document.data, document.schema)
        for document in self.night.documents.values():
            validator.validate(document.path, document.data, document.schema)


@pytest.fixture(scope="module")
def replayed(shared_data: Path) -> Replayed:
    return Replayed(shared_data / "volby" / "kv2018")


def records(data: bytes) -> list[Record]:
    """Every attribute of every record of a batch, in order, read without the product's help."""
    found: list[Record] = []
    for record in tree(data).iter("{*}OKRSEK"):
        turnout, *votes = record
        found.append((dict(record.attrib), dict(turnout.attrib), [dict(row.attrib) for row in votes]))
    return found


def test_batches_carry_the_facts_of_the_source(replayed: Replayed) -> None:
    """All 16,090 records of the source come out in our batches, attribute by attribute, re-sends included."""
    total = repeated = 0
    for source, ours in zip(replayed.sources, replayed.batches, strict=True):
        expected = records(source.read_bytes())

        assert expected == records(ours.data)
        total += len(expected)
        repeated += sum('OPAKOVANE="1"' in line for line in ours.data.decode().splitlines())

    assert total == 16_090
    assert repeated > 0


def test_batches_are_written_as_the_source_does(replayed: Replayed) -> None:
    """From the first record to the end our batches are the source's bytes, but for its carriage returns."""
    for source, ours in zip(replayed.sources, replayed.batches, strict=True):
        theirs = source.read_bytes().replace(b"\r\n", b"\n").rstrip()

        assert theirs[theirs.index(b"<OKRSEK") :] == ours.data[ours.data.index(b"<OKRSEK") :].rstrip()


def test_batches_never_go_back(replayed: Replayed) -> None:
    """Numbers of batches have no gaps, OKRSKY_ZPRAC never falls, PORADI_ZPRAC always rises."""
    heads = [
        numbers(tree(batch.data)[0], "PORADI_DAVKY", "OKRSKY_DAVKA", "OKRSKY_CELKEM", "OKRSKY_ZPRAC")
        for batch in replayed.batches
    ]
    order = [
        int(found) for batch in replayed.batches for found in re.findall(rb'PORADI_ZPRAC="(\d+)"', batch.data)
    ]

    assert [head[0] for head in heads] == list(range(1, 101))
    assert [head[1] for head in heads] == [len(records(batch.data)) for batch in replayed.batches]
    assert {head[2] for head in heads} == {16_903}
    assert [head[3] for head in heads] == sorted(head[3] for head in heads)
    assert heads[-1][3] == 16_065
    assert order == sorted(set(order))


class Added:
    """The source's batches added up again: the record with the highest PORADI_ZPRAC counts."""

    def __init__(self, sources: list[Path]) -> None:
        newest: dict[tuple[str, str, str], etree._Element] = {}
        for source in sources:
            for record in tree(source.read_bytes()).iter("{*}OKRSEK"):
                key = (record.attrib["CIS_OBEC"], record.attrib["CIS_OKRSEK"], record.attrib["KODZASTUP"])
                if key not in newest or numbers(newest[key], "PORADI_ZPRAC") < numbers(
                    record, "PORADI_ZPRAC"
                ):
                    newest[key] = record
        self.turnout: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.votes: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        for record in newest.values():
            code, kind = record.attrib["KODZASTUP"], record.attrib["OZNAC_TYPU"]
            turnout, *rows = record
            for unit in (code, kind):
                self.turnout[unit]["OKRSKY_ZPRAC"] += 1
                self.turnout[unit].update({name: int(value) for name, value in turnout.attrib.items()})
            for row in rows:
                self.votes[code, record.attrib["CIS_OBVODU"]][int(row.attrib["POR_STR_HLAS_LIST"])] += int(
                    row.attrib["HLASY"]
                )


def test_totals_agree_with_the_source(replayed: Replayed) -> None:
    """Councils, counties and the country show the sums of the source's records; the parties add up to PLATNE_HLASY."""
    added = Added(replayed.sources)
    documents = replayed.night.documents
    national_document = tree(documents["vysledky.xml"].data)
    seen = set()
    for path, document in documents.items():
        if path.startswith("okresy/"):
            for council_element in tree(document.data):
                seen.add(council_element.attrib["KODZASTUP"])
                _check_council(council_element, added)
                own = tree(documents[f"zastup/vysledky_obec_{council_element.attrib['KODZASTUP']}.xml"].data)[
                    0
                ]
                assert etree.tostring(own).strip() == etree.tostring(council_element).strip()

    assert seen == {contest.id for contest in replayed.index.definition.contests}
    for block in national_document:
        turnout, _, *parties = block
        _check_turnout(turnout, added.turnout[block.attrib["OZNAC_TYPU"]])
        assert sum(int(party.attrib["HLASY"]) for party in parties) == int(turnout.attrib["PLATNE_HLASY"])
        codes = [int(party.attrib["VSTRANA"]) for party in parties]
        assert codes == sorted(set(codes))
        assert codes[0] == 0, "votes of lists whose party is not known stand in a row of their own"


def _check_council(element: etree._Element, added: Added) -> None:
    code = element.attrib["KODZASTUP"]
    result, *districts = element
    _check_turnout(result[0], added.turnout[code])
    if districts:
        assert len(result) == 1
    for number, district in [(d.attrib["CIS_OBVODU"], d[0]) for d in districts] or [("1", result)]:
        turnout, *lists = district
        votes = {int(row.attrib["POR_STR_HLAS_LIST"]): int(row.attrib["HLASY"]) for row in lists}
        assert {place: given for place, given in votes.items() if given} == +added.votes[code, number]
        assert sum(votes.values()) == int(turnout.attrib["PLATNE_HLASY"])
        assert list(votes) == sorted(votes)
    reported, expected = numbers(result[0], "OKRSKY_ZPRAC", "OKRSKY_CELKEM")
    assert element.attrib["JE_SPOCTENO"] == ("true" if reported == expected else "false")


def _check_turnout(element: etree._Element, sums: Counter[str]) -> None:
    for name in ("OKRSKY_ZPRAC", *FIELDS):
        assert int(element.attrib[name]) == sums[name]


def test_reserved_code_is_free(replayed: Replayed) -> None:
    """No committee of the real registers has the code that stands for parties that are not known."""
    assert min(int(committee.id) for committee in replayed.index.definition.committees) > 0


# ---------------------------------------------------------------- documents of 2014


@pytest.fixture(scope="module")
def county(shared_data: Path) -> bytes:
    return (shared_data / "volby" / "kv2014" / "CZ0202.xml").read_bytes()


@pytest.fixture(scope="module")
def country(shared_data: Path) -> bytes:
    # The archived copy is in UTF-8 and still declares the encoding of its source.
    data = (shared_data / "volby" / "kv2014" / "vysledky.xml").read_bytes()
    return data.replace(b"iso-8859-2", b"utf-8", 1)


def test_real_councils_byte_for_byte(county: bytes) -> None:
    """From the facts of each of the 85 councils the writer makes exactly the bytes of the real document."""
    blocks = re.findall(rb"<OBEC .*?</OBEC>\n", county, re.DOTALL)
    elements = list(tree(county))
    turnout = Turnout(LAW)
    for block, element in zip(blocks, elements, strict=True):
        event, tally, persons = _council_facts(element)
        plan = make_plan(event).councils[tally.id]
        written = council(plan, tally, turnout, lambda _, number, persons=persons: persons[number])  # type: ignore[misc]

        assert written.element.decode() == block.decode()
    assert len(blocks) == 85


def test_real_order_of_councils(county: bytes) -> None:
    """The councils of a county stand in our order of Czech names."""
    names = [element.attrib["NAZEVZAST"] for element in tree(county)]

    assert names == sorted(names, key=czech_order)


def test_real_country_byte_for_byte(country: bytes) -> None:
    """From the facts of the national document the writer makes exactly its bytes."""
    document = tree(country)
    committees: dict[str, Committee] = {}
    kinds: dict[str, KindTally] = {}
    lists: list[List] = []
    decided = Decided()
    contests = [
        Contest("1", "municipal-council", "lists", "1", "A"),
        Contest("2", "ward-council", "lists", "1", "B"),
    ]
    for block, contest in zip(document, contests, strict=True):
        turnout, info, *parties = block
        total, complete = numbers(info, "ZASTUPITELSTVA_CELKEM", "ZASTUPITELSTVA_ZVOLENA")
        kind = kinds[contest.kind] = KindTally(_count(turnout), contests=total)
        seats = {}
        for number, party in enumerate(parties, 1):
            id = party.attrib["VSTRANA"]
            committees[id] = Committee(id, party.attrib["NAZEV_STRANY"])
            lists.append(List(contest.id, f"{contest.id}.1", number, id))
            kind.committees[id] = CommitteeTally(int(party.attrib["HLASY"]))
            seats[int(id)] = int(party.attrib["ZASTUPITELE_POCET"])
        for place in range(complete):
            decided.say(contest.kind, str(place), {} if place else seats)
    event = Definition(
        "kv2014", "2014", None, LAW.id, 1,
        areas=(Area("1", "country", "Country"),),
        contests=tuple(contests),
        districts=tuple(District(f"{contest.id}.1", contest.id, 1, "") for contest in contests),
        committees=tuple(committees.values()),
        lists=tuple(lists),
    )  # fmt: skip
    written = "".join(national(make_plan(event), kinds, decided, Turnout(LAW)))
    real = country.decode()

    assert written == real[real.index("<TYP_ZASTUP") : real.index("</VYSLEDKY>")]


def test_real_percentages(county: bytes, country: bytes) -> None:
    """Every percentage of the real documents is what its rule of rounding makes of its base, without exception."""
    checked: Counter[str] = Counter()
    for element in [*tree(county).iter(), *tree(country).iter()]:
        for name, expected, made in _percentages(element):
            assert expected == made, etree.tostring(element)
            checked[name] += 1

    assert min(checked.values()) > 80
    assert checked["ZASTUPITEL/HLASY_PROC"] == len(list(tree(county).iter("{*}ZASTUPITEL")))


def _percentages(element: etree._Element) -> Iterator[tuple[str, str, str]]:
    """Name, value and recomputed value of each percentage of an element."""
    tag, parent = etree.QName(element).localname, element.getparent()
    if parent is None:
        return
    if tag == "UCAST":
        yield (
            "UCAST_PROC",
            element.attrib["UCAST_PROC"],
            half_up(*numbers(element, "VYDANE_OBALKY", "ZAPSANI_VOLICI")),
        )
    elif tag == "ZASTUPITEL":
        made = truncated(_number(element, "HLASY"), _number(parent, "HLASY"))
        yield "ZASTUPITEL/HLASY_PROC", element.attrib["HLASY_PROC"], made
    elif tag == "VOLEBNI_STRANA":
        made = half_up(_number(element, "HLASY"), _number(parent[0], "PLATNE_HLASY"))
        yield "VOLEBNI_STRANA/HLASY_PROC", element.attrib["HLASY_PROC"], made
        info = parent.find("{*}ZASTUPIT_INFO")
        whole = (
            _number(next(parent.iterancestors("{*}OBEC")), "VOLENO_ZASTUP")
            if info is None
            else _number(info, "ZASTUPITELE_ZVOLENI")
        )
        made = half_up(_number(element, "ZASTUPITELE_POCET"), whole)
        yield "VOLEBNI_STRANA/ZASTUPITELE_PROC", element.attrib["ZASTUPITELE_PROC"], made


def _number(element: etree._Element, name: str) -> int:
    return int(element.attrib[name])


def _count(turnout: etree._Element) -> Count:
    expected, reported = numbers(turnout, "OKRSKY_CELKEM", "OKRSKY_ZPRAC")
    figures = {id: int(turnout.attrib[volby]) for volby, id in FIELDS.items()}
    return Count(expected, reported, figures, told=dict.fromkeys(figures, reported))


def _council_facts(element: etree._Element) -> tuple[Definition, ContestTally, dict[int, list[Candidate]]]:
    """Definition, tally and elected persons of one council, from its element in a real document."""
    code, seats = element.attrib["KODZASTUP"], int(element.attrib["VOLENO_ZASTUP"])
    district = f"{code}.1"
    turnout, *rows = element[0]
    lists, committees, received = [], {}, []
    votes: dict[int, int] = {}
    candidate_votes: dict[int, dict[int, int]] = {}
    persons: dict[int, list[Candidate]] = {}
    for row in rows:
        number, party = int(row.attrib["POR_STR_HLAS_LIST"]), row.attrib["VSTRANA"]
        committees[party] = Committee(party, party)
        lists.append(
            List(
                code, district, number, party, row.attrib["NAZEV_STRANY"], int(row.attrib["KANDIDATU_POCET"])
            )
        )
        votes[number] = int(row.attrib["HLASY"])
        candidate_votes[number] = {int(p.attrib["PORADOVE_CISLO"]): int(p.attrib["HLASY"]) for p in row}
        persons[number] = [
            Candidate(
                code,
                district,
                number,
                int(p.attrib["PORADOVE_CISLO"]),
                p.attrib["JMENO"],
                p.attrib["PRIJMENI"],
                p.attrib["TITULPRED"],
                p.attrib["TITULZA"],
            )
            for p in row
        ]
        elected = tuple(person.number for person in persons[number])
        received.append(ListSeats(number, True, int(row.attrib["ZASTUPITELE_POCET"]), (0, 1), elected, None))
    kind: ContestKind = "municipal-council" if element.attrib["OZNAC_TYPU"] == "OBEC" else "ward-council"
    event = Definition(
        "kv2014", "2014", None, LAW.id, 1,
        areas=(Area("1", "country", "Country"),),
        contests=(Contest(code, kind, "lists", "1", element.attrib["NAZEVZAST"], seats),),
        districts=(District(district, code, 1, ""),),
        committees=tuple(committees.values()),
        lists=tuple(lists),
    )  # fmt: skip
    count = _count(turnout)
    tally = DistrictTally(district, count, votes, candidate_votes, 0, Allocated(5, tuple(received), 0))
    return event, ContestTally(code, count, {district: tally}), persons
