"""Nights from wherever they lie: what is replayed is what was taken over, with the definition that was voted by."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from skrutinium.mirroring.keeping import opened
from skrutinium.mirroring.mirror import Wanted
from skrutinium_server.election.canonical import canonical
from skrutinium_server.election.formats.csv_set import write_set
from skrutinium_server.election.law import law_ids, load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import TakenOver
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.opening import prepare_run
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands
from skrutinium_server.process.state import write_state
from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.made_up import Rates, made_up_correction, made_up_second_round, taken_over
from skrutinium_server.rehearsal.nights import (
    About,
    Night,
    keep_night,
    kept_due,
    of_ledger,
    of_recording,
    of_seed,
    of_store,
)
from skrutinium_server.rehearsal.nights.store import published_definition
from skrutinium_server.rehearsal.playing import play_through
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.registers import RegistersReader

LAW = "cz-senate-2018"
RUN = "first"


def taken(due: Iterable[Due]) -> list[TakenOver]:
    return [one.taken_over for one in due]


@pytest.fixture(scope="module")
def night() -> Night:
    return of_seed(LAW, 12, 4, Rates())


@pytest.fixture(scope="module")
def correction(night: Night) -> TakenOver:
    law = load_law(LAW)
    return taken_over(made_up_correction(read_protocol(night.due[0].taken_over, law), 900_000), law)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, night: Night, correction: TakenOver) -> Site:
    """A site whose run took the night in, with a correction at its end; closed."""
    site = Site.create(tmp_path_factory.mktemp("nights") / "site")
    site.define(night.definition)

    async def bring() -> None:
        async with commands(site) as house:
            begins = night.due[0].at.isoformat()
            await house.ask(do="open", run=RUN, phase="rehearsal", begins=begins)
            await play_through(house.ask, RUN, night.due, 100_000, "test")
            told = {"reason": "recount", "authority": "Commission", "by": "test"}
            await house.ask(do="correct", run=RUN, records=[correction], **told)
            await house.ask(do="close", run=RUN)

    asyncio.run(bring())
    return site


@pytest.fixture
def copy(site: Site, tmp_path: Path) -> Site:
    """A site of which something can be taken away."""
    shutil.copytree(site.root, tmp_path / "site")
    return Site(tmp_path / "site")


def check(found: Night, night: Night, correction: TakenOver) -> None:
    """The night with its correction, in order, and the definition to the byte."""
    assert canonical(found.definition) == canonical(night.definition)
    assert taken(found.due) == [*taken(night.due), correction]
    assert [one.at for one in found.due] == sorted(one.at for one in found.due)
    told = {(one.reason, one.authority) for one in found.due[:-1]}
    assert told == {(None, None)}
    assert (found.due[-1].reason, found.due[-1].authority) == ("recount", "Commission")
    assert "first" in found.source or "recording" in found.source


# ------------------------------------------------------------------ where they come from
def test_night_of_a_ledger(site: Site, night: Night, correction: TakenOver) -> None:
    """A ledger tells every protocol with its time, and why one was corrected; by the file or by the folder of its run."""
    check(of_ledger(site.ledger(RUN)), night, correction)
    check(of_ledger(site.run_folder(RUN)), night, correction)


def test_night_of_a_release_store(site: Site, night: Night, correction: TakenOver) -> None:
    """What was published is enough: the same bytes, reasons and definition, without the ledger."""
    check(of_store(site.store), night, correction)
    check(of_store(site.store, RUN), night, correction)


async def test_night_of_a_recording(site: Site, night: Night, correction: TakenOver, tmp_path: Path) -> None:
    """A mirror that the SDK made of all releases holds the whole night."""
    folder = tmp_path / "recording"
    async with opened(str(site.store), folder, Wanted(whole=True)) as mirror:
        await mirror.update()
    check(await asyncio.to_thread(of_recording, folder), night, correction)


async def test_replayed_night_is_the_same_night_again(site: Site, tmp_path: Path) -> None:
    """The night of a ledger, replayed into another run, gives the same bytes, times and reasons in its ledger."""
    night = await asyncio.to_thread(of_ledger, site.ledger(RUN))
    other = await asyncio.to_thread(Site.create, tmp_path / "other")
    await asyncio.to_thread(other.define, night.definition)
    async with commands(other) as house:
        begins = night.due[0].at.isoformat()
        await house.ask(do="open", run="again", phase="test", begins=begins)
        await play_through(house.ask, "again", night.due, 100_000, "test")

    def bodies(site: Site, run: str) -> list[tuple[object, ...]]:
        with SqliteReader(site.ledger(run)) as reader:
            found = [entry.body for entry in reader.entries() if isinstance(entry.body, Accepted)]
        return [(body.data_sha256, body.version, body.reason, body.authority) for body in found]

    assert await asyncio.to_thread(bodies, other, "again") == await asyncio.to_thread(bodies, site, RUN)


def test_kept_night_is_the_same_night(site: Site, tmp_path: Path) -> None:
    """What a sandbox keeps reads back as it was; what was changed is refused."""
    night = of_ledger(site.ledger(RUN))
    keep_night(night, tmp_path / "night")
    definition = night.definition
    about, due = kept_due(tmp_path / "night")
    assert (about, due) == (About(definition.event, definition.law, night.source), night.due)
    file = tmp_path / "night" / "protocols.msgpack.z"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(NightError, match="Remove the sandbox and add it again"):
        kept_due(tmp_path / "night")


def definitions() -> list[Definition]:
    found = [of_seed(law, 24, seed).definition for law in law_ids() for seed in (1, 2)]
    return [*found, made_up_second_round(of_seed("cz-senate-2018", 24, 3).definition, 3)]


@pytest.mark.parametrize("definition", definitions(), ids=lambda one: f"{one.law}-{one.event}")
def test_published_registers_are_the_whole_definition(definition: Definition, tmp_path: Path) -> None:
    """Whatever the law and the round, the registers read back as the definition to the byte, also of an older version."""
    site = Site.create(tmp_path / "site")
    site.define(definition)
    first = site.definitions(definition.event).newest()
    assert first is not None
    publish_registers(site, first, wall_time())
    assert canonical(published_definition(site.store, definition.event, 1)) == canonical(first)
    site.define(renamed(definition))
    second = site.definitions(definition.event).newest()
    assert second is not None
    publish_registers(site, second, wall_time())
    assert canonical(published_definition(site.store, definition.event, 1)) == canonical(first)
    assert canonical(published_definition(site.store, definition.event, 2)) == canonical(second)


def renamed(definition: Definition) -> Definition:
    """A later version: one contest has another name."""
    row = msgspec.structs.replace(definition.contests[0], name="Renamed (made up)")
    return msgspec.structs.replace(definition, contests=(row, *definition.contests[1:]))


# ------------------------------------------------------------------ what cannot be replayed
def test_live_run_that_is_open_is_never_replayed(tmp_path: Path, night: Night) -> None:
    """Neither by its ledger nor by its store may anything of it be seen at another place."""
    site = Site.create(tmp_path / "site")
    site.define(msgspec.structs.replace(night.definition, made_up=False))
    record = prepare_run(site, RUN, "live")
    asyncio.run(SqliteLedger.create(site.ledger(RUN), record.opened(wall_time())).close())
    write_state(site, opened=RUN, now=wall_time())
    for read, path in ((of_ledger, site.ledger(RUN)), (of_store, site.store)):
        with pytest.raises(NightError, match="is live and still open") as caught:
            read(path)
        assert caught.value.code == "night-open"


def test_run_without_protocols_is_no_night(tmp_path: Path, night: Night) -> None:
    """A run that has only been opened has nothing to replay, and no release that could be read."""
    site = Site.create(tmp_path / "site")
    site.define(night.definition)
    record = prepare_run(site, RUN, "test")
    asyncio.run(SqliteLedger.create(site.ledger(RUN), record.opened(wall_time())).close())
    with pytest.raises(NightError, match="holds no protocol"):
        of_ledger(site.ledger(RUN))
    write_state(site, opened=RUN, now=wall_time())
    with pytest.raises(NightError, match="no release of the run 'first'"):
        of_store(site.store)


def test_missing_parts_are_told(copy: Site) -> None:
    """A store that lacks a batch, a release, its registers, or the run is refused with what is missing."""
    with pytest.raises(NightError, match=r"no run 'other' \(runs: first\)"):
        of_store(copy.store, "other")
    layout = StoreReader(copy.store).layout
    key = copy.series_key(RUN, "skrutinium")
    batch = next(
        row for row in StoreReader(copy.store).manifest(key, 2).rows if row.path.startswith("batch/")
    )
    layout.object(batch.sha256).unlink()
    with pytest.raises(NightError, match=r"lacks batch/2\.xml"):
        of_store(copy.store)
    layout.manifest(key, 2).unlink()
    with pytest.raises(NightError, match="Release 2 of the run 'first' is missing"):
        of_store(copy.store)
    shutil.rmtree(layout.registers(key.event))
    with pytest.raises(NightError, match="skrutinium pull --all"):
        of_store(copy.store)
    shutil.rmtree(copy.root / "definition")
    with pytest.raises(NightError, match="Name a ledger that lies in its site"):
        of_ledger(copy.ledger(RUN))


def test_registers_of_another_definition_are_refused(copy: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that do not add up to the definition whose hash stands beside them are not used."""
    definition = copy.definitions(copy.run(RUN).event).newest()
    assert definition is not None
    told = write_set(renamed(definition))["contests.csv"]
    whole = RegistersReader.document
    monkeypatch.setattr(
        RegistersReader,
        "document",
        lambda self, row: told if row.path == "csv-set/contests.csv" else whole(self, row),
    )
    with pytest.raises(NightError, match="are not the definition 1") as caught:
        of_store(copy.store)
    assert caught.value.code == "night-definition"


def test_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    """What is neither a ledger nor the folder of a run is refused by its name."""
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(NightError, match="is no ledger and no folder of a run"):
            of_ledger(path)


@pytest.mark.parametrize(("law", "precincts"), [("cz-municipal-2018", 2), ("no-such-law", 60)])
def test_night_that_cannot_be_made_up(law: str, precincts: int) -> None:
    """Too small, or by a law that nobody knows: the reason is told."""
    with pytest.raises(NightError, match="cannot be made up"):
        of_seed(law, precincts, 1)
