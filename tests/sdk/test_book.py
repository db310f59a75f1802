"""Books: what registers say, joined, checked, pinned to the version that a release names, and what changes between versions."""

import asyncio
import contextlib
import datetime
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

import skrutinium
from skrutinium import Book, ChainError, DamagedError, NotYet, SchemaError, SignatureError, SkrutiniumError
from skrutinium.documents.registers_reading import read_index
from skrutinium.sources.books import Books
from skrutinium.sources.folder import Folder
from skrutinium.trust.signing import KeyRing
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition
from tests.release.register_samples import DEFINITION as SAMPLE
from tests.release.register_samples import TIME
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.registers_builder import make_registers
from tests.sdk.store_builder import EVENT, Written, fingerprint, make_night, sign

LATER = TIME + datetime.timedelta(days=1)
CALENDAR = (
    'zone = "Europe/Prague"\n[[entry]]\nid = "window"\nkind = "testing-window"\nfrom = 2030-03-11T07:00:00Z\nto = 2030-03-15T15:00:00Z\n'
    'text = "Made-up results every day."\n'
)


def site_with(root: Path, *definitions: Definition) -> tuple[Path, str]:
    """The store of a site that published the registers of these definitions and a calendar, and its fingerprint."""
    site = Site.create(root / "site")
    (site.root / "calendar.toml").write_text(CALENDAR)
    for number, definition in enumerate(definitions):
        publish_registers(site, definition, TIME + datetime.timedelta(days=number))
    return site.store, site.signer().fingerprint


async def books_of(root: Path, *definitions: Definition, folder: Path | None = None) -> Books:
    """The books of a store with the registers of these definitions."""
    store, pinned = await asyncio.to_thread(site_with, root, *definitions)
    source = Folder(store)
    ring = KeyRing(source.key, pinned=pinned)
    return Books(source.registers(definitions[0].event), ring, definitions[0].event, folder)


# ------------------------------------------------------------------ all that the registers say
async def check_says(book: Book, definition: Definition) -> None:
    """Everything that a definition says is in its book, joined."""
    assert (book.event, book.definition, book.made_up) == (definition.event, definition.version, True)
    for area in definition.areas:
        told = book.area(area.id)
        assert (told.kind, told.name, told.nuts) == (area.kind, area.name, area.nuts)
        assert (told.parent and told.parent.id) == area.parent
        assert {one.id for one in told.children} == {
            one.id for one in definition.areas if one.parent == area.id
        }
    for contest in definition.contests:
        known = book.contest(contest.id)
        assert (known.kind, known.form, known.name) == (contest.kind, contest.form, contest.name)
        assert (known.seats, known.round, known.area.id) == (contest.seats, contest.round, contest.area)
        assert known in book.area(contest.area).contests
    for district in definition.districts:
        part = book.district(district.id)
        assert (part.number, part.name, part.seats) == (district.number, district.name, district.seats)
        assert part in part.contest.districts
    for row in definition.lists:
        there = book.list(row.district, row.number)
        assert (there.name, there.standing, there.active) == (row.name, row.candidates, row.active)
        assert (there.committee and there.committee.id) == row.committee
        assert there in there.district.lists
    for committee in definition.committees:
        assert book.committee(committee.id).short == committee.short
    counts = len(book.areas), len(book.contests), len(book.districts), len(book.committees), len(book.lists)
    assert counts == (
        len(definition.areas),
        len(definition.contests),
        len(definition.districts),
        len(definition.committees),
        len(definition.lists) + len(definition.unnumbered_lists),
    )


async def check_large(book: Book, definition: Definition) -> None:
    """The same of precincts and candidates, which are read when they are asked for."""
    for precinct in definition.precincts:
        told = await book.precinct(precinct.id)
        assert (told.number, told.kind, told.name) == (precinct.number, precinct.kind, precinct.name)
        assert told.area.id == precinct.area
        assert {(poll.contest_id, poll.district_id, poll.eligible) for poll in told.polls} == {
            (poll.contest, poll.district, poll.eligible)
            for poll in definition.polls
            if poll.precinct == precinct.id
        }
    assert len(await book.precincts()) == len(definition.precincts)
    for one in definition.candidates:
        person = await book.candidate(one.district, one.list or None, one.number)
        assert (person.given_name, person.family_name) == (one.given_name, one.family_name)
        assert (person.title_before or "", person.title_after or "") == (one.title_before, one.title_after)
        assert (person.age, person.committee_id, person.active) == (one.age, one.committee, one.active)
        assert (one.family_name or "") in person.name
    ballots = {(one.district, one.list or None) for one in definition.candidates}
    assert sum([len(await book.candidates(*ballot)) for ballot in ballots]) == len(definition.candidates)


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param(SAMPLE, id="every element"),
        pytest.param(made_up_definition(3, SMALL), id="councils"),
        pytest.param(made_up_definition(3, SMALL, load_law("cz-senate-2018").id), id="senate"),
    ],
)
async def test_book_says_what_the_definition_says(tmp_path: Path, definition: Definition) -> None:
    """Registers that the publisher writes are read without loss: areas, contests, lists, precincts, candidates."""
    book = await (await books_of(tmp_path, definition)).get(definition.version)
    await check_says(book, definition)
    await check_large(book, definition)


