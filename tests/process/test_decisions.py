"""What people decide about a run: two persons, holding and lifting, declaring, opening again weeks later."""

import asyncio
import datetime
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skrutinium.verifying.night import open_source, verify
from skrutinium_server.authority.model import (
    ContestHeld,
    ContestLifted,
    RunClosed,
    RunDeclared,
    RunOpened,
    RunReopened,
)
from skrutinium_server.authority.persons import Authority
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.formats.csv_set import write_set
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.intake.reading import read_path
from skrutinium_server.process.house import House
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_protocols
from skrutinium_server.release.store.reading import StoreReader

SEED = 3
START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
MADE_UP = made_up_definition(SEED, SMALL)
DEFINITION: Definition = msgspec.structs.replace(MADE_UP, made_up=False)
PROTOCOLS = tuple(made_up_protocols(MADE_UP, SEED, START, datetime.timedelta(hours=1), 0))
PASSPHRASES = {"j.novakova": "slepice v trave spi", "p.dvorak": "kocour na strese mnouka"}
RUN = "night"
pytestmark = [
    pytest.mark.blocking("looks at files beside the counting house"),
    pytest.mark.timeout(900),
]


class Clock:
    """The wall's time, as told."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime.datetime:
        return self.time


def records(folder: Path, protocols: tuple[Protocol, ...]) -> list[Any]:
    """Protocols as a request brings them."""
    name = hashlib.sha256(msgspec.msgpack.encode(protocols)).hexdigest()[:12]
    (folder / name).mkdir(exist_ok=True)
    for file, data in write_set(protocols, load_law(DEFINITION.law)).items():
        (folder / name / file).write_bytes(data)
    site = Site(folder / "site")
    law = load_law(DEFINITION.law)
    brought = read_path("csv", folder / name, law, site.basis(RUN).index)
    return [msgspec.to_builtins(one.taken_over, builtin_types=(bytes,)) for one in brought]


def made(folder: Path) -> Site:
    site = Site.create(folder / "site")
    site.define(DEFINITION)
    authority = Authority(site.root, who="test")
    for name, passphrase in PASSPHRASES.items():
        authority.add_person(name, "operator", passphrase)
    return site


def proof(name: str) -> dict[str, str]:
    return {"by": name, "passphrase": PASSPHRASES[name]}


FIRST, SECOND = proof("j.novakova"), proof("p.dvorak")


async def both(house: House, **request: Any) -> dict[str, Any]:
    """One person asks, the other confirms."""
    asked = await house.answer({**request, "run": RUN, **FIRST})
    assert "pending" in asked, asked
    return await house.answer({"do": "confirm", "run": RUN, **SECOND})


async def take(house: House, brought: list[Any], **more: Any) -> dict[str, Any]:
    return await house.answer({"do": "take", "run": RUN, "records": brought, **more})


async def agreed(site: Site) -> int:
    """The store agrees with what its protocols add up to; how many count."""
    async with open_source(str(site.store)) as source:
        report = await verify(source)
    assert report.differences == []
    return report.counting


async def until_out(house: House) -> None:
    answer = await house.answer({"do": "cut", "run": RUN})
    assert answer["ok"], answer


def document(site: Site, path: str, series: str = "skrutinium") -> bytes:
    reader, key = StoreReader(site.store), site.series_key(RUN, series)
    newest = reader.newest(key)
    assert newest is not None
    return reader.object(reader.snapshot(key, newest.number)[path].sha256)


def state(site: Site) -> str:
    reader, key = StoreReader(site.store), site.series_key(RUN, "skrutinium")
    newest = reader.newest(key)
    assert newest is not None
    return reader.manifest(key, newest.number).state


async def test_live_run_takes_two_persons(tmp_path: Path) -> None:
    """One person's request opens nothing; the same person cannot confirm it, nor anybody after a quarter of an hour."""
    site = await asyncio.to_thread(made, tmp_path)
    clock = Clock()
    house = House(site, cutting=False, wall=clock)
    open_it = {"do": "open", "run": RUN, "phase": "live"}
    confirm = {"do": "confirm", "run": RUN}
    await house.start()
    try:
        assert (await house.answer(open_it))["error"] == "decision"
        assert (await house.answer({**open_it, **FIRST, "passphrase": "a wrong passphrase"}))[
            "error"
        ] == "not-authenticated"
        assert (await house.answer({**confirm, **SECOND}))["error"] == "decision"
        assert "pending" in await house.answer({**open_it, **FIRST})
        same = await house.answer({**confirm, **FIRST})
        assert same["error"] == "decision"
        assert "another person" in same["message"]
        assert not site.ledger(RUN).exists()
        clock.time += datetime.timedelta(minutes=15)
        assert "valid until" in (await house.answer({**confirm, **SECOND}))["message"]
        answer = await both(house, do="open", phase="live")
        assert answer["persons"] == ["j.novakova", "p.dvorak"]
        (run,) = (await asyncio.to_thread(site.told)).values()
        assert run.not_before == load_law(DEFINITION.law).not_before(DEFINITION.date or START.date())
        again = await house.answer({**confirm, **SECOND})
        assert again["error"] == "decision"
        beside = await house.answer({"do": "open", "run": "try", "phase": "test"})
        assert "live run" in beside["message"]
    finally:
        await house.stop()
    (opened,) = [entry for entry in Authority(site.root).log.entries() if isinstance(entry.event, RunOpened)]
    assert opened.event == RunOpened(RUN, DEFINITION.event, "live", ("j.novakova", "p.dvorak"))
    kept = b"".join(path.read_bytes() for path in site.root.rglob("*") if path.is_file())
    assert not any(passphrase.encode() in kept for passphrase in PASSPHRASES.values())


