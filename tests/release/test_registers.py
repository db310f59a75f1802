"""The registers of an event: what the documents hold, and how they are published."""

import datetime
import hashlib
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.election.calendar import Calendar
from skrutinium_server.process.registers import calendar_of, publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition
from skrutinium_server.release.errors import DocumentInvalid
from skrutinium_server.release.registers import publish as publishing
from skrutinium_server.release.registers.documents import registers
from skrutinium_server.release.registers.model import Paper
from skrutinium_server.release.registers.publish import edition_of, settle
from skrutinium_server.release.registers.row_format import windows_1250
from skrutinium_server.release.registers.streaming import LARGE, validate
from skrutinium_server.release.store.errors import StoreMissing
from skrutinium_server.release.store.registers import RegistersReader
from skrutinium_server.release.store.signing import signature_holds
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.validate import Validator
from tests.release.register_samples import DEFINITION, TIME, samples

MADE = made_up_definition(3, SMALL)
LATER = TIME + datetime.timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.create(tmp_path / "site")


def tree(data: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    return etree.fromstring(data, parser)


def documents(site: Site, event: str) -> dict[str, bytes]:
    reader = RegistersReader(site.store)
    newest = reader.newest(event)
    assert newest is not None
    return {path: reader.document(row) for path, row in reader.index(event, newest.number).rows.items()}


# ------------------------------------------------------------------ what documents hold
def test_registers_hold_all_rows_of_the_definition() -> None:
    """Every row of every table stands in its register, and nothing else."""
    papers = {paper.path: tree(paper.written(edition_of(MADE, TIME))) for paper in registers(MADE)}

    for name, rows in (
        ("areas", MADE.areas),
        ("contests", MADE.contests),
        ("districts", MADE.districts),
        ("precincts", MADE.precincts),
        ("committees", MADE.committees),
    ):
        assert [row.get("id") for row in papers[f"registers/{name}.xml"]] == [row.id for row in rows]
    polls = {
        (precinct.get("id"), poll.get("contest"), poll.get("eligible"))
        for precinct in papers["registers/precincts.xml"]
        for poll in precinct
    }
    assert polls == {(row.precinct, row.contest, str(row.eligible)) for row in MADE.polls}
    told = {
        (ballot.get("district"), ballot.get("list"), person.get("number"), person.get("family-name"))
        for path, root in papers.items()
        if path.startswith("registers/candidates/")
        for ballot in root
        for person in ballot
    }
    assert told == {
        (row.district, str(row.list), str(row.number), row.family_name) for row in MADE.candidates
    }


def test_candidates_are_split_by_county() -> None:
    """Each document of candidates holds those of one county, and every root is marked as made up."""
    counties = {area.id for area in MADE.areas if area.kind == "county"}
    split = {paper.path for paper in registers(MADE) if "/candidates/" in paper.path}

    assert split == {f"registers/candidates/{county}.xml" for county in counties}
    for paper in registers(MADE):
        root = tree(paper.written(edition_of(MADE, TIME)))
        assert root.get("made-up") == "true"
        assert (root.get("definition"), len(root.get("definition-sha256") or "")) == (str(MADE.version), 64)


@pytest.mark.parametrize("path", list(samples()), ids=lambda path: path.name)
def test_samples_are_what_is_written(path: Path) -> None:
    """Every sample of a register is what the writer makes of the made-up event."""
    assert path.read_bytes() == samples()[path]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40))
def test_windows_1250_keeps_what_it_can(text: str) -> None:
    """A letter of windows-1250 is kept, wherever it stands; others lose their marks or become question marks."""
    written = windows_1250(text).decode("cp1250")
    kept = [letter for letter in text if letter.encode("cp1250", "ignore")]

    rest = iter(written)
    assert all(letter in rest for letter in kept)
    assert windows_1250("Nguyễn Łukasz") == "Nguyen Łukasz".encode("cp1250")


