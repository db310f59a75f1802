"""Verifying what a publisher made of a Senate night: who is elected, holds and lifts, declarations; and what is altered."""

import asyncio
import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from skrutinium.sources.folder import Folder
from skrutinium.verifying.majority import Verdict, decide
from skrutinium.verifying.night import verify
from skrutinium.verifying.report import Report
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Elected, Runoff
from skrutinium_server.intake.model import Origin, Protocol
from skrutinium_server.ledger.model import Declared, Held, Lifted, Step
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.admitting import Cause
from skrutinium_server.process.clock import RunClock
from skrutinium_server.process.counting import Counting
from skrutinium_server.process.opening import prepare_run
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.rehearsal.made_up import Scale, made_up_definition, made_up_night
from skrutinium_server.rehearsal.made_up.night import made_up_protocols
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.formats.skrutinium.writer import SkrutiniumWriter
from skrutinium_server.release.model import Cutting, Document
from skrutinium_server.release.publisher import Publisher
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally import majority
from skrutinium_server.tally.model import Changes
from skrutinium_server.tally.seats.model import LotNeeded
from skrutinium_server.tally.tally import Tally


class Row(NamedTuple):
    """A protocol of the night, and as it comes in."""

    protocol: Protocol
    due: Due


RESENDS = 3_000
START = datetime.datetime(2030, 4, 1, 14, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
ORIGIN = Origin(who="test", path="import")
SCALE = Scale(regions=1, counties=1, councils=6, precincts=24)
LAW = "cz-senate-2018"
PEOPLE = ("one@example", "two@example")
Alter = Callable[[Document], Document]


class Lying:
    """A writer whose documents are altered before they are signed: only adding up again can find it."""

    by_batch = False
    series = "skrutinium"

    def __init__(self, writer: SkrutiniumWriter, alter: Alter) -> None:
        self._writer, self._alter = writer, alter

    def documents(self, tally: Tally, changes: Changes, cutting: Cutting) -> Iterator[Document]:
        """What the writer writes, altered."""
        yield from map(self._alter, self._writer.documents(tally, changes, cutting))


class Town:
    """A made-up Senate night: ``take`` protocols, ``step``, ``publish`` what is due."""

    def __init__(self, folder: Path, alter: Alter = lambda document: document) -> None:
        self.definition = made_up_definition(5, SCALE, LAW)
        self.site = Site.create(folder / "site")
        self.site.define(self.definition)
        prepare_run(self.site, "night", "rehearsal")
        write_state(self.site, "night", now=START)
        index, law = DefinitionIndex(self.definition), load_law(LAW)
        self.night = list(
            map(
                Row,
                made_up_protocols(self.definition, 5, START, HOUR, RESENDS),
                made_up_night(self.definition, 5, START, HOUR, RESENDS),
            )
        )
        self._runner = asyncio.Runner()
        self.clock = RunClock(lambda: START, lambda: 0.0)
        ledger = SqliteLedger.create(self.site.ledger("night"), self.site.run("night").opened(START))
        self._counting = Counting(
            self.site.basis("night"), self.site.settings(), ledger, self.clock, lambda: 0.0
        )
        self._store = StoreWriter(self.site.store, self.site.signer())
        self.publisher = Publisher(
            self.site.series_key("night", "skrutinium"),
            SqliteReader(self.site.ledger("night")),
            Tally(index, law),
            Lying(SkrutiniumWriter(index, law), alter),
            Validator(),
            StoreReader(self.site.store),
            self._store,
        )

    def take(self, rows: Iterable["Row"], cause: Cause | None = None) -> None:
        """Take protocols and ask for a release."""
        self._runner.run(self._counting.take([row.due.taken_over for row in rows], ORIGIN, cause))
        self._runner.run(self._counting.cut("skrutinium", START, batch=False, checkpoint=False))
        self.publish()

    def step(self, step: Step) -> None:
        """What people decide, told at once."""
        self._runner.run(self._counting.step(step))
        self.publish()

    def publish(self) -> None:
        """Make what is due."""
        self.publisher.catch_up()
        self.publisher.write_protocols()
        while self.publisher.write_checkpoint():
            pass

    def verify(self) -> Report:
        """Verify the store."""
        return self._runner.run(verify(Folder(self.site.store)))

    def contest(self, id: str) -> etree._Element:
        """The newest document of a contest."""
        return self.document(f"contest/{id}.xml")

    def document(self, path: str) -> etree._Element:
        """The newest document at a path."""
        reader = StoreReader(self.site.store)
        row = reader.snapshot(self.publisher.key, self.publisher.newest)[path]
        return etree.fromstring(reader.object(row.sha256))

    def close(self) -> None:
        """End all threads."""
        self._runner.run(self._counting.close())
        self._runner.close()
        self._store.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A town before its first release."""
    made = Town(tmp_path)
    yield made
    made.close()


def set_apart(town: Town) -> tuple[list[Row], Row]:
    """All protocols but the newest version of one, and that one: a correction."""
    polls = Counter((row.protocol.precinct, row.protocol.contest) for row in town.night)
    again = next(key for key, times in polls.items() if times > 1)
    last = max(
        (row for row in town.night if (row.protocol.precinct, row.protocol.contest) == again),
        key=lambda row: row.protocol.sequence,
    )
    return [row for row in town.night if row is not last], last


def test_a_night_agrees(town: Town) -> None:
    """Hold, lift, final, certified, corrected: at each of them the whole night agrees, and each is said where it has to be."""
    rest, correction = set_apart(town)
    contest = correction.protocol.contest
    town.take(())
    town.take(rest[: len(rest) // 3])
    town.step(Held(contest, "Recount ordered", "one@example", START))
    town.take(rest[len(rest) // 3 :])
    assert town.contest(contest).get("held") == "Recount ordered"
    assert town.document("event.xml").get("held") == "1"
    report = town.verify()
    assert report.agrees, report.differences
    assert report.counting < report.expected

    town.step(Lifted(contest, "one@example", START))
    report = town.verify()
    assert report.agrees, report.differences
    assert report.counting == report.expected
    assert town.contest(contest).get("held") is None

    town.step(Declared("final", "All is counted", "Office", PEOPLE, START))
    town.step(Declared("certified", "Resolution 1", "Commission", PEOPLE, START))
    assert town.document("summary.xml").get("state") == "certified"
    assert town.verify().agrees
    town.take([correction], Cause("court-order", "Court, 1 A 2/2030"))
    corrections = town.document(f"corrections/{town.publisher.newest}.xml")
    assert {corrections.get("state"), town.document("event.xml").get("state")} == {"corrected"}
    assert corrections[0].get("supersedes") is not None
    report = town.verify()
    assert report.agrees, report.differences


@pytest.mark.parametrize(
    ("folder", "old", "new", "what"),
    [
        ("contest/", rb'outcome="(decided|runoff)"', b'outcome="open"', "outcome"),
        ("contest/", rb' (elected="1" way="G"|runoff="true")', b"", "elected|runoff"),
        ("contest/", rb' state="complete"', rb' state="complete" held="Nobody knows"', "held|state"),
        ("summary.xml", rb' turnout="\d+"', b' turnout="1"', "turnout"),
        ("summary.xml", rb"<line>REHEARSAL, ", b"<line>", "line"),
        ("summary.xml", rb"<line>([^0-9]+)\d+ of", rb"<line>\g<1>999 of", "line"),
        ("area/CZ.xml", rb' precincts-out="\d+"', b' precincts-out="7"', "precincts-out"),
        ("event.xml", rb' state="', b' held="3" state="', "held"),
        ("precinct/", rb' state="complete"', b' state="interim"', "state"),
    ],
)
def test_altered(tmp_path: Path, folder: str, old: bytes, new: bytes, what: str) -> None:
    """Whatever is altered in a document that is rightly signed is named, in that document."""

    def alter(document: Document) -> Document:
        if not document.path.startswith(folder):
            return document
        return msgspec.structs.replace(document, data=re.sub(old, new, document.data, count=1))

    town = Town(tmp_path, alter)
    town.take(())
    town.take(town.night)
    report = town.verify()
    town.close()

    found = [one for one in report.differences if one.path.startswith(folder) and re.search(what, one.what)]
    assert found, report.differences


def test_lasting_state_left_out(tmp_path: Path) -> None:
    """A document that does not say that the results are final is named."""

    def alter(document: Document) -> Document:
        data = document.data.replace(b' state="final"', b' state="complete"')
        return msgspec.structs.replace(document, data=data) if document.path == "area/CZ.xml" else document

    town = Town(tmp_path, alter)
    town.take(())
    town.take(town.night)
    town.step(Declared("final", "All is counted", "Office", PEOPLE, START))
    report = town.verify()
    town.close()

    assert {(one.code, one.path) for one in report.differences} == {("state", "area/CZ.xml")}


@pytest.mark.parametrize(
    ("votes", "turn", "verdict"),
    [
        ({1: 51, 2: 49}, 1, Verdict("decided", elected=frozenset({1}))),
        ({1: 50, 2: 50}, 1, Verdict("runoff", runoff=frozenset({1, 2}))),
        ({1: 50, 2: 30, 3: 20}, 1, Verdict("runoff", runoff=frozenset({1, 2}))),
        ({1: 40, 2: 30, 3: 30}, 1, Verdict("lot", runoff=frozenset({1}), tied=frozenset({2, 3}), places=1)),
        ({1: 30, 2: 30, 3: 30}, 1, Verdict("lot", tied=frozenset({1, 2, 3}), places=2)),
        ({1: 40, 2: 41}, 2, Verdict("decided", elected=frozenset({2}))),
        ({1: 40, 2: 40}, 2, Verdict("lot", tied=frozenset({1, 2}), places=1)),
        ({1: 0, 2: 0}, 1, None),
        ({1: 5}, 2, None),
    ],
)
def test_majority(votes: dict[int, int], turn: int, verdict: Verdict | None) -> None:
    """More than half elects; else the two first run again; equal votes that leave it open need a lot."""
    assert decide(votes, turn) == verdict


@given(st.dictionaries(st.integers(1, 9), st.integers(0, 6), min_size=2), st.integers(1, 2))
def test_majority_as_the_publisher(votes: dict[int, int], turn: int) -> None:
    """This package's own code and the publisher's agree for all votes."""
    mine = decide(votes, turn)
    if mine is None:
        assert not sum(votes.values())
        return
    theirs = (majority.first_round if turn == 1 else majority.second_round)(votes)
    match theirs:
        case Elected(candidate=candidate):
            assert mine == Verdict("decided", elected=frozenset({candidate}))
        case Runoff(candidates=candidates):
            assert mine == Verdict("runoff", runoff=frozenset(candidates))
        case LotNeeded(candidates=certain, ties=(tie,)):
            assert mine == Verdict(
                "lot", frozenset(), frozenset(certain), frozenset(tie.candidates), tie.places
            )
        case _:
            pytest.fail(f"several lots: {theirs}")
