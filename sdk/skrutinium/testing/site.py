"""The site behind a made-up night: counting and feed in processes of their own, in a temporary folder.

The one module that needs the server; it is imported when a night begins.
"""

import asyncio
import contextlib
import datetime
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

from skrutinium.errors import SkrutiniumError
from skrutinium.testing.mail import Mail
from skrutinium_server.election.law import Law, load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.feed.logs import VARIABLE
from skrutinium_server.intake.model import Protocol, TakenOver
from skrutinium_server.process import noticing
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.house import REFUSALS
from skrutinium_server.process.serve import Service
from skrutinium_server.process.settings import SETTINGS
from skrutinium_server.process.site import FeedFolder
from skrutinium_server.process.site import Site as Folder
from skrutinium_server.process.socket import There, connect
from skrutinium_server.rehearsal.made_up import (
    made_up_correction,
    made_up_definition,
    made_up_protocols,
    scale_of,
    taken_over,
)

Series = Literal["skrutinium", "volby"]
Address = tuple[str, int]

RUN: Final = "night"
_WHO: Final = "made-up night"
_START: Final = datetime.time(12, tzinfo=datetime.UTC)
_LENGTH: Final = datetime.timedelta(hours=9)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Tell by an error of ours what the site refuses."""
    try:
        yield
    except REFUSALS as error:
        raise SkrutiniumError(f"the made-up night refuses: {error}") from error


class Site:
    """A site with a made-up definition, its protocols that are still to come, and its processes."""

    def __init__(self, precincts: int, seed: int, law: str, phase: str, series: Sequence[Series]) -> None:
        self.run = RUN
        self._told = (precincts, seed, law)
        self._phase = phase
        self._series = series
        self._ending = contextlib.AsyncExitStack()
        self._asking = asyncio.Lock()
        self._folder: Folder
        self._law: Law
        self._counting: There
        self.definition: Definition
        self.fingerprint: str
        self.root: Path
        self.waiting: list[Protocol] = []
        """Protocols that are to come, in their order."""
        self.reported: dict[tuple[str, str], Protocol] = {}
        """Those that count, by precinct and contest."""
        self._sequence = 0
        self._mail: Mail | None = None

    async def __aenter__(self) -> Self:
        """Make up, start and open."""
        try:
            with refusals():
                await self._begin()
        except BaseException:
            await self._ending.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the processes and remove the folder."""
        await self._ending.aclose()

    async def _begin(self) -> None:
        self.root = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="skrutinium-night-"))
        self._ending.push_async_callback(asyncio.to_thread, shutil.rmtree, self.root)
        await asyncio.to_thread(self._make_up)
        self.address = await self.serve(self._folder)
        there = await connect(self._folder)
        if there is None:
            raise SkrutiniumError("the counting process of the made-up night does not answer")
        self._counting = there
        self._ending.callback(there.close)
        await self.ask(do="open", phase=self._phase)

    def _make_up(self) -> None:
        precincts, seed, law = self._told
        self._folder = Folder.create(self.root / "site")
        series = ", ".join(f'"{one}"' for one in self._series)
        settings = SETTINGS.replace('\nseries = ["skrutinium", "volby"]\n', f"\nseries = [{series}]\n")
        (self._folder.root / "site.toml").write_text(settings, "utf-8")
        self.definition = made_up_definition(seed, scale_of(precincts), law)
        self._folder.define(self.definition)
        self.fingerprint = self._folder.signer().fingerprint
        self._law = load_law(self.definition.law)
        assert self.definition.date is not None
        start = datetime.datetime.combine(self.definition.date, _START)
        self.waiting = list(made_up_protocols(self.definition, seed, start, _LENGTH, resends=0))
        self._sequence = len(self.waiting)

    # ------------------------------------------------------------------ processes
    async def serve(self, folder: Folder | FeedFolder, *parts: str) -> Address:
        """Start the processes of a folder, all unless ``parts`` says which; the address of its feed."""

        def made() -> Service:
            quiet = {VARIABLE: "WARNING"} | dict(os.environ)
            return Service(
                folder,
                lambda _part, _message: None,
                port=0,
                parts=parts or ("count", "feed"),
                environment=quiet,
                cutting=False,  # a night in a test publishes when it is told to
            )

        service = await self._ending.enter_async_context(await asyncio.to_thread(made))
        assert service.address is not None
        return service.address

    async def serve_copy(self) -> Address:
        """Start a feed of the store as it is now, which never changes any more."""
        copy = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="copy-", dir=self.root))
        await asyncio.to_thread(_copy, self._folder.root, copy)
        return await self._serve_feed(copy)

    async def serve_second(self) -> Address:
        """Start another feed of the same store, as a second site has it that mirrors the first."""
        second = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="second-", dir=self.root))
        for name in ("store", "access.toml"):
            await asyncio.to_thread((second / name).symlink_to, self._folder.root / name)
        return await self._serve_feed(second)

    async def _serve_feed(self, root: Path) -> Address:
        return await self.serve(await asyncio.to_thread(FeedFolder, root), "feed")

    # ------------------------------------------------------------------ commands
    async def ask(self, **request: Any) -> dict[str, Any]:
        """Carry out one command of the counting process about the run."""
        async with self._asking:
            with refusals():
                return await self._counting.ask(run=RUN, by=_WHO, **request)

    async def bring(self, count: int | None) -> int:
        """Bring that many of the protocols that are to come, all of them unless told; the number of the release after it."""
        due = self.waiting[:count]
        if due:
            records = await asyncio.to_thread(self._records, due)
            now = due[-1].established.isoformat()
            answer = await self.ask(do="take", records=records, now=now, speed=0, who=_WHO, path="replay")
            if answer["refused"]:
                raise SkrutiniumError(f"the made-up night refuses: {'; '.join(answer['reasons'])}")
            del self.waiting[: len(due)]
            self.reported |= {(one.precinct, one.contest): one for one in due}
        cut = await self.ask(do="cut")
        return int(cut["releases"]["skrutinium"])

    async def correct(self, key: tuple[str, str], reason: str, authority: str) -> int:
        """Replace one protocol that counts by one that is right; the number of the release with it."""
        self._sequence += 1
        corrected = made_up_correction(self.reported[key], self._sequence)
        records = await asyncio.to_thread(self._records, [corrected])
        answer = await self.ask(do="correct", records=records, reason=reason, authority=authority)
        self.reported[key] = corrected
        return int(answer["releases"]["skrutinium"])

    def _records(self, protocols: Sequence[Protocol]) -> list[TakenOver]:
        return [taken_over(one, self._law) for one in protocols]

    async def incident(self, text: str, id: str) -> int:
        """Tell all readers of an incident; the number of the notices."""
        return await self._tell(noticing.begin(text, wall_time(), id)[1], "incident", text)

    async def incident_over(self, id: str) -> int:
        """Tell them that it is over."""
        return await self._tell(noticing.end(id, wall_time()), "end", id)

    async def _tell(self, change: noticing.Change, what: str, text: str) -> int:
        with refusals():
            told = await asyncio.to_thread(noticing.tell, self._folder, change, what, text, _WHO, wall_time())
        return told.number

    async def tell_second_site(self, address: str) -> int:
        """Tell all readers of the second site."""
        return await self._tell(noticing.second_site(address, self.fingerprint), "second-site", address)

    async def mail(self, *, over: bool) -> Path:
        """Deliver crisis mail; the Maildir in which it lies."""
        with refusals():
            return await asyncio.to_thread(self._deliver, over)

    def _deliver(self, over: bool) -> Path:
        if self._mail is None:
            self._mail = Mail(self._folder.store, self._folder.told()[RUN], self.root / "mail")
        self._mail.deliver(wall_time(), over=over)
        return self._mail.folder

    @property
    def names(self) -> Mapping[str, str]:
        """The contests by id, with their names."""
        return {one.id: one.name for one in self.definition.contests}


def _copy(root: Path, to: Path) -> None:
    """The release store by hard links (its files are renamed into place, never changed) and the access list."""

    def link(source: str, target: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # what is just being written is not there yet
            os.link(source, target)

    shutil.copytree(root / "store", to / "store", copy_function=link)
    shutil.copy(root / "access.toml", to / "access.toml")