# ------------------------------------------------------------------ publishing
def test_publishes_signed_index(site: Site) -> None:
    """The index is signed, names each document with its hash, and the file newest names the index."""
    published = publish_registers(site, MADE, TIME)
    reader = RegistersReader(site.store)
    data, signature = reader.index_bytes(MADE.event, MADE.version)

    assert (published.number, published.edition, published.new) == (MADE.version, 1, True)
    assert signature_holds(site.signer().public, data, signature)
    assert reader.newest(MADE.event) == (MADE.version, hashlib.sha256(data).hexdigest())
    assert tree(data).get("made-up") == "true"
    held = documents(site, MADE.event)
    assert {"registers/areas.xml", "codebooks/phases.xml", "rows/kvrk.xml", "bundle.zip"} <= held.keys()
    assert set(published.changed) == held.keys()


def test_publishing_again_changes_nothing(site: Site) -> None:
    """Equal facts at a later time are the registers that are there: no file of the store is touched."""
    publish_registers(site, MADE, TIME)
    before = {path: path.stat().st_mtime_ns for path in site.store.rglob("*") if path.is_file()}

    again = publish_registers(site, MADE, LATER)

    assert not again.new
    assert {path: path.stat().st_mtime_ns for path in site.store.rglob("*") if path.is_file()} == before


def test_same_bytes_everywhere(tmp_path: Path) -> None:
    """Two sites write the same documents of a definition, but for those that name the site's key."""
    one, two = (Site.create(tmp_path / name) for name in "ab")
    publish_registers(one, MADE, TIME)
    publish_registers(two, MADE, TIME)

    first, second = documents(one, MADE.event), documents(two, MADE.event)
    assert {path for path in first if first[path] != second[path]} == {"bundle.zip"}


def test_next_version_names_what_changed(site: Site) -> None:
    """Registers of the next definition stand beside the former; only what changed has other bytes and is marked."""
    publish_registers(site, MADE, TIME)
    former = documents(site, MADE.event)
    seats = tuple(msgspec.structs.replace(row, seats=None) for row in MADE.contests[:1]) + MADE.contests[1:]
    newer = msgspec.structs.replace(MADE, version=2, contests=seats)

    published = publish_registers(site, newer, LATER)
    reader = RegistersReader(site.store)
    index = tree(reader.index_bytes(MADE.event, 2)[0])

    marked = {row.get("path") for row in index if row.get("changed") == "true"}
    assert marked == set(published.changed)
    assert marked == {"registers/contests.xml", "csv-set/contests.csv", "csv-set/event.csv", "bundle.zip"}
    now = documents(site, MADE.event)
    assert {path for path in now if now[path] != former[path]} == marked
    assert "registers/precincts.xml" not in marked
    assert tree(now["registers/contests.xml"]).get("definition") == "2"
    assert tree(now["registers/precincts.xml"]).get("definition") == "1"
    old = reader.index(MADE.event, 1)
    assert reader.document(old.rows["registers/contests.xml"]) == former["registers/contests.xml"]
    assert index.get("previous") == old.sha256


def test_calendar_makes_an_edition(site: Site) -> None:
    """A calendar that appears, and one that goes, makes a new edition of the same registers; the chain goes on."""
    publish_registers(site, MADE, TIME)
    calendar = site.root / "calendar.toml"
    calendar.write_text(
        '[[entry]]\nid = "a"\nkind = "meeting"\nfrom = 2030-03-01T08:00:00Z\ntext = "Meeting"\n'
    )
    second = publish_registers(site, MADE, LATER)
    calendar.unlink()
    third = publish_registers(site, MADE, LATER)
    index = tree(RegistersReader(site.store).index_bytes(MADE.event, 1)[0])

    assert (second.edition, set(second.changed)) == (2, {"calendar.ics", "calendar.xml", "bundle.zip"})
    assert (third.edition, set(third.changed)) == (3, {"bundle.zip"})
    removed = [row.get("path") for row in index if str(row.tag).endswith("removed")]
    assert removed == ["calendar.ics", "calendar.xml"]
    assert calendar_of(site) == Calendar()