async def test_rows_lead_to_one_another(tmp_path: Path) -> None:
    """From a candidate to the committee of the list, from a precinct to the region, from a list without a number to its district."""
    book = await (await books_of(tmp_path, SAMPLE)).get(SAMPLE.version)
    candidate = await book.candidate("900001.1", 1, 1)
    assert candidate.committee is not None
    assert candidate.committee.known_as == "Party of the Dragon (made up)"
    alone = (await book.candidates("27.1"))[0]
    assert alone.list is None
    assert alone.committee is not None
    assert alone.committee.id == "9001"
    ward = (await book.precinct("900003-1")).area
    above = ward.parent
    assert above is not None
    assert above.parent is not None
    assert [ward.kind, above.kind, above.parent.kind] == ["ward", "municipality", "county"]
    assert [row.number for row in book.district("900002.2").lists] == [None]
    assert book.area("CZ").parent is None
    assert len(await book.candidates_in("9101")) == len(SAMPLE.candidates)


async def test_codebooks_and_calendar(tmp_path: Path) -> None:
    """Codebooks name their items in three languages; the calendar has its times in UTC."""
    book = await (await books_of(tmp_path, SAMPLE)).get(SAMPLE.version)
    phases = await book.codebook("phases")
    assert (phases.name("live"), phases.name("live", "cs")) == ("Live", "Ostrý provoz")
    assert (phases.name("live", "xx"), phases.name("nothing")) == ("Live", "nothing")
    calendar = await book.calendar()
    (entry,) = calendar.entries
    assert (calendar.zone, entry.id, entry.kind) == ("Europe/Prague", "window", "testing-window")
    assert entry.begins == datetime.datetime(2030, 3, 11, 7, tzinfo=datetime.UTC)


async def test_what_registers_do_not_have_is_said(tmp_path: Path) -> None:
    """Whoever asks for what is not registered gets NotYet that names it; candidates that are not known are none."""
    book = await (await books_of(tmp_path, SAMPLE)).get(SAMPLE.version)
    for ask in (book.area, book.contest, book.district, book.committee):
        with pytest.raises(NotYet, match="nowhere"):
            ask("nowhere")
    with pytest.raises(NotYet, match=r"list 9 in district 900001\.1"):
        book.list("900001.1", 9)
    with pytest.raises(NotYet, match="precinct nowhere"):
        await book.precinct("nowhere")
    with pytest.raises(NotYet, match=r"candidate 9 of district 900001\.1, list 1"):
        await book.candidate("900001.1", 1, 9)
    with pytest.raises(NotYet, match=r"codebooks/nothing\.xml"):
        await book.codebook("nothing")
    assert await book.candidates("900002.1", 1) == ()


# ------------------------------------------------------------------ what changes
def struck_off(definition: Definition) -> Definition:
    """The next version: a candidate is struck off, one is new, a precinct has another name, and a list got its number."""
    candidates = tuple(
        msgspec.structs.replace(row, active=False)
        if (row.district, row.list, row.number) == ("900001.1", 1, 1)
        else row
        for row in definition.candidates
    )
    new = msgspec.structs.replace(candidates[0], number=7, family_name="Newcomer (made up)", active=True)
    precincts = tuple(
        msgspec.structs.replace(row, name="School") if row.id == "900003-1" else row
        for row in definition.precincts
    )
    without = definition.unnumbered_lists[0]
    numbered = msgspec.structs.replace(
        definition.lists[2], district=without.district, number=4, committee=without.committee
    )
    return msgspec.structs.replace(
        definition,
        version=definition.version + 1,
        candidates=(*candidates, new),
        precincts=precincts,
        lists=(*definition.lists, numbered),
        unnumbered_lists=(),
    )


