"""The writer of volby: what each cut writes, what it leaves out, and what holds for every night."""

import datetime
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from lxml import etree

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Committee, Contest, Definition
from skrutinium_server.intake.formats.volby_batches import Batch, read_batch
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.ledger.model import Phase
from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.volby.collation import czech_order
from skrutinium_server.release.formats.volby.errors import NotExpressible
from skrutinium_server.release.formats.volby.heading import local
from skrutinium_server.release.formats.volby.rounding import half_up, truncated
from skrutinium_server.release.formats.volby.writer import VolbyWriter, carries
from skrutinium_server.release.model import Document
from skrutinium_server.release.validate import Validator
from tests.release.volby_event import CITY, DIVIDED, LAW, TOWN, WARD, Night, definition, protocol, protocols

COUNTY = "okresy/vysledky_obce_okres_CZ0999.xml"
VALIDATOR = Validator()


def tree(document: Document) -> etree._Element:
    VALIDATOR.validate(document.path, document.data, document.schema)
    return etree.fromstring(document.data, etree.XMLParser(resolve_entities=False, no_network=True))


def path(council: str) -> str:
    return f"zastup/vysledky_obec_{council}.xml"


@pytest.fixture
def event() -> Definition:
    return definition()


@pytest.fixture
def night(event: Definition) -> Night:
    return Night(event)


class TestReleases:
    """Which documents a cut writes."""

    def test_first(self, night: Night) -> None:
        """The first release is everything before counting: all lists with zeros, nobody elected, no batch."""
        first = night.cut()

        assert set(first) == {"vysledky.xml", COUNTY, *map(path, (TOWN, DIVIDED, CITY, WARD))}
        for document in first.values():
            for element in tree(document).iter("{*}UCAST", "{*}VOLEBNI_STRANA"):
                zeros = {
                    element.attrib.get(name)
                    for name in ("OKRSKY_ZPRAC", "ZAPSANI_VOLICI", "PLATNE_HLASY", "HLASY")
                }
                assert zeros <= {"0", None}
                assert {value for name, value in element.attrib.items() if name.endswith("_PROC")} == {"0.00"}
        lists = [
            [row.attrib["POR_STR_HLAS_LIST"] for row in tree(first[path(id)]).iter("{*}VOLEBNI_STRANA")]
            for id in (TOWN, DIVIDED)
        ]
        assert lists == [["1", "2"], ["1", "2", "1", "2"]]

    def test_only_what_changed(self, night: Night, event: Definition) -> None:
        """A later release holds the national document and what the protocol touched; a cut without news holds nothing."""
        night.cut()
        night.take(next(protocols(event)))

        assert set(night.cut()) == {"vysledky.xml", COUNTY, path(TOWN)}
        assert night.cut() == {}

    def test_batch(self, night: Night, event: Definition) -> None:
        """A batch holds all since the batch before, by PORADI_ZPRAC, also what aggregates showed already."""
        night.cut()
        rows = list(protocols(event))
        for row in reversed(rows[:3]):
            night.take(row)
        night.cut()
        night.take(rows[3])
        records = tree(night.cut(1)["okrsky/vysledky_okrsky_00001.xml"])
        empty = tree(night.cut(2)["okrsky/vysledky_okrsky_00002.xml"])

        assert [row.attrib["PORADI_ZPRAC"] for row in records.iter("{*}OKRSEK")] == ["1", "2", "3", "4"]
        assert dict(empty[0].attrib) == {
            "DATUMVOLEB": "20301004",
            "PORADI_DAVKY": "2",
            "OKRSKY_DAVKA": "0",
            "OKRSKY_CELKEM": "6",
            "OKRSKY_ZPRAC": "4",
        }

    def test_late_older_version(self, night: Night, event: Definition) -> None:
        """A version older than what counts changes no total and is in no batch, whenever it comes."""
        night.cut()
        poll = event.polls[0]
        night.take(protocol(poll, 9, [[1] * 5, [2] * 5]))
        night.take(protocol(poll, 8, [[3] * 5, [4] * 5]))
        first = night.cut(1)
        night.take(protocol(poll, 7, [[5] * 5, [6] * 5]))
        second = night.cut(2)

        assert [
            row.attrib["PORADI_ZPRAC"]
            for row in tree(first["okrsky/vysledky_okrsky_00001.xml"]).iter("{*}OKRSEK")
        ] == ["9"]
        assert list(second) == ["okrsky/vysledky_okrsky_00002.xml"]
        assert tree(second["okrsky/vysledky_okrsky_00002.xml"])[0].attrib["OKRSKY_DAVKA"] == "0"

    def test_restarted_writer(self, event: Definition) -> None:
        """A writer that joins later writes the same bytes as one that was there from the start."""
        night = Night(event)
        for row in protocols(event):
            night.take(row)
            night.cut()
        night.take(protocol(event.polls[0], 20, [[9] * 5, [1] * 5], repeated=True))
        changes = night.tally.take_changes()
        cutting = night.cutting()
        there = list(night.writer.documents(night.tally, changes, cutting))
        later = list(VolbyWriter(night.tally.index, LAW).documents(night.tally, changes, cutting))

        assert there == later
        assert len(there) == 3

    def test_documents_not_taken(self, night: Night, event: Definition) -> None:
        """A release whose documents nobody took does not make the next one stale."""
        rows = list(protocols(event))
        night.cut()
        night.take(rows[0])
        cutting = night.cutting()
        night.writer.documents(night.tally, night.tally.take_changes(), cutting)
        night.take(rows[2])
        reported = {
            council.attrib["KODZASTUP"]: council[0][0].attrib["OKRSKY_ZPRAC"]
            for council in tree(night.cut()[COUNTY])
        }

        assert reported == {TOWN: "1", DIVIDED: "1", CITY: "0", WARD: "0"}


