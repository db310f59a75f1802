"""``verify`` of a mirror that keeps the newest release only, and of a source that cannot be read for a while."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from skrutinium import Report, open_source, verify
from skrutinium.documents.series_reading import read_manifest, read_state
from skrutinium.errors import LimitReached, NoSuchPlace, ServerFault
from skrutinium.mirroring.mirror import Wanted
from skrutinium.sources.choosing import choice_of
from skrutinium.trust.signing import split_signed
from tests.sdk.registers_builder import make_registers
from tests.sdk.several import IMPATIENT
from tests.sdk.store_builder import EVENT, RUN, SERIES, fingerprint
from tests.sdk.test_command_pull import Site, pull, web_server
from tests.sdk.test_commands import run
from tests.sdk.test_hosted import hosted


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await Site(tmp_path / "site").begin()
    await asyncio.to_thread(make_registers().write, site.written)
    await site.grow(5)
    await site.feed.start()
    yield site
    await site.feed.stop()


async def checked(place: str) -> Report:
    async with open_source(place, IMPATIENT) as source:
        return await verify(source)


async def object_of(mirror: Path, path: str) -> Path:
    """Where the newest version of a document lies."""
    async with open_source(str(mirror)) as source:
        state = await asyncio.to_thread(read_state, split_signed(await source.state(), "")[0], "")
        series = source.series(state.runs[0])
        sha256 = ""
        for number in range(1, (await series.newest())[0] + 1):
            manifest = await asyncio.to_thread(read_manifest, (await series.manifest(number))[0], "")
            sha256 = next((row.sha256 for row in manifest.documents if row.path == path), sha256)
    return mirror / "objects" / sha256[:2] / sha256[2:4] / f"{sha256}.gz"


@pytest.mark.parametrize("by_address", [False, True])
async def test_newest_only_mirror_agrees(site: Site, tmp_path: Path, by_address: bool) -> None:
    """Everything that is there is checked and every vote added up again; what is not there is said, and is no difference."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror)
    if by_address:
        async with web_server(mirror) as url:
            report = await checked(url)
    else:
        report = await checked(str(mirror))

    assert [str(one) for one in report.differences] == []
    assert (report.newest_only, report.releases, report.registers) == (True, 5, {1: 8})
    assert (report.counting, report.expected, report.protocols > 0) == (report.expected, 6, True)
    assert any("keeps the documents of the newest release only" in one for one in report.notes)
    whole = await checked(site.feed.url)
    assert (whole.newest_only, whole.counting, whole.protocols) == (False, report.counting, report.protocols)


async def test_hosted_mirror_is_asked_once_for_each_document(site: Site, tmp_path: Path) -> None:
    """Behind a web server every document is fetched once, although it is judged first and its numbers compared when all are known."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror)
    async with hosted(mirror, lambda _: None) as (source, files):
        report = await verify(source)

    assert (report.agrees, report.newest_only, report.counting) == (True, True, report.expected)
    asked = {path: times for path, times in files.asked.items() if path.startswith("/objects/")}
    assert len(asked) == report.documents + report.registers[1]
    assert set(asked.values()) == {1}


async def test_newest_only_mirror_in_words(site: Site, tmp_path: Path) -> None:
    """The command says how far its agreement goes, with exit code 0; as JSON too."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror)
    code, out, err = await run("verify", str(mirror), "--fingerprint", fingerprint(site.night.key))
    assert (code, err) == (0, "")
    assert "5 releases (documents of the newest only)" in out
    assert "AGREEMENT, as far as this mirror goes: the newest release is what the protocols add up to" in out
    code, out, _ = await run("verify", str(mirror), "--json")
    assert (code, json.loads(out)["newest_only"]) == (0, True)


