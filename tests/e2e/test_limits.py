"""Newsrooms at the limits of the feed: the defaults are far away from what they ask, and whoever reaches one waits as told."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

import skrutinium
from tests.e2e.at_work import command, served
from tests.e2e.made_up import PROTOCOLS, made_up_site, protocols_folder

CLIENTS = 5


def limited(site: Path, per_second: int, burst: int) -> None:
    """Let one subscriber ask for so much."""
    settings = site / "site.toml"
    text = settings.read_text()
    for old, new in (
        ("requests_per_second = 50\n", f"requests_per_second = {per_second}\n"),
        ("burst = 500\n", f"burst = {burst}\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    settings.write_text(text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a made-up definition."""
    return made_up_site(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def night(site: Path) -> Iterator[str]:
    """The address of a night of two releases and more, at the default limits."""
    with served(site) as url:
        command("run", "open", site, "night", "--phase", "rehearsal")
        for name, protocols in (("a", PROTOCOLS[:40]), ("b", PROTOCOLS[40:])):
            source = protocols_folder(site.parent / name, protocols)
            command("protocols", "import", site, "night", "--format", "csv", source)
            command("release", "cut", site, "night")
        yield url


def counting(answers: Counter[int]) -> aiohttp.TraceConfig:
    """Counts the statuses of a session's answers."""

    async def ended(_session: object, _context: object, told: aiohttp.TraceRequestEndParams) -> None:
        answers[told.response.status] += 1

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(ended)
    return trace


async def read_everything(url: str, answers: Counter[int], **settings: object) -> int:
    """A newsroom that joins and reads every region, county and contest as of the newest release; how many documents."""
    async with (
        aiohttp.ClientSession(trace_configs=[counting(answers)]) as session,
        skrutinium.connect(url, session=session, **settings) as feed,  # type: ignore[arg-type]
    ):
        async for release in feed.releases():
            due, contests = [one.id for one in (await release.event()).areas], set[str]()
            read = 0
            while due:
                areas = await asyncio.gather(*map(release.area, due))
                read += len(areas)
                contests.update(row.id for area in areas for row in area.contests)
                due = [row.id for area in areas for row in area.areas if row.kind in ("region", "county")]
            return read + len(await asyncio.gather(*map(release.contest, sorted(contests))))
    raise AssertionError("no release came")


async def test_several_clients_at_one_address(night: str) -> None:
    """Five clients of one address that read whatever there is never meet a limit as it is by default."""
    answers: Counter[int] = Counter()

    read = await asyncio.gather(*(read_everything(night, answers) for _ in range(CLIENTS)))

    assert min(read) > 10
    assert answers[200] > CLIENTS * 10
    assert answers[429] == 0


def test_client_that_is_limited(tmp_path: Path) -> None:
    """Where the limit is low, a client comes back when it is told to, and gets all of it: no error reaches the newsroom."""
    site = made_up_site(tmp_path)
    limited(site, per_second=5, burst=5)
    with served(site) as url:
        command("run", "open", site, "night", "--phase", "rehearsal")
        command(
            "protocols",
            "import",
            site,
            "night",
            "--format",
            "csv",
            protocols_folder(tmp_path / "a", PROTOCOLS),
        )
        command("release", "cut", site, "night")
        answers: Counter[int] = Counter()

        read = asyncio.run(read_everything(url, answers))

    assert read > 10
    assert answers[429] > 0
    assert answers[200] > read