async def test_another_definition_needs_another_request(tmp_path: Path) -> None:
    """What the second person confirms is what the first one saw: a definition that changed in between is refused."""
    site = await asyncio.to_thread(made, tmp_path)
    house = House(site, cutting=False, wall=Clock())
    await house.start()
    try:
        await house.answer({"do": "open", "run": RUN, "phase": "live", **FIRST})
        other = msgspec.structs.replace(DEFINITION, name="Another name")
        await asyncio.to_thread(site.define, other)
        refused = await house.answer({"do": "confirm", "run": RUN, **SECOND})
    finally:
        await house.stop()
    assert refused["error"] == "decision"
    assert "definition was changed" in refused["message"]


async def test_own_minute_needs_a_reason(tmp_path: Path) -> None:
    """A minute that is not the law's is taken with its reason only, and stands in the state file."""
    site = await asyncio.to_thread(made, tmp_path)
    house = House(site, cutting=False, wall=Clock())
    await house.start()
    try:
        told = {"do": "open", "phase": "live", "not_before": "2030-10-06T16:00:00+02:00"}
        await house.answer({**told, "run": RUN, **FIRST})
        assert "reason" in (await house.answer({"do": "confirm", "run": RUN, **SECOND}))["message"]
        answer = await both(house, **told, not_before_reason="a precinct votes longer")
        assert answer["not_before"] == "2030-10-06T14:00:00+00:00"
    finally:
        await house.stop()
    assert site.run(RUN).not_before_reason == "a precinct votes longer"
    assert site.told()[RUN].not_before == datetime.datetime(2030, 10, 6, 14, tzinfo=datetime.UTC)


async def test_held_contest_waits_and_comes_when_lifted(tmp_path: Path) -> None:
    """What comes in for a held contest is taken over but not published; lifted, it is in the next release and batch."""
    site = await asyncio.to_thread(made, tmp_path)
    house = House(site, cutting=False, wall=Clock())
    contest = PROTOCOLS[0].contest
    others = tuple(row for row in PROTOCOLS if row.contest != contest)
    own = tuple(row for row in PROTOCOLS if row.contest == contest)
    await house.start()
    try:
        assert (await house.answer({"do": "open", "run": RUN, "phase": "test"}))["ok"]
        brought = await asyncio.to_thread(records, tmp_path, own)
        assert (await take(house, brought[:1]))["accepted"] == 1
        await until_out(house)
        held = await house.answer(
            {"do": "hold", "run": RUN, "contest": contest, "reason": "Two boxes were mixed up."}
        )
        assert held["ok"], held
        assert b'held="Two boxes were mixed up."' in await asyncio.to_thread(
            document, site, f"contest/{contest}.xml"
        )
        assert (await house.answer({"do": "hold", "run": RUN, "contest": contest, "reason": "x"}))[
            "error"
        ] == "ledger-held"
        assert (await house.answer({"do": "hold", "run": RUN, "contest": "none", "reason": "x"}))[
            "error"
        ] == "run"
        assert (await take(house, brought[1:]))["accepted"] == len(own) - 1
        assert (await take(house, await asyncio.to_thread(records, tmp_path, others)))["refused"] == 0
        await until_out(house)
        assert await agreed(site) == len(PROTOCOLS) - len(own) + 1
        assert await asyncio.to_thread(state, site) == "interim"
        refused = await house.answer(
            {"do": "declare", "run": RUN, "state": "final", "reason": "x", "authority": "y"}
        )
        assert contest in refused["message"]
        assert (await house.answer({"do": "lift", "run": RUN, "contest": contest}))["ok"]
        assert b"held=" not in await asyncio.to_thread(document, site, f"contest/{contest}.xml")
        await until_out(house)
        assert await asyncio.to_thread(state, site) == "complete"
        assert await agreed(site) == len(PROTOCOLS)
        assert (await house.answer({"do": "lift", "run": RUN, "contest": contest}))["error"] == "ledger-held"
    finally:
        await house.stop()
    events = [type(entry.event) for entry in Authority(site.root).log.entries()]
    assert events[-3:] == [RunOpened, ContestHeld, ContestLifted]