async def test_changes_between_versions(tmp_path: Path) -> None:
    """A candidate who was struck off, a new one, another name of a precinct, a list that got its number: each is told, and no more."""
    books = await books_of(tmp_path, SAMPLE, struck_off(SAMPLE))
    before, now = await books.get(SAMPLE.version), await books.get(SAMPLE.version + 1)
    changes = await now.changes(before)
    told = {(one.register, one.id): one.fields for one in changes}
    assert told == {
        ("candidates", "900001.1/1/1"): ("active",),
        ("candidates", "900001.1/1/7"): (),
        ("precincts", "900003-1"): ("name",),
        ("lists", "900002.2/4"): (),
        ("lists", "900002.2/Dragon (made up)"): (),
    }
    texts = {str(one) for one in changes}
    assert "candidates 900001.1/1/1: active True → False" in texts
    assert "candidates 900001.1/1/7: new" in texts
    assert "lists 900002.2/Dragon (made up): gone" in texts
    assert {str(one) for one in await before.changes(now)} >= {"candidates 900001.1/1/7: gone"}
    assert await now.changes(now) == ()


async def test_books_of_two_events_do_not_compare(tmp_path: Path) -> None:
    """Comparing registers of two events is a mistake of the caller."""
    one = await (await books_of(tmp_path / "a", SAMPLE)).get(SAMPLE.version)
    other = msgspec.structs.replace(SAMPLE, event="other2030")
    two = await (await books_of(tmp_path / "b", other)).get(SAMPLE.version)
    with pytest.raises(ValueError, match="other2030"):
        await one.changes(two)


# ------------------------------------------------------------------ nothing is trusted
class Scene:
    """A small store with registers, and a feed of it on a real socket."""

    def __init__(self, feed: StoreFeed, written: Written) -> None:
        self.feed = feed
        self.written = written

    @contextlib.asynccontextmanager
    async def release(self, registers: Path | None = None) -> AsyncIterator[skrutinium.Release]:
        """The newest release, from a client that follows the feed."""
        pinned = fingerprint(self.written.night.key)
        client = skrutinium.connect(self.feed.url, fingerprint=pinned, registers=registers)
        async with client as feed, asyncio.timeout(60):
            yield await anext(feed.releases())


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    written = await asyncio.to_thread(make_night().write, tmp_path)
    feed = await StoreFeed(tmp_path).start()
    yield Scene(feed, written)
    await feed.stop()


async def test_release_gives_its_book(scene: Scene) -> None:
    """The book of a release is that of the version it names; a second one is the same, and nothing is fetched twice."""
    await asyncio.to_thread(make_registers().write, scene.written)
    async with scene.release() as release:
        book = await release.book()
        assert book.definition == release.manifest.codebook
        results = await release.contest("100")
        for row in results.districts[0].lists:
            committee = book.list("100.1", row.number).committee
            assert (committee and committee.id) == row.committee
        asked = dict(scene.feed.asked)
        assert await release.book() is book
        assert not any("candidates" in path or "precincts" in path for path in asked)
        assert (await book.candidate("100.1", 2, 1)).family_name == "Candidate"
        assert (await book.candidate("100.1", 3, 2)).family_name == "Candidate"
        assert (await book.precinct("100-1")).polls[0].contest_id == "100"
        new = {path: count for path, count in scene.feed.asked.items() if path not in asked}
        assert {path.rpartition("registers/")[2]: count for path, count in new.items()} == {
            "candidates/11.xml": 1,
            "precincts.xml": 1,
        }


async def test_no_registers_is_not_yet(scene: Scene) -> None:
    """A release whose registers were never published has no book."""
    async with scene.release() as release:
        with pytest.raises(NotYet):
            await release.book()


@pytest.mark.parametrize(
    ("name", "old", "new", "error"),
    [
        ("areas", 'kind="ward"', 'kind="street"', SchemaError),
        ("contests", f'event="{EVENT}"', 'event="kv2030"', SchemaError),
        ("districts", 'definition="1"', 'definition="2"', SchemaError),
        ("lists", "<lists ", "<!DOCTYPE lists><lists ", SchemaError),
        ("committees", "</committees>", "", SchemaError),
        ("areas", 'name="Region" parent="CZ"', 'name="Region" parent="11"', SchemaError),
    ],
)
async def test_wrong_registers_are_refused(
    scene: Scene, name: str, old: str, new: str, error: type[SkrutiniumError]
) -> None:
    """A register that its schema refuses, or of another event or version, or with areas in a circle, makes no book, though its hash is right."""
    registers = make_registers().change(name, old, new)
    await asyncio.to_thread(registers.write, scene.written)
    async with scene.release() as release:
        with pytest.raises(error) as caught:
            await release.book()
        assert f"registers/{name}.xml" in str(caught.value)


