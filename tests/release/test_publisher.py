"""The publisher: its releases are a function of the ledger, whenever it was killed and however often it began again."""

import asyncio
import base64
import datetime
import gzip
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import Origin
from skrutinium_server.ledger.model import Accepted, Cut, Held, Lifted
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.clock import RunClock
from skrutinium_server.process.counting import Counting
from skrutinium_server.process.opening import prepare_run
from skrutinium_server.process.publisher import WRITERS
from skrutinium_server.process.settings import SERIES
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import Scale, made_up_definition, made_up_night
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.publisher import Publisher
from skrutinium_server.release.store import writing
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.layout import Layout, signature_of
from skrutinium_server.release.store.model import ManifestRow
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.tally import Tally

START = datetime.datetime(2030, 4, 1, 14, tzinfo=datetime.UTC)
ORIGIN = Origin(who="test", path="import")
SCALE = Scale(regions=1, counties=1, councils=6, precincts=12, wards=(2,))


class Killed(BaseException):
    """The publisher was killed here."""


class Take(NamedTuple):
    """So many protocols come in."""

    protocols: int


class Ask(NamedTuple):
    """A cut of a series, with a batch or a checkpoint."""

    series: str
    batch: bool
    checkpoint: bool


class Hold(NamedTuple):
    """A contest is held, or lifted when it is."""

    contest: int


Steps = Sequence[Take | Ask | Hold]
STEPS: Steps = (
    Take(3),
    Ask("skrutinium", False, False),
    Ask("volby", True, False),
    Take(1),
    Ask("skrutinium", False, True),
    Ask("volby", False, False),
    Take(4),
    Ask("volby", True, True),
    Ask("skrutinium", False, False),
    Take(20),
    Ask("skrutinium", False, False),
    Ask("volby", True, False),
)


@cache
def country() -> tuple[Definition, list[Due]]:
    """A small made-up election and its night, with re-sends."""
    definition = made_up_definition(3, SCALE)
    return definition, made_up_night(definition, 3, START, datetime.timedelta(hours=1), resends=2_000)


