"""What the documentation shows runs: the commands of the README on a made-up night, Python, requests, commands of the guides."""

import argparse
import asyncio
import datetime
import io
import re
import secrets
import shlex
import signal
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pandas  # noqa: F401 - that its first import reads files is no matter of a page that shows it
import pytest

import skrutinium
from skrutinium_server.election.formats import csv_set
from skrutinium_server.election.law import load_law
from skrutinium_server.intake.formats.csv_set import write_set
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import Scale, made_up_definition, made_up_protocols
from tests.contract.pages import PAGES, ROOT, blocks
from tests.e2e.at_work import command, started

SEED = 5
SCALE = Scale(regions=1, counties=1, councils=4, precincts=6, steepness=2)


@dataclass(frozen=True)
class Night:
    """A made-up night that is being served, brought about by the commands that the README shows."""

    folder: Path
    site: Path
    url: str
    fingerprint: str
    nuts: str
    said: dict[str, str]

    def put(self, shown: str) -> str:
        """What a page shows, with this night's own address, key and files."""
        places = {
            "http://127.0.0.1:8000": self.url,
            "FINGERPRINT ON PAPER": self.fingerprint,
            "seen.json": str(self.folder / "seen.json"),
            # One each time: where another block has taken the newest release already, none would come.
            "night.sqlite": str(self.folder / f"{secrets.token_hex(8)}.sqlite"),
            "nuts=NUTS": f"nuts={self.nuts}",
        }
        for place, own in places.items():
            shown = shown.replace(place, own)
        return shown


def make_files(folder: Path) -> str:
    """Write a made-up election as CSV sets ``definition`` and ``protocols``; the NUTS code of its county."""
    definition = made_up_definition(SEED, SCALE)
    assert definition.date is not None
    csv_set.write_folder(definition, folder / "definition")
    start = datetime.datetime.combine(definition.date, datetime.time(12, tzinfo=datetime.UTC))
    protocols = made_up_protocols(definition, SEED, start, datetime.timedelta(hours=4), resends=0)
    (folder / "protocols").mkdir()
    for name, data in write_set(protocols, load_law(definition.law)).items():
        (folder / "protocols" / name).write_bytes(data)
    return next(area.nuts for area in definition.areas if area.kind == "county" and area.nuts)


def small(shown: str, folder: Path) -> list[str]:
    """A command of a page with the files of the made-up night in place of those named, and fast."""
    shown = re.sub(r"--speed \d+", "--speed 100000", shown)
    if " definition import " in shown:
        shown = re.sub(
            r"--format volby-(registers registers|batches batches)", "--format csv definition", shown
        )
    shown = shown.replace("--format volby-batches batches", "--format csv protocols")
    places = {"kv2018", "kv2018/store", "SITE", "definition", "protocols", "copy-of-definition", "bundle.zip"}
    first, group, *words = shlex.split(shown)
    return [first, group, *(str(folder / word) if word in places else word for word in words)]


def shell(name: str) -> list[str]:
    """All lines of the shell blocks of a page."""
    return [line for block in blocks(name, "sh") for line in block.splitlines()]


def read(*arguments: str, code: int = 0) -> str:
    """Run the readers' program to its end."""
    done = subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def program() -> str:
    return str(Path(sys.executable).with_name("skrutinium"))


