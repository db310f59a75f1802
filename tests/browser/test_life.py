"""A run through its whole life, followed into a public folder and looked at in Chromium: interim to corrected by a court."""

import asyncio
import os
import re
import subprocess
from asyncio import to_thread
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from skrutinium_server.archive.public.words import STATES
from tests.archive.hosting import static_server
from tests.browser.conftest import CHROMIUM
from tests.e2e.at_work import command, skrutinium_command, started
from tests.e2e.made_up import DEFINITION, PROTOCOLS, made_up_site, protocols_folder
from tests.process.test_decisions import changed

pytestmark = pytest.mark.timeout(900)

COURT = "Court of Vymyšlenka, 1 A 2/2030"
FIRST = PROTOCOLS[0]
PAGES = (
    *("index.html", "contests.html", "corrections.html", "check.html"),
    *(f"contest/{FIRST.contest}.html", f"precinct/{FIRST.precinct}.html"),
    f"area/{next(area.id for area in DEFINITION.areas if area.kind == 'country')}.html",
)
"""One page of each kind."""


class Reader:
    """What somebody with a browser sees of a public folder."""

    def __init__(self, page: Page, address: str) -> None:
        self._page = page
        self._address = address

    async def states(self) -> set[str]:
        """What the pages of every kind say of how final it is."""
        found = set()
        for path in PAGES:
            await self._page.goto(f"{self._address}/{path}")
            (state,) = await self._page.locator("p.state").all()
            assert await state.is_visible()
            found.add((await state.inner_text()).partition(" What was")[0].removesuffix("."))
        return found

    async def corrections(self, path: str) -> list[str]:
        """Every correction that a page shows, as text."""
        await self._page.goto(f"{self._address}/{path}")
        rows = await self._page.locator("ol.log > li").all()
        return [re.sub(r"\s+", " ", await row.inner_text()) for row in rows]


class Site:
    """A site whose run is followed into the public folder."""

    def __init__(self, root: Path, process: subprocess.Popen[str]) -> None:
        self._root = root
        self._process = process

    async def decide(self, *arguments: str | Path) -> None:
        """Run a command about the run."""
        first, second, *rest = arguments
        await to_thread(command, first, second, self._root, "night", *rest)

    async def published(self, state: str) -> None:
        """Wait until a release of that state is in the folder."""
        await to_thread(self._until, f" {state}.")

    def _until(self, said: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if said in line:
                return
        raise AssertionError(f"publish ended before it said {said!r}")


async def lived(site: Site, reader: Reader, folder: Path) -> None:
    """From nothing reported to a change that a court orders, looked at after each step."""
    every = await to_thread(protocols_folder, folder / "all")
    late = await to_thread(protocols_folder, folder / "late", [changed(FIRST)])
    await site.published("interim")
    assert await reader.states() == {STATES["interim"]}
    await site.decide("protocols", "import", "--format", "csv", every)
    await site.decide("release", "cut")
    await site.published("complete")
    assert await reader.states() == {STATES["complete"]}
    for state in ("final", "certified"):
        await site.decide("run", "declare", state, "--reason", "Established.", "--authority", "commission")
        await site.published(state)
        assert await reader.states() == {STATES[state]}
    await site.decide("run", "close")
    await site.decide("run", "reopen", "--reason", "A court decided.", "--authority", COURT)
    told = ("--reason", "court-order", "--authority", COURT, "--by", "j.novakova")
    await site.decide("protocols", "correct", "--format", "csv", *told, late)
    await site.published("corrected")
    assert await reader.states() == {STATES["corrected"]}
    await site.decide("run", "close")


@pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"), reason="no Chromium (apt-get install chromium)"
)
async def test_from_interim_to_corrected_by_a_court(tmp_path: Path) -> None:
    """Each page says how final it is, at each step; the court's change is shown with old, new, reason and authority."""
    root = await to_thread(made_up_site, tmp_path)
    folder = tmp_path / "public"
    await to_thread(command, "run", "open", root, "night", "--phase", "rehearsal", "--by", "j.novakova")
    follow = started("publish", root, "night", folder, "--follow", until="Publishing every")
    server = static_server(tmp_path)
    process, _ = await to_thread(follow.__enter__)
    address = f"{await to_thread(server.__enter__)}/public"
    try:
        async with async_playwright() as playwright, asyncio.timeout(600):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            reader = Reader(await browser.new_page(), address)
            await lived(Site(root, process), reader, tmp_path)
            numbers = [FIRST.figures["valid-votes"], FIRST.figures["valid-votes"] - 1]
            old, new = (f"{number:,}".replace(",", " ") for number in numbers)
            for path in ("corrections.html", "index.html", f"precinct/{FIRST.precinct}.html"):
                (correction,) = await reader.corrections(path)
                for said in ("Ordered by a court", COURT, FIRST.precinct, f"Valid votes {old} {new}"):
                    assert said in correction, path
            await browser.close()
        assert "AGREEMENT" in await to_thread(skrutinium_command, "verify", address)
    finally:
        await to_thread(server.__exit__, None, None, None)
        await to_thread(follow.__exit__, None, None, None)
    await to_thread(command, "archive", "make", root, "night")
    await to_thread(command, "publish", root, "night", folder)
    start = await to_thread((folder / "index.html").read_text, "utf-8")
    archive = re.search(r'href="(event/[^"]+\d\.zip)"', start)
    assert archive is not None
    said = await to_thread(skrutinium_command, "verify", folder / archive[1])
    assert "AGREEMENT" in said
    assert "rows of its tables" in said