class TestCouncils:
    """What the documents of councils say."""

    def test_decided(self, night: Night, event: Definition) -> None:
        """A decided council shows seats that fill it and its elected persons with their own share of the list."""
        for row in protocols(event):
            night.take(row)
        council = tree(night.cut()[path(TOWN)])[0]
        seats = [int(row.attrib["ZASTUPITELE_POCET"]) for row in council.iter("{*}VOLEBNI_STRANA")]

        assert council.attrib["JE_SPOCTENO"] == "true"
        assert sum(seats) == int(council.attrib["VOLENO_ZASTUP"])
        assert [len(row) for row in council.iter("{*}VOLEBNI_STRANA")] == seats

    def test_half_decided(self, night: Night, event: Definition) -> None:
        """While one district of a council is out, nobody is shown as elected in the other, nationally neither."""
        night.take(list(protocols(event))[2])
        documents = night.cut()
        council = tree(documents[path(DIVIDED)])[0]
        info = tree(documents["vysledky.xml"])[0][1]

        assert council.attrib["JE_SPOCTENO"] == "false"
        assert [
            element for element in council.iter("{*}VOLEBNI_STRANA") if "ZASTUPITELE_POCET" in element.attrib
        ] == []
        assert [len(element) for element in council] == [1, 1, 1]
        assert (info.attrib["ZASTUPITELSTVA_ZVOLENA"], info.attrib["ZASTUPITELE_ZVOLENI"]) == ("0", "0")

    def test_unknown_stays_unknown(self, night: Night, event: Definition) -> None:
        """A list without a known party has the reserved code; unknown numbers of candidates give no seats."""
        for row in protocols(event):
            night.take(row)
        documents = night.cut()
        council = tree(documents[path(CITY)])[0]
        parties = tree(documents["vysledky.xml"])[0].findall("{*}VOLEBNI_STRANA")

        assert council.attrib["JE_SPOCTENO"] == "true"
        assert [row.attrib["VSTRANA"] for row in council.iter("{*}VOLEBNI_STRANA")] == ["1", "0"]
        assert not [
            row
            for row in council.iter("{*}VOLEBNI_STRANA")
            if {"KANDIDATU_POCET", "ZASTUPITELE_POCET"} & set(row.attrib)
        ]
        assert [row.attrib["VSTRANA"] for row in parties] == ["0", "1", "2"]

    def test_figure_not_told(self, night: Night, event: Definition) -> None:
        """A figure that a source lacks is left out of the record and of every sum it would be part of."""
        whole = next(protocols(event))
        figures = {name: value for name, value in whole.figures.items() if name != "returned"}
        night.take(msgspec.structs.replace(whole, figures=figures))
        documents = night.cut(1)

        assert 'ODEVZDANE_OBALKY="' not in documents[path(TOWN)].data.decode()
        assert 'ODEVZDANE_OBALKY="' not in documents["okrsky/vysledky_okrsky_00001.xml"].data.decode()
        assert 'ODEVZDANE_OBALKY="0"' in tree_text(documents["vysledky.xml"], "MCMO")

    def test_nobody_votes(self, event: Definition) -> None:
        """A council that nobody votes for has no results: neither zero nor counted."""
        without = msgspec.structs.replace(
            event, polls=tuple(poll for poll in event.polls if poll.contest != WARD)
        )
        documents = Night(without).cut()
        council = tree(documents[path(WARD)])[0]

        assert (len(council), council.attrib["JE_SPOCTENO"]) == (0, "false")
        assert 'ZASTUPITELSTVA_CELKEM="0"' in tree_text(documents["vysledky.xml"], "MCMO")

    def test_list_from_nowhere(self, event: Definition) -> None:
        """A list that only protocols know is shown with the reserved code, and the sums agree."""
        night = Night(msgspec.structs.replace(event, lists=(), candidates=(), committees=()))
        for row in protocols(event):
            night.take(row)
        documents = night.cut(1)

        assert {row.attrib["VSTRANA"] for row in tree(documents[path(TOWN)]).iter("{*}VOLEBNI_STRANA")} == {
            "0"
        }
        _check_sums(documents["vysledky.xml"])

    def test_long_names(self, event: Definition) -> None:
        """Names longer than the schema allows are cut and say so; the document stays valid."""
        contests = tuple(msgspec.structs.replace(row, name="Dlouhá " * 20) for row in event.contests)
        committees = tuple(msgspec.structs.replace(row, name="<dlouhá> " * 90) for row in event.committees)
        lists = tuple(msgspec.structs.replace(row, name=None) for row in event.lists)
        changed = msgspec.structs.replace(event, contests=contests, committees=committees, lists=lists)
        council = tree(Night(changed).cut()[path(TOWN)])[0]

        assert len(council.attrib["NAZEVZAST"]) == 40
        assert next(council.iter("{*}VOLEBNI_STRANA")).attrib["NAZEV_STRANY"].endswith("…")