@contextmanager
def watched(url: str) -> Iterator[list[str]]:
    """``skrutinium watch`` for as long as this lasts; at the end it has said every release and is stopped by Ctrl-C."""
    said: list[str] = []
    process = subprocess.Popen(
        [program(), "watch", url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        said.append(process.stdout.readline())
        yield said
        while "(complete)" not in said[-1]:
            line = process.stdout.readline()
            assert line, said
            said.append(line)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """The commands of the README, one after the other, on a made-up election in place of the real one."""
    folder = tmp_path_factory.mktemp("readme")
    nuts = make_files(folder)
    first, second = (block.splitlines() for block in blocks("README.md", "sh"))
    said: dict[str, str] = {}
    for line in first[:-1]:
        said[line] = command(*small(line, folder)[1:])
    assert first[-1] == "skrutinium-server serve kv2018"
    with started(*small(first[-1], folder)[1:], "--port", "0", until="The feed listens at") as (_, told):
        url = told.split()[-1].rstrip("/")
        opening, watching, replaying, verifying = second
        said[opening] = command(*small(opening, folder)[1:])
        assert watching == "skrutinium watch http://127.0.0.1:8000"
        with watched(url) as lines:
            said[replaying] = command(*small(replaying, folder)[1:])
        said[watching] = "".join(lines)
        assert verifying == "skrutinium verify http://127.0.0.1:8000"
        said[verifying] = read("verify", url)
        site = folder / "kv2018"
        yield Night(folder, site, url, Site(site).signer().fingerprint, nuts, said)


def test_commands_of_the_readme_run(night: Night) -> None:
    """Create, import, open, serve, replay, watch, verify: each says what it did, and the end is agreement."""
    said = list(night.said.values())
    assert night.fingerprint in said[0]
    assert "6 protocols expected" in said[1]
    assert "Opened run night (rehearsal)" in said[3]
    assert "6 taken over, 0 known already, 0 refused" in said[4]
    assert "6 of 6 protocols" in night.said["skrutinium watch http://127.0.0.1:8000"]
    assert "AGREEMENT" in said[-1]


def python_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{path.stem}-{number}")
        for path in PAGES
        if path.name != "first-steps.md"  # whole programs, which test_docs_first_steps runs as they stand
        for number, block in enumerate(blocks(str(path.relative_to(ROOT)), "python"), 1)
        if "def test_" not in block  # a test for pytest, which test_docs_sdk runs
    ]


@pytest.mark.parametrize("block", python_blocks())
async def test_python_of_the_pages_runs(block: str, night: Night) -> None:
    """Every Python block runs against the night and prints something; loops over releases see one release."""
    said: list[str] = []

    async def one(releases: AsyncIterator[skrutinium.Release]) -> AsyncIterator[skrutinium.Release]:
        yield await anext(releases)

    names: dict[str, Any] = {
        "one": one,
        "print": lambda *told: said.append(" ".join(map(str, told))),
        "skrutinium": skrutinium,
    }
    code = night.put(block).replace(
        "async for release in feed.releases()", "async for release in one(feed.releases())"
    )
    source = "async def shown(feed, release):\n" + textwrap.indent(
        code.replace("import skrutinium\n", ""), "    "
    )
    exec(compile(source, "page", "exec"), names)
    async with skrutinium.connect(night.url, fingerprint=night.fingerprint) as feed, asyncio.timeout(120):
        release = None if "feed.releases()" in block else await anext(aiter(feed.releases()))
        await names["shown"](feed, release)
    assert said


def test_readme_shows_five_lines() -> None:
    """What a newsroom needs is five lines of code."""
    (block,) = blocks("README.md", "python")
    assert len([line for line in block.splitlines() if line.strip()]) == 5


def curls() -> list[str]:
    return [line for line in shell("docs/broadcaster.md") if line.startswith("curl ")]


def test_page_for_broadcasters_shows_only_requests() -> None:
    """Every line of its blocks is a request, so that the next test runs all of them."""
    assert shell("docs/broadcaster.md") == curls()


@pytest.mark.parametrize("line", curls())
async def test_requests_of_the_pages_are_answered(line: str, night: Night) -> None:
    """Every request that the page shows gets what the page says."""
    options = argparse.ArgumentParser()
    for flag in ("--compressed", "--head", "--no-buffer"):
        options.add_argument(flag, action="store_true")
    options.add_argument("-H", action="append", default=[])
    options.add_argument("--output")
    options.add_argument("url")
    told = options.parse_args(shlex.split(night.put(line))[1:])
    headers = {"Accept-Encoding": "gzip" if told.compressed else "identity"}
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(20):
        for header in told.H:
            name, value = header.split(": ", 1)
            if value == '"ETAG"':
                async with session.head(told.url) as before:
                    value = before.headers["ETag"]
            session.headers[name] = value
        async with session.request("HEAD" if told.head else "GET", told.url) as answer:
            due = 304 if "If-None-Match" in session.headers else 404 if "999999" in told.url else 200
            assert answer.status == due
            if "/push" in told.url:
                events = [await answer.content.readline() for _ in range(5)]
                assert b"event: release\n" in events
                return
            body = await answer.read()
    if told.output:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:*") as archive:
            assert any("manifest" in name for name in archive.getnames())
    elif due != 304 and not told.head:
        assert body
        assert b"<CHYBA" not in body


def test_commands_for_the_count_run(night: Night) -> None:
    """The commands of the page for those who count run on a run that is being counted."""
    for line in shell("docs/counting.md"):
        words = small(line.replace("SITE", "kv2018"), night.folder)
        said = read(*words[1:]) if words[0] == "skrutinium" else command(*words[1:])
        assert "900001" in said or "AGREEMENT" in said


def test_commands_for_organisers_run(tmp_path: Path) -> None:
    """The commands of the page for organisers run in its order, and each leaves what it says."""
    make_files(tmp_path)
    lines = shell("docs/organiser.md")
    serving = lines.index("skrutinium-server serve SITE")
    for line in lines[:serving]:
        command(*small(line, tmp_path)[1:])
    for table in (tmp_path / "definition").iterdir():
        assert table.read_bytes() == (tmp_path / "copy-of-definition" / table.name).read_bytes()
    with started(*small(lines[serving], tmp_path)[1:], "--port", "0", until="The feed listens at"):
        said = {line: command(*small(line, tmp_path)[1:]) for line in lines[serving + 1 :]}
    assert "6 taken over" in said["skrutinium-server protocols import SITE night --format csv protocols"]
    assert "Published release" in said["skrutinium-server release cut SITE night"]
    assert "Closed run night" in said["skrutinium-server run close SITE night"]
    assert "6 taken over" in said["skrutinium-server replay SITE dress --format csv protocols --speed 3600"]