class House:
    """A site whose night is counted step by step; publishers are made on any store."""

    def __init__(self, folder: Path) -> None:
        definition, night = country()
        self.site = Site.create(folder / "site")
        self.site.define(definition)
        prepare_run(self.site, "night", "test")
        self.signer = self.site.signer()
        self._index, self._law = DefinitionIndex(definition), load_law(definition.law)
        self._runner = asyncio.Runner()
        self._night = iter(night)
        self._writers: list[StoreWriter] = []
        clock = RunClock(lambda: START, lambda: 0.0)
        ledger = SqliteLedger.create(self.site.ledger("night"), self.site.run("night").opened(START))
        self._counting = Counting(self.site.basis("night"), self.site.settings(), ledger, clock, lambda: 0.0)
        for series in SERIES:
            self.step(Ask(series, False, True))

    def step(self, step: Take | Ask | Hold) -> None:
        """Take protocols, ask for a release, or hold a contest, which lifts it when it is held."""
        if isinstance(step, Hold):
            contest = sorted(self._counting.index.contests)[step.contest % len(self._counting.index.contests)]
            body = (
                Lifted(contest, "test", START)
                if contest in self._counting.held
                else Held(contest, "why", "test", START)
            )
            self._runner.run(self._counting.step(body))
            return
        if isinstance(step, Take):
            brought = [due.taken_over for due in itertools.islice(self._night, step.protocols)]
            self._runner.run(self._counting.take(brought, ORIGIN))
        else:
            self._runner.run(self._counting.cut(step.series, START, step.batch, step.checkpoint))

    def publisher(self, store: Path, series: str) -> Publisher:
        """A publisher as it is when it was just started."""
        writer = StoreWriter(store, self.signer)
        self._writers.append(writer)
        return Publisher(
            self.site.series_key("night", series),
            SqliteReader(self.site.ledger("night")),
            Tally(self._index, self._law),
            WRITERS[series](self.site.basis("night")),
            Validator(),
            StoreReader(store),
            writer,
        )

    def publish(self, store: Path, series: str) -> list[int]:
        """Make all that is due with a publisher that is just started; the numbers of its releases."""
        publisher = self.publisher(store, series)
        made = publisher.catch_up()
        publisher.write_protocols()
        while publisher.write_checkpoint():
            pass
        return made

    def close(self) -> None:
        """End all threads."""
        self._runner.run(self._counting.close())
        self._runner.close()
        for writer in self._writers:
            writer.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose night is counted by :data:`STEPS`."""
    made = House(tmp_path)
    for step in STEPS:
        made.step(step)
    yield made
    made.close()


def files(store: Path) -> dict[str, bytes]:
    """Every file of a store by its path; what a killed writer left unfinished has no name yet."""
    found = (path for path in sorted(store.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(store)): path.read_bytes() for path in found}


_steps = st.lists(
    st.one_of(
        st.builds(Take, st.integers(0, 6)),
        st.builds(Hold, st.integers(0, 2)),
        st.builds(Ask, st.sampled_from(SERIES), st.booleans(), st.booleans()),
    ),
    max_size=10,
)


@settings(max_examples=8)
@given(_steps, st.lists(st.booleans(), min_size=10, max_size=10))
def test_step_by_step_equals_from_scratch(
    tmp_path_factory: pytest.TempPathFactory, steps: Steps, restarts: list[bool]
) -> None:
    """Published step by step, with or without restarts, a night gives the same bytes as from scratch in an empty store."""
    folder = tmp_path_factory.mktemp("night")
    house = House(folder)
    publishers = {series: house.publisher(folder / "steps", series) for series in SERIES}
    for step, restart in zip(steps, restarts, strict=False):
        house.step(step)
        for series, publisher in publishers.items():
            publisher.catch_up()
            if restart:
                publishers[series] = house.publisher(folder / "steps", series)
            else:
                publisher.write_checkpoint()
    for series in SERIES:
        house.publish(folder / "steps", series)
        house.publish(folder / "scratch", series)
    house.close()
    assert files(folder / "steps") == files(folder / "scratch")
    shutil.rmtree(folder)


@pytest.mark.parametrize(("series", "few"), [("skrutinium", 256), ("skrutinium", 0), ("volby", 0)])
def test_killed_at_any_write(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, series: str, few: int
) -> None:
    """Killed at any write, sync or renaming of a release and its checkpoint, the next publisher makes the same store of it."""
    monkeypatch.setattr(writing, "FEW", few)
    house.publish(tmp_path / "whole", series)
    expected = files(tmp_path / "whole")
    before = house.publisher(tmp_path / "before", series)
    for _ in range(2 if series == "skrutinium" else 3):
        before.catch_up(at_most=1)
        before.write_protocols()
        before.write_checkpoint()
    newest = StoreReader(tmp_path / "before").newest(before.key)
    assert newest is not None

    killed = 0
    for last in itertools.count():
        store = tmp_path / str(last)
        shutil.copytree(tmp_path / "before", store)
        if not _killed_after(last, house.publisher(store, series)):
            break
        killed += 1
        told = StoreReader(store).newest(before.key)
        assert told is not None
        assert told == newest or told.number == newest.number + 1
        _readable(StoreReader(store), house.publisher(store, series))
        house.publish(store, series)
        assert files(store) == expected
        shutil.rmtree(store)
    assert killed > 20


def _killed_after(writes: int, publisher: Publisher) -> bool:
    """Make one release and its checkpoint, but let nothing be written after so many writes; whether that killed it."""
    left = itertools.count(writes, -1)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (writing, "_fill"),
            (writing, "sync_folder"),
            (StoreWriter, "_sync"),
            (Path, "replace"),
        ):
            patch.setattr(owner, name, _dying(getattr(owner, name), left))
        try:
            publisher.catch_up(at_most=1)
            publisher.write_protocols()
            publisher.write_checkpoint()
        except Killed:
            return True
        finally:
            assert isinstance(publisher._store, StoreWriter)
            publisher._store.close()  # the threads of the dead must not write any more
    return False


def _dying(whole: Callable[..., Any], left: Iterator[int]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if next(left) <= 0:
            raise Killed
        return whole(*arguments, **named)

    return call


def _readable(reader: StoreReader, publisher: Publisher) -> None:
    """Everything that the newest release of a store consists of is there, and is what its name says."""
    for row in reader.snapshot(publisher.key, publisher.newest).values():
        assert len(reader.object(row.sha256)) == row.size
    assert gzip.decompress(reader.pack_gzip(publisher.key, publisher.newest))


@pytest.mark.parametrize("series", SERIES)
def test_snapshot_is_what_the_releases_lead_to(house: House, tmp_path: Path, series: str) -> None:
    """The snapshot of release n is what the releases from 1 to n lead to, with and without checkpoints; none is skipped."""
    made = house.publish(tmp_path / "store", series)
    reader, key = StoreReader(tmp_path / "store"), house.site.series_key("night", series)
    layout = Layout(tmp_path / "store")
    assert made == list(range(1, len(made) + 1))
    assert sorted(path.name for path in layout.manifest(key, 1).parent.glob("*.xml")) == [
        f"{number:09d}.xml" for number in made
    ]
    asked = [reader.manifest(key, number).checkpoint for number in made]
    assert reader.checkpoints(key) == tuple(itertools.compress(made, asked))
    applied: dict[str, ManifestRow] = {}
    for number in made:
        applied.update((row.path, row) for row in reader.manifest(key, number).rows)
        assert reader.snapshot(key, number) == applied


def test_checkpoint_waits_for_its_release(house: House, tmp_path: Path) -> None:
    """A release is out before its checkpoint is; when the publisher ends in between, the next one writes the same bytes."""
    house.publish(tmp_path / "whole", "skrutinium")
    publisher = house.publisher(tmp_path / "store", "skrutinium")
    publisher.catch_up()
    reader = StoreReader(tmp_path / "store")
    assert reader.newest(publisher.key) == StoreReader(tmp_path / "whole").newest(publisher.key)
    assert reader.checkpoints(publisher.key) == ()
    assert house.publish(tmp_path / "store", "skrutinium") == []
    assert files(tmp_path / "store") == files(tmp_path / "whole")


def test_strange_store_is_not_continued(house: House, tmp_path: Path) -> None:
    """A store whose newest release is not this site's, or was altered, is named and left as it is."""
    store, key = tmp_path / "store", house.site.series_key("night", "skrutinium")
    house.publish(store, "skrutinium")
    layout, newest = Layout(store), StoreReader(store).newest(key)
    assert newest is not None
    path = layout.manifest(key, newest.number)
    manifest, before = path.read_bytes(), files(store)
    signature_of(path).write_bytes(Signer.generate(tmp_path / "other").line(manifest))
    with pytest.raises(StoreDamaged, match="not signed with the key of this site"):
        house.publisher(store, "skrutinium")
    path.write_bytes(manifest.replace(b'state="interim"', b'state="certified"', 1) + b" ")
    with pytest.raises(StoreDamaged, match="not the manifest"):
        house.publisher(store, "skrutinium")
    assert files(store).keys() == before.keys()