class TestHeading:
    """What stands before the data."""

    @pytest.mark.parametrize(("phase", "mark"), [("test", "TEST"), ("rehearsal", "REHEARSAL")])
    def test_mark(self, event: Definition, phase: Phase, mark: str) -> None:
        """Outside live the second line of every document says so, whatever the run is called."""
        night = Night(event, phase, run="a--b---c-")
        for row in protocols(event):
            night.take(row)

        for document in night.cut(1).values():
            tree(document)
            assert (
                document.data.decode().splitlines()[1]
                == f"<!-- {mark}: run a- -b- - -c-, not a real election -->"
            )

    def test_live(self, event: Definition) -> None:
        """A live document begins with the root on its second line, as the real ones do."""
        for document in Night(event, "live").cut().values():
            assert document.data.decode().splitlines()[1].startswith("<VYSLEDKY")
            assert b"<!--" not in document.data

    @pytest.mark.parametrize(
        ("time", "expected"),
        [
            (datetime.datetime(2018, 10, 6, 12, 34, 5, 999_999, datetime.UTC), "2018-10-06T14:34:05"),
            (datetime.datetime(2018, 12, 31, 23, 30, tzinfo=datetime.UTC), "2019-01-01T00:30:00"),
        ],
    )
    def test_local(self, time: datetime.datetime, expected: str) -> None:
        """Times are Prague time without a zone, summer and winter, to the second."""
        assert local(time) == expected

    def test_naive_time(self) -> None:
        """A time without an offset is refused, not guessed."""
        with pytest.raises(NotIssuable, match="offset"):
            local(datetime.datetime(2018, 10, 6, 14))  # noqa: DTZ001


