"""The processes of a stage: counting and feed of a site, more feeds of the same store, and the way to the counting process."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp

from skrutinium_server.feed.logs import VARIABLE
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.serve import Service, Watching
from skrutinium_server.process.site import FeedFolder, Site
from skrutinium_server.process.socket import Reaching

Address = tuple[str, int]

SECOND: Final = "second-"
"""How the files that the feed of the second site writes begin."""
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of such a file, before another one is begun."""
_PATIENCE: Final = 60.0
"""Seconds that the counting process may be away."""
_LOOK: Final = 0.1


class Processes:
    """Those of ``site``. ``cutting``: whether releases are cut by themselves."""

    def __init__(self, site: Site, *, cutting: bool) -> None:
        self.folder: Path
        """For what is of use only while the stage is there."""
        self.counting = Reaching(site, _PATIENCE)
        self._site = site
        self._cutting = cutting
        self._ending = contextlib.AsyncExitStack()
        self._copies = contextlib.AsyncExitStack()
        self._service: Service | None = None

    async def start(self) -> Address:
        """Start counting and feed; the address of the feed."""
        self.folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="skrutinium-stage-"))
        self._ending.push_async_callback(asyncio.to_thread, shutil.rmtree, self.folder)
        return await self.serve(self._site, watching=watching_of(self._site.root))

    async def renew(self, between: Callable[[], Awaitable[None]]) -> None:
        """New processes of the first site, as in :meth:`Service.renew`; its address stays."""
        assert self._service is not None, "it was started"
        self.counting.close()
        await self._service.renew(between)

    async def stop(self) -> None:
        """Stop everything."""
        self.counting.close()
        await self.drop_copies()
        await self._ending.aclose()

    async def serve(
        self, folder: Site | FeedFolder, *parts: str, watching: Watching | None = None
    ) -> Address:
        """Start the processes of a folder, ``count`` and ``feed`` unless ``parts`` says which; the address of its feed."""
        return await self._started(self._ending, folder, parts or ("count", "feed"), watching)

    async def _started(
        self,
        ending: contextlib.AsyncExitStack,
        folder: Site | FeedFolder,
        parts: tuple[str, ...],
        watching: Watching | None,
    ) -> Address:
        def made() -> Service:
            if watching is not None and watching.access_log is not None:
                watching.access_log.parent.mkdir(exist_ok=True)
            return Service(
                folder,
                lambda _part, _message: None,
                port=0,
                parts=parts,
                environment=quiet(),
                cutting=self._cutting,
                watching=watching,
            )

        service = await ending.enter_async_context(await asyncio.to_thread(made))
        if self._service is None:
            self._service = service
        assert service.address is not None
        return service.address

    async def serve_copy(self) -> Address:
        """Start a feed of the store as it is now, which never changes any more, until :meth:`drop_copies`."""
        copy = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="copy-", dir=self._beside()))
        self._copies.push_async_callback(asyncio.to_thread, shutil.rmtree, copy, ignore_errors=True)
        await asyncio.to_thread(_copy, self._site.root, copy)
        folder = await asyncio.to_thread(FeedFolder, copy)
        return await self._started(self._copies, folder, ("feed",), watching_of(self._site.root))

    async def drop_copies(self) -> None:
        """Stop and remove all of them."""
        copies, self._copies = self._copies, contextlib.AsyncExitStack()
        await copies.aclose()

    def _beside(self) -> Path:
        """Where hard links to the store can be made: on its own disk."""
        return self._site.root.parent

    async def serve_second(self) -> Address:
        """Start another feed of the same store, as a second site has it that mirrors the first."""
        second = self.folder / "second"
        await asyncio.to_thread(second.mkdir)
        for name in ("store", "access.toml", "site.toml"):
            await asyncio.to_thread((second / name).symlink_to, (self._site.root / name).absolute())
        return await self._serve_feed(second, watching_of(self._site.root, SECOND))

    async def _serve_feed(self, root: Path, watching: Watching) -> Address:
        return await self.serve(await asyncio.to_thread(FeedFolder, root), "feed", watching=watching)


def quiet() -> dict[str, str]:
    """The environment of processes of a rehearsal: they say only what is wrong, unless ours wants to hear more."""
    return {VARIABLE: "WARNING", **os.environ}


def watching_of(site: Path, which: str = "") -> Watching:
    """What the feeds of a stage write for the scorecards: access log and receipts in ``SITE/rehearsal/``."""
    folder = site.absolute() / "rehearsal"
    return Watching(access_log=folder / f"{which}access.jsonl", receipts=folder / f"{which}receipts.jsonl")


def before_of(path: Path) -> Path:
    """Where what was in such a file before is kept."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def make_room(site: Path, largest: int = LARGEST) -> None:
    """Move files of the scorecards away that have grown large: the one before is kept, older ones go. Feeds open them anew by themselves."""
    for which in ("", SECOND):
        watching = watching_of(site, which)
        for path in (watching.access_log, watching.receipts):
            if path is not None and path.is_file() and path.stat().st_size > largest:
                path.replace(before_of(path))


async def published(feed: Address, event: str, run: str, number: int) -> int:
    """Wait until a feed serves that release of a run, or a later one; the newest then.

    0 where the feed refuses this machine, which is no reader. Raises :class:`ProcessError` for what a feed does not answer.
    """
    path = f"/event/{event}/run/{run}/newest/manifest.xml?after={number - 1}"
    async with aiohttp.ClientSession("http://{}:{}".format(*feed)) as session:
        while True:
            async with session.get(path, headers={"Prefer": "wait=10"}) as answer:
                if answer.status in (401, 403):
                    return 0
                if answer.status not in (200, 204, 404, 429):
                    raise ProcessError(
                        f"The feed answers {answer.status} where the releases of {run} should be."
                    )
                newest = int(answer.headers.get("Skrutinium-Release", 0)) if answer.status == 200 else 0
            if newest >= number:
                return newest
            if answer.status in (404, 429):
                await asyncio.sleep(_LOOK)


async def noticed(feed: Address, number: int) -> None:
    """Wait until a feed serves the notices of that number, or refuses this machine."""
    async with aiohttp.ClientSession("http://{}:{}".format(*feed)) as session:
        while True:
            async with session.get("/notices.xml") as answer:
                if answer.status in (401, 403) or f' number="{number}"'.encode() in await answer.read():
                    return
            await asyncio.sleep(_LOOK)


def _copy(root: Path, to: Path) -> None:
    """The release store by hard links (its files are renamed into place, never changed), the access list and the settings."""

    def link(source: str, target: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # what is just being written is not there yet
            os.link(source, target)

    shutil.copytree(root / "store", to / "store", copy_function=link)
    for name in ("access.toml", "site.toml"):
        shutil.copy(root / name, to / name)
