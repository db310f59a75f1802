"""All open runs of a site: taken up again at the start, opened, closed, opened again."""

import asyncio
import logging
import time
from collections.abc import Mapping

from skrutinium_server.authority.errors import AuthorityError
from skrutinium_server.authority.persons import Authority
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.ledger.errors import LedgerError, LedgerLockedError
from skrutinium_server.ledger.model import Closed, Reopened
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.archiving import Archives, asks, lacks
from skrutinium_server.process.clock import RunClock, WallTime, clock_start
from skrutinium_server.process.counting import Counting
from skrutinium_server.process.errors import ProcessError, RunError
from skrutinium_server.process.lasting import keep_out_of_collections
from skrutinium_server.process.open_run import OpenRun
from skrutinium_server.process.recording import record_run
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.release.store.model import SeriesKey

log = logging.getLogger("skrutinium.count")


class OpenRuns:
    """The runs of ``site`` that accept protocols; ``cutting`` says whether releases are cut by themselves."""

    def __init__(self, site: Site, authority: Authority, cutting: bool, wall: WallTime) -> None:
        self.cutting = cutting
        self.left_alone: dict[str, str] = {}
        """Runs that could not be opened, and why."""
        self._site = site
        self._authority = authority
        self._wall = wall
        self._archives = Archives(site)
        self._open: dict[str, OpenRun] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def by_name(self) -> Mapping[str, OpenRun]:
        """The runs that are open, by name."""
        return self._open

    async def start(self) -> None:
        """Open every run that is not closed, also one that a kill left without its place in the state file.

        A run that cannot be opened is told in the log and left alone; it must not stop the others. Raises LedgerLockedError
        when another process counts the site.
        """
        records, told = await asyncio.to_thread(lambda: (list(self._site.runs()), self._site.told()))
        for record in records:
            try:
                if await asyncio.to_thread(self._is_closed, record.run):
                    if record.run in told and told[record.run].open:  # killed while it was being reopened
                        await asyncio.to_thread(write_state, self._site, closed=record.run, now=self._wall())
                    key = SeriesKey(record.event, record.run, "skrutinium")
                    # Killed while it was being made?
                    if await asyncio.to_thread(lacks, self._site.store, key):
                        self._archives.make(record.run)
                    continue
                if record.run not in told:
                    await asyncio.to_thread(write_state, self._site, opened=record.run, now=self._wall())
                opened = await self.open(record.run)
                if record.run in told and not told[record.run].open:  # killed while it was being closed
                    await self.close(opened)
            except LedgerLockedError:
                raise  # somebody else counts this site
            except (ProcessError, ElectionError, LedgerError, AuthorityError) as error:
                self.left_alone[record.run] = str(error)
                log.error("run %s is not counted: %s", record.run, error)  # noqa: TRY400

    def _is_closed(self, run: str) -> bool:
        """Whether the last entry of a run's ledger is there, without reading the others."""
        path = self._site.ledger(run)
        if not path.exists():
            return False
        with SqliteReader(path) as reader:
            return any(isinstance(entry.body, Closed) for entry in reader.entries(reader.head()[0] - 1))

    async def archived(self) -> None:
        """Wait until the archives that decisions asked for are made, or have failed."""
        await self._archives.finish()

    async def stop(self) -> None:
        """End the publishers after their last release and give up the ledgers."""
        await self._archives.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for run in self._open.values():
            await asyncio.gather(*(child.stop() for child in run.publishers.values()))
            await run.counting.close()

    async def find(self, name: str) -> OpenRun:
        """An open run; raises :class:`RunError` when there is none of that name, it is closed, or it could not be opened."""
        try:
            return self._open[name]
        except KeyError:
            record = await asyncio.to_thread(self._site.run, name)
            if name in self.left_alone:
                raise RunError(
                    f"The run {name!r} is not counted: {self.left_alone[name]} Mend that, then start counting again."
                ) from None
            raise RunError(f"The run {record.run!r} is closed; nothing more is accepted.") from None

    def _count(self, run: str) -> Counting:
        """Open or make the ledger of a run; reads files."""
        basis = self._site.basis(run)
        path = self._site.ledger(run)
        clock = RunClock(self._wall)
        if path.exists():
            ledger = SqliteLedger.open(path)
        else:
            if basis.record.begins is not None:
                clock.follow(basis.record.begins, 0)
            elif basis.record.phase != "live":
                clock.follow(clock_start(basis.definition.date, basis.law, None, clock.now()), 1)
            ledger = SqliteLedger.create(path, basis.record.opened(clock.now()))
        return Counting(basis, self._site.settings(), ledger, clock, time.monotonic)

    async def open(self, run: str) -> OpenRun:
        """Count a run, with the ledger that it has or a new one."""
        return await self._begin(await asyncio.to_thread(self._count, run))

    async def _begin(self, counting: Counting) -> OpenRun:
        """Publish and cut a run from here on."""
        run = counting.run
        keep_out_of_collections()
        opened = OpenRun(self._site, counting)
        self._open[run] = opened
        for child in opened.publishers.values():
            child.start()
        for series, state in counting.series.items():
            if not state.number:
                await counting.cut(series, counting.clock.now(), batch=False, checkpoint=True)
        await counting.tell_steps()
        await self.record(counting)
        if any(asks(step) for step in counting.steps):
            self._archives.make(run, lambda: opened.until_published("skrutinium"))
        if self.cutting:
            self._tasks.append(asyncio.create_task(opened.keep_cutting(), name=f"cut {run}"))
        return opened

    async def record(self, counting: Counting) -> None:
        """Bring the event log up to the run's ledger."""
        await asyncio.to_thread(record_run, self._authority, counting.record, tuple(counting.steps))

    def archive(self, run: str) -> None:
        """Begin to make the archive that the decisions about a run ask for."""
        self._archives.make(run)

    async def close(self, run: OpenRun, persons: tuple[str, ...] = ()) -> None:
        """Publish everything, then accept nothing more; where that cannot be published or told the run stays open."""
        run.counting.closing = True
        try:
            await run.cut_everything()
            await asyncio.to_thread(write_state, self._site, closed=run.counting.run, now=self._wall())
        except BaseException:
            run.counting.closing = False
            raise
        await run.counting.close_run(persons)
        await self.record(run.counting)
        del self._open[run.counting.run]
        await asyncio.gather(*(child.stop() for child in run.publishers.values()))
        await run.counting.close()
        self._archives.make(run.counting.run)

    async def reopen(self, run: str, persons: tuple[str, ...], reason: str, authority: str) -> None:
        """Accept again in a closed run."""
        await asyncio.to_thread(write_state, self._site, reopened=run, now=self._wall())
        counting = await asyncio.to_thread(self._count, run)
        try:
            await counting.reopen(Reopened(persons, reason, authority, counting.clock.now()))
        except BaseException:
            await counting.close()
            raise
        await self._begin(counting)
