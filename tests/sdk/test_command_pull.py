"""``skrutinium pull``: a mirror is a whole release store at any moment, and costs only what changed."""

import asyncio
import contextlib
import gzip
import json
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

import skrutinium
from skrutinium.errors import (
    ChainError,
    ChoiceNeeded,
    RollbackError,
    SignatureError,
    StorageError,
)
from skrutinium.mirroring.keeping import Keeper, opened
from skrutinium.mirroring.mark import alone
from skrutinium.mirroring.mirror import Pulled, Wanted
from skrutinium.sources.choosing import choice_of
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.several import IMPATIENT, QUICK
from tests.sdk.store_builder import (
    EVENT,
    HEAD,
    NS,
    RUN,
    SERIES,
    Written,
    fingerprint,
    make_night,
    public_pem,
    sign,
)
from tests.sdk.test_commands import run, started


async def files(root: Path) -> dict[str, bytes]:
    """What lies in a store, unpacked; without what a mirror keeps for itself."""
    return await asyncio.to_thread(_files, root)


def _files(root: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not path.name.startswith(".") and path.name != "mirror.json":
            data = path.read_bytes()
            found[name] = gzip.decompress(data) if name.endswith(".gz") else data
    return found


def protocols(found: dict[str, bytes]) -> dict[str, bytes]:
    """The objects that no manifest names: protocols as they were taken over."""
    named = b"".join(data for name, data in found.items() if "/manifest/" in name and name.endswith(".xml"))
    return {
        name: data
        for name, data in found.items()
        if name.startswith("objects/") and name[-67:-3].encode() not in named
    }


class Site:
    """A store that grows, and a feed of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.night = make_night()
        self.feed = StoreFeed(root)

    async def begin(self) -> "Site":
        self.written = await asyncio.to_thread(Written, self.root, self.night)
        return self

    async def grow(self, number: int) -> None:
        while self.written.number < number:
            await asyncio.to_thread(self.written.add, self.night.releases[self.written.number])
        await asyncio.to_thread(self.written.heartbeat, f"2026-10-10T13:00:0{number}Z")
        await self.feed.tell()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await Site(tmp_path / "site").begin()
    await site.grow(3)
    await site.feed.start()
    yield site
    await site.feed.stop()


async def pull(place: str, folder: Path, wanted: Wanted | None = None) -> Pulled:
    async with alone(folder), opened(place, folder, wanted or Wanted(), IMPATIENT) as mirror:
        return await mirror.update()


@contextlib.asynccontextmanager
async def web_server(root: Path) -> AsyncIterator[str]:
    """A web server that knows nothing but files."""
    app = web.Application()
    app.router.add_static("/", root)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_all_is_the_store_byte_for_byte(site: Site, tmp_path: Path) -> None:
    """With ``--all`` every file of the store is there with its bytes, and the protocols as they were taken over."""
    await site.grow(5)
    mirror = tmp_path / "mirror"

    pulled = await pull(site.feed.url, mirror, Wanted(whole=True, fingerprint=fingerprint(site.night.key)))

    assert pulled.releases == {SERIES: (1, 5)}
    here, there = await files(mirror), await files(site.root)
    assert {name: data for name, data in here.items() if name not in protocols(here)} == there
    assert sum(data.startswith(b"<OKRSEK") for data in protocols(here).values()) == 4


async def test_mirrors_of_all_kinds_of_places_are_equal(site: Site, tmp_path: Path) -> None:
    """A feed, a folder and a web server over a mirror lead to the same mirror."""
    await site.grow(5)
    whole = Wanted(whole=True)
    await pull(site.feed.url, tmp_path / "of feed", whole)
    await pull(str(site.root), tmp_path / "of folder", whole)
    async with web_server(tmp_path / "of feed") as url:
        await pull(url, tmp_path / "of web", whole)

    first = await files(tmp_path / "of feed")
    assert await files(tmp_path / "of folder") == first
    assert await files(tmp_path / "of web") == first


@pytest.mark.parametrize("options", [[], ["--all"]], ids=["newest", "all"])
async def test_mirror_is_followed_like_a_feed(site: Site, tmp_path: Path, options: list[str]) -> None:
    """Whoever reads the mirror, in its folder or behind a web server, has the same documents as the feed's readers."""
    await site.grow(5)
    mirror = str(tmp_path / "mirror")
    assert (await run("pull", site.feed.url, mirror, *options))[0] == 0

    async with skrutinium.connect(site.feed.url) as feed:
        there = await feed.release()
        due = {row.path: await there.read(row) for row in await there.documents()}
    async with web_server(Path(mirror)) as url:
        for place in (mirror, url):
            async with skrutinium.connect(place) as feed:
                here = await feed.release()
                assert {row.path: await here.read(row) for row in await here.documents()} == due


async def test_verify_agrees_with_a_whole_mirror(site: Site, tmp_path: Path) -> None:
    """``verify DIR`` adds up every vote of a mirror made with ``--all``."""
    await site.grow(5)
    await run("pull", site.feed.url, str(tmp_path / "mirror"), "--all")

    code, out, _ = await run("verify", str(tmp_path / "mirror"), "--fingerprint", fingerprint(site.night.key))

    assert (code, "AGREEMENT" in out) == (0, True)


async def test_exit_codes_say_whether_anything_changed(site: Site, tmp_path: Path) -> None:
    """The first pull ends with 0, the next one with 3 and asks for no document, one after a release with 0 again."""
    mirror = str(tmp_path / "mirror")
    first = await run("pull", site.feed.url, mirror, "--json")
    site.feed.asked.clear()
    second = await run("pull", site.feed.url, mirror, "--json")
    asked = dict(site.feed.asked)
    await site.grow(4)
    third = await run("pull", site.feed.url, mirror)

    assert [first[0], second[0], third[0]] == [0, 3, 0]
    assert json.loads(first[1])["releases"] == {SERIES: {"first": 1, "last": 3}}
    assert (json.loads(second[1])["changed"], json.loads(second[1])["releases"]) == (False, {})
    assert "/object" not in asked
    assert f"/event/{EVENT}/changes" not in asked
    assert "release 4 of skrutinium" in third[1]
    assert "compare it with paper" in third[2]


async def test_newest_lets_go_of_what_nothing_names(site: Site, tmp_path: Path) -> None:
    """Without ``--all`` replaced documents go away one look later; protocols and the newest documents stay."""
    mirror = tmp_path / "mirror"
    async with opened(site.feed.url, mirror, Wanted(), IMPATIENT) as keeping:
        for number in (3, 4, 5):
            await site.grow(number)
            await keeping.update()
        await keeping.update()

    async with skrutinium.connect(str(mirror)) as feed:
        release = await feed.release()
        due = {row.sha256 for row in await release.documents()}
    objects = {name[-67:-3] for name in await files(mirror) if name.startswith("objects/")}
    taken = {name[-67:-3] for name in protocols(await files(mirror))}
    assert objects == taken | due
    assert due <= objects
    assert len(taken) == 8


async def test_newest_becomes_whole(site: Site, tmp_path: Path) -> None:
    """A mirror of the newest release is completed by ``--all``, and stays whole without it."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror)
    await site.grow(5)
    completed = await pull(site.feed.url, mirror, Wanted(whole=True))
    await pull(site.feed.url, tmp_path / "at once", Wanted(whole=True))

    assert completed.changed
    assert await files(mirror) == await files(tmp_path / "at once")
    assert not (await pull(site.feed.url, mirror)).changed


async def test_choice_is_kept(site: Site, tmp_path: Path) -> None:
    """Only what was chosen is there; the choice is remembered, and another one refused."""
    mirror = tmp_path / "mirror"
    chosen = Wanted(choice=choice_of(["event.xml"], None, ["100"]))
    await pull(site.feed.url, mirror, chosen)
    await site.grow(5)
    await pull(site.feed.url, mirror)

    async with skrutinium.connect(str(mirror)) as feed:
        release = await feed.release()
        assert (await release.contest("100")).id == "100"
        assert (await release.event()).name
        with pytest.raises(skrutinium.NotYet):
            await release.contest("200")
    with pytest.raises(ChoiceNeeded, match="another choice"):
        await pull(site.feed.url, mirror, Wanted(choice=choice_of(None, None, ["200"])))
    with pytest.raises(ChoiceNeeded, match="only a feed knows"):
        await pull(str(site.root), tmp_path / "other", chosen)


async def test_follow_keeps_up_and_survives_outages(site: Site, tmp_path: Path) -> None:
    """``--follow`` takes every release as it comes, and goes on when the feed was away."""
    mirror = tmp_path / "mirror"
    news: asyncio.Queue[Pulled] = asyncio.Queue()
    troubles: asyncio.Queue[str] = asyncio.Queue()
    keeper = Keeper(
        site.feed.url,
        mirror,
        Wanted(whole=True),
        every=0.1,
        timing=QUICK,
        patience=IMPATIENT,
        pick=lambda: 0.5,
    )
    task = asyncio.create_task(
        keeper.run(lambda _, pulled: news.put_nowait(pulled), lambda error: troubles.put_nowait(error.code))
    )
    try:
        async with asyncio.timeout(60):
            assert (await news.get()).newest == {SERIES: 3}
            await site.grow(4)
            while (await news.get()).newest != {SERIES: 4}:
                pass
            await site.feed.stop()
            await troubles.get()
            await site.grow(5)
            await site.feed.start()
            while (await news.get()).newest != {SERIES: 5}:
                pass
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    due = await files(site.root)
    assert {name: data for name, data in (await files(mirror)).items() if name in due} == due


async def test_follow_stays_with_its_run(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another run takes the place of the one that is followed, following ends, and nothing of the other one is in the mirror."""
    # Whoever listens would notice too, sooner or later than the next look.
    monkeypatch.setattr(Keeper, "_listen", lambda _: asyncio.Event().wait())
    mirror = tmp_path / "mirror"
    followed, troubled = asyncio.Event(), asyncio.Event()
    keeper = Keeper(
        site.feed.url, mirror, Wanted(), every=0.1, timing=QUICK, patience=IMPATIENT, pick=lambda: 0.5
    )
    task = asyncio.create_task(keeper.run(lambda *_: followed.set(), lambda _: troubled.set()))
    async with asyncio.timeout(60):
        await followed.wait()
        await site.feed.stop()
        await troubled.wait()
        later = make_night(run="later")
        later.key = site.night.key
        written = await asyncio.to_thread(Written, site.root, later)
        await asyncio.to_thread(written.add, later.releases[0])
        await asyncio.to_thread(written.state, 2)
        await site.feed.start()
        with pytest.raises(ChoiceNeeded, match="say which run"):
            await task

    held = {path.name for path in await asyncio.to_thread(lambda: list((mirror / "event" / EVENT).iterdir()))}
    assert RUN in held
    assert "later" not in held


async def test_kill_leaves_a_whole_mirror(site: Site, tmp_path: Path) -> None:
    """Killed again and again in the middle, the mirror is readable each time, and the end is the same as without."""
    await site.grow(5)
    mirror = tmp_path / "mirror"
    for moment in range(1, 40, 8):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, str(moment), "pull", site.feed.url, str(mirror), "--all",
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await process.wait() in (-signal.SIGKILL, 0, 3)
        if await asyncio.to_thread((mirror / f"event/{EVENT}/{RUN}/{SERIES}/newest").exists):
            async with skrutinium.connect(str(mirror)) as feed:
                release = await feed.release()
                for row in await release.documents():
                    await release.read(row)
    assert (await run("pull", site.feed.url, str(mirror), "--all"))[0] in (0, 3)
    await pull(site.feed.url, tmp_path / "at once", Wanted(whole=True))
    assert await files(mirror) == await files(tmp_path / "at once")


KILLED = """
import os, pathlib, signal, sys
from skrutinium.commands import main
left = int(sys.argv.pop(1))
replace = pathlib.Path.replace
def counted(self, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
pathlib.Path.replace = counted
main()
"""


async def test_full_disk_is_told_and_leaves_a_whole_mirror(site: Site, tmp_path: Path) -> None:
    """Where no room is left the error says so, and what was there stays readable."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror, Wanted(whole=True))
    before = await files(mirror)
    await site.grow(5)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600, {resource.RLIM_INFINITY}));"
        "from skrutinium.commands import main; main()",
        "pull", site.feed.url, str(mirror), "--all", "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()

    told = json.loads(err)
    assert (process.returncode, told["error"]) == (29, "storage")
    assert "the disk is full" in told["message"]
    after = await files(mirror)
    assert {name: after[name] for name in before if not name.endswith(("state.xml", "heartbeat.xml"))} == {
        name: data for name, data in before.items() if not name.endswith(("state.xml", "heartbeat.xml"))
    }
    assert await asyncio.to_thread(lambda: [path.name for path in mirror.rglob(".*")]) == [".mirror.lock"]
    async with skrutinium.connect(str(mirror)) as feed:
        assert (await feed.release()).number == 3


async def test_one_writer(site: Site, tmp_path: Path) -> None:
    """While one program writes a mirror another one is refused."""
    async with alone(tmp_path / "mirror"):
        with pytest.raises(StorageError, match="another program"):
            await pull(site.feed.url, tmp_path / "mirror")


async def test_older_and_other_history_is_refused(site: Site, tmp_path: Path) -> None:
    """A source that goes back, or offers another content, changes nothing in the mirror."""
    mirror = tmp_path / "mirror"
    await site.grow(5)
    await pull(site.feed.url, mirror)
    older = await asyncio.to_thread(site.night.write, tmp_path / "older", 4)
    before = await files(mirror)

    with pytest.raises(RollbackError):
        await pull(str(older.root), mirror)
    site.night.releases[4].documents["event.xml"] += b"\n"
    await asyncio.to_thread(older.add, site.night.releases[4])
    with pytest.raises(ChainError, match="another content"):
        await pull(str(older.root), mirror)

    assert await files(mirror) == before


async def test_another_key_is_refused(site: Site, tmp_path: Path) -> None:
    """The key met first is remembered in the mirror: a feed signed by another one is refused."""
    mirror = tmp_path / "mirror"
    await pull(site.feed.url, mirror)
    await asyncio.to_thread(make_night().write, tmp_path / "foreign", 4)

    code, _, err = await run("pull", str(tmp_path / "foreign"), str(mirror))

    assert (code, "compare it with the one on paper" in err) == (17, True)


async def test_only_trusted_keys_are_kept(site: Site, tmp_path: Path) -> None:
    """A key that a source offers and nobody trusted vouches for is not kept, nor a line that vouches for nothing."""
    mirror_folder, other = tmp_path / "mirror", make_night().key
    own_id, other_id = fingerprint(site.night.key)[:16], fingerprint(other)[:16]
    pem = public_pem(site.night.key)
    site.written.put(f"keys/{other_id}.pem", public_pem(other))
    site.written.put(f"keys/{own_id}.pem.sig", sign(other, pem))
    async with opened(site.feed.url, mirror_folder, Wanted(), IMPATIENT) as mirror:
        await mirror.update()
        await site.grow(4)
        line = site.written.series / "manifest" / "000000004.xml.sig"
        manifest = await asyncio.to_thread(line.with_suffix("").read_bytes)
        good = await asyncio.to_thread(line.read_bytes)
        site.written.in_series("manifest/000000004.xml.sig", sign(other, manifest))
        with pytest.raises(SignatureError):
            await mirror.update()
        site.written.in_series("manifest/000000004.xml.sig", good)
        assert (await mirror.update()).newest == {SERIES: 4}

    kept = await files(mirror_folder)
    assert [name for name in kept if name.startswith("keys/")] == [f"keys/{own_id}.pem"]
    assert kept[f"keys/{own_id}.pem"] == pem


async def test_rotated_key_is_kept_with_its_line(site: Site, tmp_path: Path) -> None:
    """The key that follows another comes with the line by which the one before vouches for it: who knows the old one can read the mirror."""
    pinned = fingerprint(site.night.key)
    new = make_night().key
    site.written.put(f"keys/{fingerprint(new)[:16]}.pem", public_pem(new))
    site.written.put(f"keys/{fingerprint(new)[:16]}.pem.sig", sign(site.night.key, public_pem(new)))
    site.night.key = new
    await site.grow(4)

    await pull(site.feed.url, tmp_path / "mirror", Wanted(fingerprint=pinned))

    async with skrutinium.connect(str(tmp_path / "mirror"), fingerprint=pinned) as feed:
        assert (await feed.release()).number == 4


async def test_notices_and_heartbeat_do_not_go_back(site: Site, tmp_path: Path) -> None:
    """What one of several servers still tells of before does not replace what is newer."""
    mirror_folder, key = tmp_path / "mirror", site.night.key
    notices = [
        f'{HEAD}<notices {NS} schema="1.0" number="{number}" time="2026-10-10T12:00:00Z"/>\n'.encode()
        for number in (1, 2, 3)
    ]
    signed = [one + sign(key, one) for one in notices]
    beat = f"event/{EVENT}/{RUN}/{SERIES}/heartbeat.xml"

    async def look(alive: str, told: bytes) -> Pulled:
        site.written.heartbeat(alive)
        site.written.put("notices.xml", told)
        return await mirror.update()

    async with opened(site.feed.url, mirror_folder, Wanted(), IMPATIENT) as mirror:
        first = await look("2026-10-10T13:00:10Z", signed[1])
        older = await look("2026-10-10T13:00:05Z", signed[0])
        kept = await files(mirror_folder)
        assert (kept["notices.xml"], kept[beat]) == (signed[1], first.heartbeat)
        assert (older.notices, older.heartbeat, older.changed) == (None, None, False)
        newer = await look("2026-10-10T13:00:11Z", signed[2])
        kept = await files(mirror_folder)
        assert (kept["notices.xml"], kept[beat]) == (newer.notices, newer.heartbeat)
        assert (newer.notices, newer.heartbeat != first.heartbeat) == (signed[2], True)


async def test_follow_ends_with_ctrl_c(site: Site, tmp_path: Path) -> None:
    """Ctrl-C ends following with 130 and without a traceback."""
    process = await started("pull", site.feed.url, str(tmp_path / "mirror"), "--follow")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert b"release 3" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert (process.returncode, b"Traceback" in err) == (130, False)


async def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the folder should be is told as such."""
    await asyncio.to_thread((tmp_path / "file").touch)

    with pytest.raises(StorageError, match="cannot be written"):
        async with alone(tmp_path / "file"):
            pass