def changed(protocol: Protocol) -> Protocol:
    """The same protocol with one vote less for its first list, sent later."""
    first, *rest = protocol.lists
    candidates = first.candidates
    if candidates is not None:
        place = next(place for place, (_, votes) in enumerate(candidates) if votes)
        row = (candidates[place][0], candidates[place][1] - 1)
        candidates = (*candidates[:place], row, *candidates[place + 1 :])
    fewer = ListVotes(first.number, first.votes - 1, candidates)
    figures = {**protocol.figures, "valid-votes": protocol.figures["valid-votes"] - 1}
    return msgspec.structs.replace(
        protocol, sequence=10**6, figures=figures, lists=(fewer, *rest), repeated=False
    )


async def test_court_changes_certified_results_weeks_later(tmp_path: Path) -> None:
    """Certified, closed, opened again weeks later: the change by a court says old, new, reason, authority and entry."""
    site = await asyncio.to_thread(made, tmp_path)
    clock = Clock()
    house = House(site, cutting=False, wall=clock)
    reason, authority = "court-order", "Regional Court, 52 A 1/2030"
    declare = {
        "do": "declare",
        "reason": "established by the commission",
        "authority": "State Election Commission",
    }
    await house.start()
    try:
        assert (await both(house, do="open", phase="live"))["ok"]
        assert (await take(house, await asyncio.to_thread(records, tmp_path, PROTOCOLS)))["refused"] == 0
        early = await house.answer({**declare, "run": RUN, "state": "certified", **FIRST})
        assert early["error"] == "ledger-state"
        assert "expected final" in early["message"]
        for word in ("final", "certified"):
            assert (await both(house, **declare, state=word))["ok"]
            assert await asyncio.to_thread(state, site) == word
            assert f'state="{word}"'.encode() in await asyncio.to_thread(document, site, "event.xml")
        assert (await both(house, do="close"))["ok"]
    finally:
        await house.stop()
    clock.time += datetime.timedelta(weeks=7)
    house = House(site, cutting=False, wall=clock)
    await house.start()
    try:
        assert (await take(house, []))["error"] == "run"
        reopened = await both(house, do="reopen", reason="A court ordered a change.", authority=authority)
        assert reopened["ok"], reopened
        assert site.told()[RUN].open
        brought = await asyncio.to_thread(records, tmp_path, (changed(PROTOCOLS[0]),))
        imported = await take(house, brought)
        assert (imported["accepted"], imported["refused"]) == (0, 1)
        assert "the results are declared" in imported["reasons"][0]
        told = {"do": "correct", "run": RUN, "reason": reason, "authority": authority}
        assert (await house.answer({**told, "records": brought}))["error"] == "decision"
        known = await asyncio.to_thread(records, tmp_path, PROTOCOLS[:1])
        assert (await take(house, known))["duplicates"] == 1
        late = await house.answer({**told, **FIRST, "records": known})
        assert late["error"] == "correction"
        assert "sequence" in late["message"]
        corrected = await both(house, **{**told, "records": brought})
        assert corrected["corrected"] == 1, corrected
        assert corrected["persons"] == ["j.novakova", "p.dvorak"]
        assert await asyncio.to_thread(state, site) == "corrected"
        reader, key = StoreReader(site.store), site.series_key(RUN, "skrutinium")
        newest = await asyncio.to_thread(reader.newest, key)
        assert newest is not None
        correction = (await asyncio.to_thread(document, site, f"corrections/{newest.number}.xml")).decode()
        valid = PROTOCOLS[0].figures["valid-votes"]
        for said in (
            f'reason="{reason}"',
            f'authority="{authority}"',
            f'old="{valid}" new="{valid - 1}"',
            'supersedes="',
        ):
            assert said in correction
        assert b'state="corrected"' in await asyncio.to_thread(
            document, site, f"precinct/{PROTOCOLS[-1].precinct}.xml"
        )
        assert await agreed(site) == len(PROTOCOLS)
        assert (await both(house, do="close"))["ok"]
    finally:
        await house.stop()
    assert not site.told()[RUN].open
    events = [entry.event for entry in Authority(site.root).log.entries() if hasattr(entry.event, "run")]
    assert list(map(type, events)) == [RunOpened, RunDeclared, RunDeclared, RunClosed, RunReopened, RunClosed]
    assert await agreed(site) == len(PROTOCOLS)