def test_killed_before_the_index(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed when the objects are there shows nothing; publishing again finishes."""

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    reader = RegistersReader(site.store)
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "put_index", killed)
        with pytest.raises(Killed):
            publish_registers(site, MADE, TIME)
    assert reader.newest(MADE.event) is None
    with pytest.raises(StoreMissing):
        reader.index_bytes(MADE.event, 1)

    assert publish_registers(site, MADE, LATER).new
    assert documents(site, MADE.event)


def test_killed_between_index_and_newest(site: Site) -> None:
    """When only the name of the newest is missing, publishing again names it."""
    publish_registers(site, MADE, TIME)
    reader = RegistersReader(site.store)
    reader.layout.registers_newest(MADE.event).unlink()

    publish_registers(site, MADE, LATER)

    newest = reader.newest(MADE.event)
    assert newest is not None
    assert newest.number == MADE.version


def test_invalid_document_publishes_nothing(site: Site) -> None:
    """A document that its schema refuses stops everything before the first object."""
    bad = Paper("registers/areas.xml", "skrutinium/1.0/registers.xsd", lambda _: b"<areas/>", b"")
    writer = StoreWriter(site.store, site.signer())
    edition = edition_of(MADE, TIME)
    with pytest.raises(DocumentInvalid, match=r"registers/areas\.xml"):
        publishing.publish(writer, Validator(), MADE, list(settle([bad], edition, None)), edition, None)
    writer.close()

    assert RegistersReader(site.store).newest(MADE.event) is None
    assert not list(site.store.rglob("*.gz"))


def test_older_definition_leaves_newest(site: Site) -> None:
    """Registers of an older definition can be published later; newest stays with the newer one."""
    publish_registers(site, msgspec.structs.replace(MADE, version=3), TIME)
    publish_registers(site, MADE, LATER)
    reader = RegistersReader(site.store)

    newest = reader.newest(MADE.event)
    assert newest is not None
    assert newest.number == 3
    assert reader.index(MADE.event, 1).definition == 1


# ------------------------------------------------------------------ large documents
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data, None),
        (lambda data: data.replace(b"<PLATNOST>A", b"<PLATNOST>X"), "PLATNOST"),
        (lambda data: data[: -len("</KV_REGKAND>\n")], "ends before|not well-formed|Premature"),
        (lambda data: data.replace(b"<KV_REGKAND ", b"<!DOCTYPE x><KV_REGKAND ", 1), "document type"),
    ],
    ids=["whole", "value", "cut", "doctype"],
)
def test_large_documents_are_read_row_by_row(spoil: object, reason: str | None) -> None:
    """A register too large for a tree is accepted and refused as a small one is."""
    row = (samples_of("kvrk").split(b" <KV_REGKAND_ROW>")[1]).partition(b" </KV_REGKAND_ROW>\n")[0]
    head, body = samples_of("kvrk").split(b" <KV_REGKAND_ROW>", 1)
    many = b" <KV_REGKAND_ROW>" + row + b" </KV_REGKAND_ROW>\n"
    data = head + many * (LARGE // len(many) + 1) + b" <KV_REGKAND_ROW>" + body
    data = spoil(data)  # type: ignore[operator]
    if reason is None:
        validate(Validator(), "rows/kvrk.xml", data, "volby/1/rows/kvrk.xsd")
    else:
        with pytest.raises(DocumentInvalid, match=re.compile(reason)):
            validate(Validator(), "rows/kvrk.xml", data, "volby/1/rows/kvrk.xsd")


def samples_of(name: str) -> bytes:
    return next(data for path, data in samples().items() if path.name == f"{name}.xml")


def test_sample_event_is_made_up() -> None:
    """The samples say that they are made up: those of ours at the root, rows in a comment."""
    assert DEFINITION.made_up
    for path, data in samples().items():
        if path.parts[-3] == "registers":
            assert tree(data).get("made-up") == "true", path
        else:
            assert b"<!-- MADE UP: not a real election -->" in data, path