class TestExpressible:
    """What the format has no room for is told at once."""

    @pytest.mark.parametrize("committee", ["0", "KWW-1", "12345", "１"])
    def test_committee(self, event: Definition, committee: str) -> None:
        """A committee whose id is no code of a party, or the reserved one, is refused by name."""
        changed = msgspec.structs.replace(event, committees=(*event.committees, Committee(committee, "Cizí")))

        with pytest.raises(NotExpressible, match=committee) as caught:
            VolbyWriter(DefinitionIndex(changed), LAW)
        assert caught.value.code == "volby-not-expressible"

    def test_council(self, event: Definition) -> None:
        """A council whose id is no code of six digits is refused by name."""
        changed = msgspec.structs.replace(
            event, contests=(*event.contests, Contest("gmina", "municipal-council", "lists", TOWN, "Gmina"))
        )

        with pytest.raises(NotExpressible, match="gmina"):
            VolbyWriter(DefinitionIndex(changed), LAW)

    def test_other_contests(self, event: Definition) -> None:
        """Contests of other kinds are not in this format and disturb nobody."""
        changed = msgspec.structs.replace(
            event, contests=(*event.contests, Contest("senat-1", "senate", "persons", TOWN, "Obvod 1"))
        )
        unchanged = {key: row.data for key, row in Night(event).cut().items()}

        assert {key: row.data for key, row in Night(changed).cut().items()} == unchanged

    def test_law(self, event: Definition) -> None:
        """A law that lacks a figure of the format is refused by name of the attribute."""
        law = msgspec.structs.replace(LAW, fields=LAW.fields[:2])

        with pytest.raises(NotExpressible, match="ODEVZDANE_OBALKY"):
            VolbyWriter(DefinitionIndex(event), law)


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_rounding(part: int, base: int) -> None:
    """Rounded half up is at most half a hundredth away, upwards when in the middle; truncated never above."""
    rounded, cut = (int(text.replace(".", "")) for text in (half_up(part, base), truncated(part, base)))

    assert -base < 2 * (rounded * base - part * 10_000) <= base
    assert 0 <= part * 10_000 - cut * base < base


def test_rounding_examples() -> None:
    """The middle goes up, or is cut off; nothing of nothing is 0.00."""
    assert [half_up(1, 800), half_up(1, 3), half_up(2, 3), half_up(3, 3), half_up(0, 0)] == [
        "0.13",
        "33.33",
        "66.67",
        "100.00",
        "0.00",
    ]
    assert [truncated(1, 800), truncated(2, 3), truncated(5, 0)] == ["0.12", "66.66", "0.00"]


def test_czech_order() -> None:
    """Names stand as in a Czech dictionary: ch after h, č after c, marks and case last."""
    names = [
        "Cerhov",
        "Čachov",
        "Habry",
        "Hýskov",
        "Chaloupky",
        "Chýně",
        "Ivaň",
        "Malá Víska",
        "Málkov",
        "Řepy",
        "Svatá",
        "Svaté",
        "Žebrák",
    ]

    shuffled = names[::-1]

    assert sorted(shuffled, key=czech_order) == names


@st.composite
def nights(draw: DrawFn) -> list[tuple[Protocol | None, bool]]:
    """Protocols with re-sends and late ones, and after some of them a cut with or without a batch."""
    event = definition()
    sizes = {(row.district, row.number): row.candidates or 2 for row in event.lists}
    steps: list[tuple[Protocol | None, bool]] = []
    order = draw(st.permutations(range(1, draw(st.integers(1, 14)) + 1)))
    for sequence in order:
        poll = draw(st.sampled_from(event.polls))
        votes = [
            draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
            for (district, _), size in sizes.items()
            if district == poll.district
        ]
        steps.append((protocol(poll, sequence, votes, told=draw(st.booleans())), False))
        if draw(st.booleans()):
            steps.append((None, draw(st.booleans())))
    return [*steps, (None, True)]