async def test_forged_registers_are_refused(scene: Scene) -> None:
    """An index that the publisher did not sign, bytes that are not those of the index, an index of another version: no book."""
    registers = make_registers()
    await asyncio.to_thread(registers.write, scene.written)
    folder = scene.written.root / "event" / EVENT / "registers"
    index = folder / "000000001.xml"
    right = await asyncio.to_thread(index.read_bytes)

    await asyncio.to_thread(index.write_bytes, right.replace(b'path="calendar', b'path="kalendar'))
    async with scene.release() as release:
        with pytest.raises(SignatureError):
            await release.book()

    other = right.replace(b'definition="1"', b'definition="2"', 1)
    await asyncio.to_thread(index.write_bytes, other)
    await asyncio.to_thread((folder / "000000001.xml.sig").write_bytes, sign(scene.written.night.key, other))
    async with scene.release() as release:
        with pytest.raises(ChainError):
            await release.book()

    await asyncio.to_thread(registers.write, scene.written)
    scene.feed.truncate.add(f"/event/{EVENT}/registers/1/registers/lists.xml")
    async with scene.release() as release:
        with pytest.raises(DamagedError):
            await release.book()


async def test_folder_keeps_documents_and_trusts_none(tmp_path: Path) -> None:
    """Documents kept in a folder are not fetched again; a damaged one is, and is right again afterwards."""
    folder = tmp_path / "kept"
    books = await books_of(tmp_path, SAMPLE, folder=folder)
    await books.get(SAMPLE.version)
    kept = await asyncio.to_thread(lambda: sorted(folder.iterdir()))
    assert len(kept) == 5
    store = tmp_path / "site" / "store"
    source = Folder(store)
    data, _ = await source.registers(SAMPLE.event).index(SAMPLE.version)
    areas = next(
        row for row in read_index(data, "registers.xml").documents if row.path == "registers/areas.xml"
    )
    await asyncio.to_thread((folder / areas.sha256).write_bytes, b"<areas/>")
    again = Books(source.registers(SAMPLE.event), KeyRing(source.key), SAMPLE.event, folder)
    assert (await again.get(SAMPLE.version)).area("CZ").kind == "country"
    assert len(await asyncio.to_thread((folder / areas.sha256).read_bytes)) == areas.size

    await asyncio.to_thread(shutil.rmtree, store / "objects")
    alone = Books(source.registers(SAMPLE.event), KeyRing(source.key), SAMPLE.event, folder)
    assert len((await alone.get(SAMPLE.version)).areas) == len(SAMPLE.areas)


async def test_next_start_fetches_only_the_index(scene: Scene, tmp_path: Path) -> None:
    """With a folder for registers, a program that starts again asks the feed for the signed index alone."""
    await asyncio.to_thread(make_registers().write, scene.written)
    async with scene.release(tmp_path / "kept") as release:
        await (await release.book()).precincts()
    scene.feed.asked.clear()
    async with scene.release(tmp_path / "kept") as release:
        assert len(await (await release.book()).precincts()) == 4
    asked = {path.rpartition("/registers/")[2] for path in scene.feed.asked if "/registers/" in path}
    assert asked == {"1/registers.xml", "1/registers.xml.sig"}


async def test_many_ask_for_a_book_at_once(scene: Scene) -> None:
    """A hundred who ask at the same time get one book, for which everything was fetched once."""
    await asyncio.to_thread(make_registers().write, scene.written)
    async with scene.release() as release:
        books = await asyncio.gather(*(release.book() for _ in range(100)))
        assert len(set(map(id, books))) == 1
        await asyncio.gather(*(books[0].candidate("100.1", 1, 1) for _ in range(100)))
        asked = {path: count for path, count in scene.feed.asked.items() if "/registers/" in path}
        assert set(asked.values()) == {1}


def test_row_by_itself_leads_nowhere() -> None:
    """A row that was made by itself says so when it is asked for another; it is equal to one of a book that says the same."""
    row = skrutinium.RegisteredArea("11", "county", "County", "10", None)
    with pytest.raises(ValueError, match="by itself"):
        assert row.parent
