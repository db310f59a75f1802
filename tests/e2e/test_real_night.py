"""The night of 2018 through the real commands and processes, to a newsroom that follows and one that polls volby."""

import asyncio
import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from lxml import etree

import skrutinium
from tests.e2e.at_work import PROGRAM, command, published, real_site, served, skrutinium_command

pytestmark = pytest.mark.timeout(900)

SPEED = 4800
PROTOCOLS, REPORTED, EXPECTED = 16_090, 16_065, 16_903
FILES = "/appdata/kv2018/20181005/odata"
PLS = "/pls/kv2018"
FIGURES = ("ZAPSANI_VOLICI", "VYDANE_OBALKY", "ODEVZDANE_OBALKY", "PLATNE_HLASY")
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)

Record = tuple[dict[str, str], dict[str, str], tuple[dict[str, str], ...]]


@dataclasses.dataclass(frozen=True)
class Seen:
    """One release as the newsroom's loop saw it."""

    number: int
    snapshot: bool
    expected: int
    reported: int
    event: skrutinium.EventResults
    protocols: tuple[skrutinium.Protocol, ...]


class Follower:
    """A newsroom's program: it reads every release, and remembers in a state file what it has done."""

    def __init__(self, url: str, state: Path) -> None:
        self.seen: list[Seen] = []
        self._url = url
        self._state = state
        self._came = asyncio.Condition()
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async with skrutinium.connect(self._url, phase="rehearsal", state=self._state) as feed:
            async for release in feed.releases():
                batch = await release.batch()
                told = Seen(
                    release.number,
                    release.snapshot,
                    release.expected,
                    release.reported,
                    await release.event(),
                    batch.protocols if batch else (),
                )
                async with self._came:
                    self.seen.append(told)
                    self._came.notify_all()

    async def until(self, number: int, reported: int) -> None:
        """Wait until a release with that number or a later one, and so many protocols, was seen."""
        async with self._came:
            enough = asyncio.create_task(self._wait(number, reported))
        await asyncio.wait({enough, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not enough.done():
            enough.cancel()
            await self._task
            raise AssertionError("the loop over releases ended by itself")

    async def _wait(self, number: int, reported: int) -> None:
        async with self._came:
            await self._came.wait_for(
                lambda: (
                    bool(self.seen) and self.seen[-1].number >= number and self.seen[-1].reported >= reported
                )
            )

    async def cancel(self) -> None:
        """End it in the middle of whatever it does."""
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task


@dataclasses.dataclass(frozen=True)
class Night:
    """The replayed night: where it is served, what the two clients saw, and what was done in between."""

    url: str
    batches: Path
    first: list[Seen]
    done: int
    second: list[Seen]
    said: str


async def _until(number: int, url: str) -> None:
    """Wait until a release can be read."""
    async with aiohttp.ClientSession(url) as session:
        while await published(session, "kv2018") < number:  # noqa: ASYNC110 - another process publishes
            await asyncio.sleep(0.05)


async def _in_time(work: Awaitable[None]) -> None:
    await asyncio.wait_for(work, 400)


async def _replayed(site: Path, url: str, batches: Path, state: Path) -> Night:
    first = Follower(url, state)
    await _in_time(first.until(1, 0))
    replay = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("replay", str(site), "night", "--format", "volby-batches", str(batches), "--speed", str(SPEED)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    await _in_time(first.until(3, PROTOCOLS // 8))
    await first.cancel()
    # The night goes on while nobody follows: the second client has a gap to close.
    await _in_time(_until(first.seen[-1].number + 3, url))
    done = json.loads(state.read_text())["number"]
    second = Follower(url, state)
    said, _ = await replay.communicate()
    assert replay.returncode == 0, said.decode()
    async with aiohttp.ClientSession(url) as session:
        newest = await published(session, "kv2018")
    await _in_time(second.until(newest, REPORTED))
    await second.cancel()
    return Night(url, batches, first.seen, done, second.seen, said.decode())


@pytest.fixture(scope="module")
def night(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """The whole night, still being served."""
    folder = tmp_path_factory.mktemp("night")
    site = real_site(folder / "site", shared_data)
    batches = shared_data / "volby" / "kv2018" / "batches"
    with served(site) as url:
        command("run", "open", site, "night", "--phase", "rehearsal")
        yield asyncio.run(_replayed(site, url, batches, folder / "state.json"))


# ----------------------------------------------------------------- the newsroom that follows
def test_every_release_was_seen_in_order(night: Night) -> None:
    """The first client sees every release from the first on; the second goes on after the last one done, and skips none."""
    first, second = [[one.number for one in seen] for seen in (night.first, night.second)]

    assert first == list(range(1, len(first) + 1))
    assert night.done in (first[-1] - 1, first[-1])
    assert second == list(range(night.done + 1, second[-1] + 1))
    assert len(first) >= 3
    assert len(second) >= 3
    assert [one.snapshot for one in [*night.first, *night.second]] == [True] + [False] * (
        len(first) + len(second) - 1
    )


def test_releases_tell_the_night(night: Night) -> None:
    """Releases go from nothing reported to 16,065 of 16,903, never back, and hold all 16,090 protocols once."""
    whole = {one.number: one for one in [*night.first, *night.second]}
    reported = [whole[number].reported for number in sorted(whole)]

    assert reported[0] == 0
    assert reported == sorted(reported)
    assert reported[-1] == REPORTED
    assert {one.expected for one in whole.values()} == {EXPECTED}
    for one in whole.values():
        assert sum(kind.count.reported for kind in one.event.kinds) == one.reported
    entries = [row.entry for number in sorted(whole) for row in whole[number].protocols]
    assert len(entries) == PROTOCOLS
    assert entries == sorted(set(entries))
    assert f"{PROTOCOLS} protocols brought: {PROTOCOLS} taken over, 0 known already, 0 refused." in night.said


def test_no_seats_are_told(night: Night) -> None:
    """Numbers of candidates are unknown, so no contest is decided and no seat is told."""
    for kind in night.second[-1].event.kinds:
        assert (kind.decided, kind.seats_decided) == (0, 0)
        assert not any(committee.seats for committee in kind.committees)


def test_verify_agrees(night: Night) -> None:
    """``skrutinium verify URL`` adds the whole night up again, agrees and ends with exit code 0."""
    report = json.loads(skrutinium_command("verify", night.url, "--json"))

    assert report["agrees"] is True
    assert (report["protocols"], report["counting"], report["expected"]) == (PROTOCOLS, REPORTED, EXPECTED)
    assert report["reread"] == PROTOCOLS
    assert report["releases"] == night.second[-1].number


# ----------------------------------------------------------------- the newsroom that polls volby
def tree(data: bytes) -> etree._Element:
    return etree.fromstring(data, PARSER)


def records(document: etree._Element) -> list[Record]:
    """Every attribute of every record of a batch."""
    found = []
    for record in document.iter("{*}OKRSEK"):
        turnout, *votes = record
        found.append((dict(record.attrib), dict(turnout.attrib), tuple(dict(row.attrib) for row in votes)))
    return found


class Added:
    """Records added up: of one precinct and council the highest PORADI_ZPRAC counts."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str, str], Record] = {}

    def take(self, brought: list[Record]) -> None:
        for record in brought:
            head = record[0]
            key = (head["CIS_OBEC"], head["CIS_OKRSEK"], head["KODZASTUP"])
            before = self._newest.get(key)
            if before is None or int(before[0]["PORADI_ZPRAC"]) < int(head["PORADI_ZPRAC"]):
                self._newest[key] = record

    def turnout(self, unit: str) -> dict[str, Counter[str]]:
        """OKRSKY_ZPRAC and figures by the value of an attribute of the records."""
        sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for head, turnout, _ in self._newest.values():
            sums[head[unit]]["OKRSKY_ZPRAC"] += 1
            sums[head[unit]].update({name: int(turnout[name]) for name in FIGURES})
        return sums

    def votes(self) -> dict[tuple[str, str], Counter[str]]:
        """Votes of the lists of every district of every council."""
        sums: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for head, _, rows in self._newest.values():
            place = (head["KODZASTUP"], head["CIS_OBVODU"])
            sums[place].update({row["POR_STR_HLAS_LIST"]: int(row["HLASY"]) for row in rows})
        return sums

    def __len__(self) -> int:
        return len(self._newest)


def figures(turnout: etree._Element) -> dict[str, int]:
    return {name: int(turnout.attrib[name]) for name in ("OKRSKY_ZPRAC", *FIGURES)}


class Volby:
    """Polls the addresses of volby.cz and validates all that comes."""

    def __init__(self, session: aiohttp.ClientSession, xsd: Path) -> None:
        self._session = session
        self._schemas = {
            path.stem.removeprefix("kv_").upper(): etree.XMLSchema(etree.parse(path, PARSER))
            for path in xsd.glob("kv_*.xsd")
        }

    async def get(self, path: str, status: int = 200) -> bytes:
        """One document; asked for again with its ETag the answer is 304."""
        async with self._session.get(path) as answer:
            body, etag = await answer.read(), answer.headers.get("ETag")
            assert answer.status == status, path
        root = tree(body)
        self._schemas[etree.QName(root).localname].assertValid(root)
        if status == 200 and root[0].tag != "{http://www.volby.cz/kv/}CHYBA":
            assert etag is not None
            async with self._session.get(path, headers={"If-None-Match": etag}) as again:
                assert (again.status, await again.read()) == (304, b""), path
        return body

    async def both(self, file: str, procedure: str) -> etree._Element:
        """A document at both of its addresses: the same bytes."""
        body = await self.get(f"{FILES}/{file}")
        assert await self.get(f"{PLS}/{procedure}") == body, (file, procedure)
        return tree(body)


def batch_number(document: etree._Element) -> int:
    return int(document[0].attrib["PORADI_DAVKY"])


async def all_batches(volby: Volby) -> list[etree._Element]:
    """As clients do it: the alias tells how many there are, and every one is fetched, in both shapes."""
    newest = await volby.both("okrsky/vysledky_okrsky.xml", "vysledky_okrsky?davka=")
    found = [
        await volby.both(
            f"okrsky/vysledky_okrsky_{number:05d}.xml", f"vysledky_okrsky?datumvoleb=20181005&davka={number}"
        )
        for number in range(1, batch_number(newest) + 1)
    ]
    assert etree.tostring(found[-1]) == etree.tostring(newest)
    return found


def source_records(night: Night) -> list[Record]:
    return [one for path in sorted(night.batches.glob("*.xml")) for one in records(tree(path.read_bytes()))]


@pytest.fixture
def xsd(repository: Path) -> Path:
    return repository / "xsd" / "volby" / "1"


async def test_batches_carry_the_facts_of_the_source(night: Night, xsd: Path) -> None:
    """In both shapes our batches hold the 16,090 records of the source, attribute by attribute, numbered from 1 without gaps."""
    async with aiohttp.ClientSession(night.url) as session:
        batches = await all_batches(Volby(session, xsd))
    ours = [one for batch in batches for one in records(batch)]

    assert [batch_number(batch) for batch in batches] == list(range(1, len(batches) + 1))
    assert len(batches) > 20
    assert len(ours) == PROTOCOLS
    by_order = sorted(source_records(night), key=lambda one: int(one[0]["PORADI_ZPRAC"]))
    assert sorted(ours, key=lambda one: int(one[0]["PORADI_ZPRAC"])) == by_order
    assert any(head["OPAKOVANE"] == "1" for head, _, _ in ours)
    for batch in batches:
        head, own = batch[0].attrib, records(batch)
        assert (int(head["OKRSKY_DAVKA"]), head["OKRSKY_CELKEM"]) == (len(own), str(EXPECTED))
        order = [int(one[0]["PORADI_ZPRAC"]) for one in own]
        assert order == sorted(set(order))
        assert max(one[0]["DATUM_CAS_ZPRAC"] for one in own) <= batch.attrib["DATUM_CAS_GENEROVANI"]
    stamps = [batch.attrib["DATUM_CAS_GENEROVANI"] for batch in batches]
    assert all(before < after for before, after in pairwise(stamps))


async def test_outside_of_the_batches_is_chyba(night: Night, xsd: Path) -> None:
    """Past the newest batch and before the first there is a CHYBA document: 404 from files, 200 from procedures."""
    async with aiohttp.ClientSession(night.url) as session:
        volby = Volby(session, xsd)
        past = batch_number(tree(await volby.get(f"{FILES}/okrsky/vysledky_okrsky.xml"))) + 1
        answers = [
            await volby.get(f"{FILES}/okrsky/vysledky_okrsky_{past:05d}.xml", 404),
            await volby.get(f"{FILES}/okrsky/vysledky_okrsky_00000.xml", 404),
            await volby.get(f"{PLS}/vysledky_okrsky?davka={past}"),
            await volby.get(f"{PLS}/vysledky_okrsky?davka=0"),
        ]

    assert [tree(body)[0].get("KOD_CHYBY") for body in answers] == ["10", "10", "30", "30"]


async def test_aggregates_agree_with_batches_at_every_batch(night: Night, xsd: Path) -> None:
    """At every release with a batch the national document shows the sums of all batches up to it."""
    at = "/event/kv2018/series/volby/release"
    added, checked = Added(), 0
    async with aiohttp.ClientSession(night.url) as session:
        volby = Volby(session, xsd)
        newest = await published(session, "kv2018/series/volby")
        for number in range(1, newest + 1):
            async with session.get(f"{at}/{number}/manifest.xml") as answer:
                rows = tree(await answer.read()).iter("{*}document")
            paths = [row.attrib["path"] for row in rows]
            for path in (path for path in paths if path.startswith("okrsky/")):
                batch = tree(await volby.get(f"{at}/{number}/{path}"))
                added.take(records(batch))
                country = tree(await volby.get(f"{at}/{number}/vysledky.xml"))
                sums = added.turnout("OZNAC_TYPU")
                for block in country:
                    due = {
                        name: sums[block.attrib["OZNAC_TYPU"]][name] for name in ("OKRSKY_ZPRAC", *FIGURES)
                    }
                    assert figures(block[0]) == due, (number, path)
                assert int(batch[0].attrib["OKRSKY_ZPRAC"]) == len(added)
                # What did not change since the aggregates before is not written again.
                assert country.attrib["DATUM_CAS_GENEROVANI"] <= batch.attrib["DATUM_CAS_GENEROVANI"]
                checked += 1

    assert checked > 20
    assert len(added) == REPORTED


async def test_totals_equal_an_independent_addition(night: Night, xsd: Path) -> None:
    """Country, all counties and their councils show the sums of the source's records; no seats are published."""
    added = Added()
    added.take(source_records(night))
    sums, votes = added.turnout("OZNAC_TYPU"), added.votes()
    by_council = added.turnout("KODZASTUP")
    async with aiohttp.ClientSession(night.url) as session:
        volby = Volby(session, xsd)
        country = await volby.both("vysledky.xml", "vysledky?datumvoleb=20181005")
        async with session.get("/event/kv2018/series/volby/release/1/manifest.xml") as answer:
            paths = [row.attrib["path"] for row in tree(await answer.read()).iter("{*}document")]
        nuts = [path[-10:-4] for path in paths if path.startswith("okresy/")]
        counties = [
            await volby.both(
                f"okresy/vysledky_obce_okres_{code}.xml",
                f"vysledky_obce_okres?datumvoleb=20181005&nuts={code}",
            )
            for code in nuts
        ]
        councils = {council.attrib["KODZASTUP"]: council for county in counties for council in county}
        # Every council stands in its county's document; single documents are asked for here and there.
        for code in [*sorted(councils)[::97], "554782", "582786"]:
            own = await volby.both(f"zastup/vysledky_obec_{code}.xml", f"vysledky_obec?cislo_obce={code}")
            assert etree.tostring(own[0]).strip() == etree.tostring(councils[code]).strip()

    assert len(nuts) == 77
    assert len(councils) == sum(path.startswith("zastup/") for path in paths)
    for block in country:
        turnout, info, *parties = block
        assert figures(turnout) == dict(sums[block.attrib["OZNAC_TYPU"]])
        assert sum(int(party.attrib["HLASY"]) for party in parties) == int(turnout.attrib["PLATNE_HLASY"])
        assert (info.attrib["ZASTUPITELSTVA_ZVOLENA"], info.attrib["ZASTUPITELE_ZVOLENI"]) == ("0", "0")
    for code, council in councils.items():
        result, *districts = council
        assert figures(result[0]) == {name: by_council[code][name] for name in ("OKRSKY_ZPRAC", *FIGURES)}
        for number, part in [(one.attrib["CIS_OBVODU"], one[0]) for one in districts] or [("1", result)]:
            rows = {row.attrib["POR_STR_HLAS_LIST"]: int(row.attrib["HLASY"]) for row in part[1:]}
            assert +Counter(rows) == +votes[code, number]
    for document in [country, *counties]:
        assert not list(document.iter("{*}ZASTUPITEL"))
        assert {row.get("ZASTUPITELE_POCET") for row in document.iter("{*}VOLEBNI_STRANA")} <= {None, "0"}