@given(nights())
def test_every_night(steps: Sequence[tuple[Protocol | None, bool]]) -> None:
    """Of any night every document is valid, sums agree, batches never go back and add up to the national document."""
    night = Night(definition())
    tree(night.cut()["vysledky.xml"])
    batches: list[etree._Element] = []
    for row, due in steps:
        if row is not None:
            night.take(row)
            continue
        released = night.cut(len(batches) + 1 if due else None)
        for document in released.values():
            tree(document)
        if due:
            batches.append(tree(released[f"okrsky/vysledky_okrsky_{len(batches) + 1:05d}.xml"]))
    _check_sums(night.documents["vysledky.xml"])
    _check_batches(batches, night)
    _check_decided(night)


def test_batches_come_back_in(night: Night, event: Definition) -> None:
    """The reader of Czech batches takes over from our batch exactly the protocols that went in."""
    rows = [
        msgspec.structs.replace(row, lists=tuple(ListVotes(entry.number, entry.votes) for entry in row.lists))
        for row in protocols(event)
    ]
    for row in rows:
        night.take(row)
    batch = read_batch(night.cut(1)["okrsky/vysledky_okrsky_00001.xml"].data, "1.xml", LAW)

    assert isinstance(batch, Batch)
    assert [record.protocol for record in batch.records] == rows


def _check_sums(document: Document) -> None:
    for block in tree(document):
        turnout, info, *parties = block
        assert sum(int(party.attrib["HLASY"]) for party in parties) == int(turnout.attrib["PLATNE_HLASY"])
        assert sum(int(party.attrib["ZASTUPITELE_POCET"]) for party in parties) == int(
            info.attrib["ZASTUPITELE_ZVOLENI"]
        )


def _check_batches(batches: Sequence[etree._Element], night: Night) -> None:
    heads = [batch[0] for batch in batches]
    reported = [int(head.attrib["OKRSKY_ZPRAC"]) for head in heads]
    assert reported == sorted(reported)
    assert [int(head.attrib["OKRSKY_DAVKA"]) for head in heads] == [len(batch) - 1 for batch in batches]
    # The last record of a precinct is the valid one, in any reading: by order of documents or by PORADI_ZPRAC.
    last: dict[tuple[str, str], int] = {}
    for record in (record for batch in batches for record in batch.iter("{*}OKRSEK")):
        key = (f"{record.attrib['CIS_OBEC']}-{record.attrib['CIS_OKRSEK']}", record.attrib["KODZASTUP"])
        order = int(record.attrib["PORADI_ZPRAC"])
        assert last.get(key, 0) < order
        last[key] = order
    assert len(last) == reported[-1]
    for key, order in last.items():
        current = night.tally.current(*key)
        assert current is not None
        assert current[1].protocol.sequence == order


def _check_decided(night: Night) -> None:
    """What the councils' documents show adds up to the national one, and to the tally."""
    for kind, block in zip(
        ("municipal-council", "ward-council"), tree(night.documents["vysledky.xml"]), strict=True
    ):
        tally = night.tally.country.kinds[kind]
        assert int(block[1].attrib["ZASTUPITELSTVA_ZVOLENA"]) == tally.decided
        assert int(block[1].attrib["ZASTUPITELE_ZVOLENI"]) == tally.seats_decided


def tree_text(document: Document, kind: str) -> str:
    """The block of one kind of council in the national document."""
    (block,) = (block for block in tree(document) if block.attrib["OZNAC_TYPU"] == kind)
    return etree.tostring(block).decode()


def test_format_carries_only_laws_whose_fields_it_has_attributes_for() -> None:
    """A law with a field that no attribute of the format is named for is published without it."""
    assert carries(LAW)
    first, *others = LAW.fields
    unnamed = msgspec.structs.replace(first, volby=None)
    assert not carries(msgspec.structs.replace(LAW, fields=(unnamed, *others)))