def test_batches_hold_what_came_in(house: House, tmp_path: Path) -> None:
    """A batch of the series volby holds every protocol accepted since the batch before, in order, and no other."""
    house.publish(tmp_path / "store", "volby")
    reader, key = StoreReader(tmp_path / "store"), house.site.series_key("night", "volby")
    newest = reader.newest(key)
    assert newest is not None
    waiting: list[tuple[str, str]] = []
    due: dict[str, list[tuple[str, str]]] = {}
    with SqliteReader(house.site.ledger("night")) as ledger:
        for entry in ledger.entries():
            match entry.body:
                case Accepted(protocol=protocol):
                    waiting.append((protocol.contest, str(protocol.sequence)))
                case Cut(series="volby", batch=int(number)):
                    due[f"okrsky/vysledky_okrsky_{number:05d}.xml"] = waiting
                    waiting = []
                case _:
                    pass
    batches = {
        path: [
            (row.attrib["KODZASTUP"], row.attrib["PORADI_ZPRAC"])
            for row in etree.fromstring(reader.object(found.sha256)).iter("{*}OKRSEK")
        ]
        for path, found in reader.snapshot(key, newest.number).items()
        if path.startswith("okrsky/")
    }
    assert batches == due
    assert len(due) == 3
    assert all(due.values())


def test_protocols_are_objects(house: House, tmp_path: Path) -> None:
    """The bytes taken over of every published protocol lie under the hash that its batch names, and are exactly these."""
    publisher = house.publisher(tmp_path / "store", "skrutinium")
    publisher.catch_up()  # killed before the protocols of the newest release were written
    house.publish(tmp_path / "store", "skrutinium")
    reader = StoreReader(tmp_path / "store")
    found = 0
    for number in range(1, publisher.newest + 1):
        for row in reader.manifest(publisher.key, number).rows:
            if row.path.startswith("batch/"):
                for protocol in etree.fromstring(reader.object(row.sha256)):
                    taken = protocol.findtext("{urn:skrutinium:1}taken-over") or ""
                    assert reader.object(protocol.get("sha256", "")) == base64.b64decode(taken)
                    found += 1
    assert found == min(28, len(country()[1]))