@pytest.mark.parametrize("what", ["vote", "object", "signature", "chain", "registers"])
async def test_newest_only_mirror_differs(site: Site, tmp_path: Path, what: str) -> None:
    """A wrong vote, lost bytes, a wrong signature, another manifest and another name in the registers are found there as well."""
    mirror = tmp_path / "mirror"
    series = mirror / "event" / EVENT / RUN / SERIES
    if what == "vote":
        site.night.change(5, "event.xml", 'votes="140"', 'votes="141"')
        other = tmp_path / "other"
        await asyncio.to_thread(site.night.write, other)
        await pull(str(other), mirror)
    elif what == "registers":
        await asyncio.to_thread(
            make_registers().change("areas", 'name="Town"', 'name="X"').write, site.written
        )
        await pull(site.feed.url, mirror)
    else:
        await pull(site.feed.url, mirror)
    if what == "object":
        await asyncio.to_thread((await object_of(mirror, "event.xml")).unlink)
    elif what == "signature":
        line = series / "manifest" / "000000002.xml.sig"
        await asyncio.to_thread(line.write_bytes, (series / "manifest" / "000000003.xml.sig").read_bytes())
    elif what == "chain":
        for end in (".xml", ".xml.sig"):
            data = await asyncio.to_thread((series / "manifest" / f"000000003{end}").read_bytes)
            await asyncio.to_thread((series / "manifest" / f"000000002{end}").write_bytes, data)

    codes = {one.code for one in (await checked(str(mirror))).differences}

    due = {"vote": "total", "registers": "names"}.get(what, what)
    assert due in codes


async def test_mirror_of_chosen_documents(site: Site, tmp_path: Path) -> None:
    """Of chosen documents those that are there are checked, and the report says that no votes were added up."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror, Wanted(choice=choice_of(["event.xml"], None, None)))

    report = await checked(str(mirror))

    assert (report.differences, report.newest_only, report.documents, report.counting) == ([], True, 1, 0)
    assert any("chosen documents only: 1 of" in one for one in report.notes)
    path = await object_of(mirror, "event.xml")
    await asyncio.to_thread(path.write_bytes, gzip.compress(b"<event-results/>"))
    assert {one.code for one in (await checked(str(mirror))).differences} == {"object"}


async def test_whole_mirror_is_checked_as_a_whole(site: Site, tmp_path: Path) -> None:
    """That a mirror says it is whole, or says nothing that can be read, never makes less of the check."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror, Wanted(whole=True))
    report = await checked(str(mirror))
    assert (report.newest_only, report.agrees) == (False, True)
    await asyncio.to_thread((mirror / "event" / EVENT / RUN / "mirror.json").write_bytes, b"{")
    report = await checked(str(mirror))
    assert (report.newest_only, report.agrees) == (False, True)


# ------------------------------------------------------------------ a source that cannot be read
@pytest.mark.parametrize(
    "path",
    [
        f"/event/{EVENT}/pack/3",
        f"/event/{EVENT}/heartbeat.xml",
        f"/event/{EVENT}/registers/1/registers.xml",
        f"/event/{EVENT}/registers/newest/registers.xml",
    ],
)
async def test_lasting_outage_is_no_difference(site: Site, path: str) -> None:
    """What cannot be read, however late, ends the check with the error of the source, not with differences."""
    site.feed.faults[path] = [web.Response(status=503, text="later") for _ in range(50)]
    with pytest.raises(ServerFault):
        await checked(site.feed.url)
    site.feed.faults[path] = [web.Response(status=503, headers={"Retry-After": "90"}) for _ in range(50)]
    with pytest.raises(LimitReached):
        await checked(site.feed.url)


async def test_outage_is_told(site: Site) -> None:
    """During an outage the command says so, and that it goes on; after its retries it ends with the code of what is wrong."""
    path = f"/event/{EVENT}/pack/3"
    site.feed.faults[path] = [web.Response(status=503) for _ in range(2)]
    code, out, err = await run("verify", site.feed.url)
    assert (code, "AGREEMENT" in out) == (0, True)
    assert ("status 503" in err, err.count("trying again"), "it goes on, release 3 of 5" in err) == (
        True,
        1,
        True,
    )

    site.feed.faults[path] = [web.Response(status=503, headers={"Retry-After": "3600"}) for _ in range(50)]
    code, out, err = await run("verify", site.feed.url, "--json")
    assert (code, out) == (LimitReached.exit_code, "")
    assert json.loads(err.splitlines()[-1])["error"] == "limit-reached"


@pytest.mark.parametrize("command", ["pull", "verify", "record"])
async def test_mail_is_no_store(tmp_path: Path, command: str) -> None:
    """What needs a whole store says at once what mail can give and what it cannot."""
    folder = tmp_path / "box"
    for name in ("new", "cur", "tmp"):
        await asyncio.to_thread((folder / name).mkdir, parents=True)
    more = [] if command == "verify" else [str(tmp_path / "mirror")]
    code, _, err = await run(command, f"maildir:{folder}", *more)
    assert code == NoSuchPlace.exit_code
    assert "crisis mail: it brings agreed documents" in err
    assert "skrutinium mail" in err
