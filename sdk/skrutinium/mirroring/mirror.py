"""A mirror of one run: what is new is fetched, checked, and written so that the folder is a whole release store at any moment."""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skrutinium.documents.notices import read_notices
from skrutinium.documents.parsing import SCHEMA, schema_text
from skrutinium.documents.series import FeedState, Run
from skrutinium.documents.series_reading import read_heartbeat, read_state
from skrutinium.errors import ChoiceNeeded, MixedPhases, NotYet, RollbackError, SkrutiniumError
from skrutinium.mirroring.books import mirror_registers
from skrutinium.mirroring.files import SeriesFiles, StoreFiles
from skrutinium.mirroring.mark import write_mark
from skrutinium.mirroring.series import MirroredSeries
from skrutinium.sources.address import Address
from skrutinium.sources.choosing import Choice, choose_run
from skrutinium.sources.mirrored import NAME, Mark, read_mark
from skrutinium.sources.source import Source
from skrutinium.trust.signing import KeyRing, split_signed

SERIES = "skrutinium"
_log = logging.getLogger("skrutinium")
_REGISTERS_EVERY = 8
_STATUS_EVERY = 6


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which run is mirrored, whose key signs it, and how much of it is kept; ``whole`` is with all releases."""

    event: str | None = None
    run: str | None = None
    phase: str | None = None
    fingerprint: str | None = None
    whole: bool = False
    choice: Choice | None = None


@dataclass(slots=True)
class Pulled:
    """What one look brought.

    ``releases`` maps series to the first and last release that are new, ``newest`` to the newest one; ``size`` of the files written
    in bytes; state, notices, heartbeat and (now and then) status as they came.
    """

    releases: dict[str, tuple[int, int]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    changed: bool = False
    state: bytes = b""
    notices: bytes | None = None
    heartbeat: bytes | None = None
    status: bytes | None = None


class Mirror:
    """A mirror in ``folder`` of what ``source`` holds; one at a time writes there (:func:`mark.alone`)."""

    run: Run
    """The run that is mirrored, after :meth:`open`."""

    def __init__(self, source: Source, folder: Path, wanted: Wanted) -> None:
        self.source = source
        self.store = StoreFiles(folder)
        self._wanted = wanted
        self._fetched: dict[str, tuple[bytes, bytes | None]] = {}
        self._keys = KeyRing(self._key, pinned=wanted.fingerprint)
        self._mark: Mark | None = None
        self._mark_path = folder
        self._series: dict[str, MirroredSeries] = {}
        self._looks = 0
        self._definition = 0

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the key that signs, to compare with paper."""
        return self._keys.newest or ""

    @property
    def unpinned(self) -> bool:
        """Whether no fingerprint was given: the first key met was trusted."""
        return self._keys.unpinned

    @property
    def whole(self) -> bool:
        """Whether all releases are kept."""
        return self._wanted.whole

    @property
    def all_in(self) -> bool:
        """Whether every protocol is in, and nothing is interim any more."""
        return self._series[SERIES].all_in

    def number(self, series: str = SERIES) -> int:
        """The newest release that is there, 0 before the first."""
        return self._series[series].number

    async def _key(self, key_id: str) -> tuple[bytes, bytes | None]:
        self._fetched[key_id] = await self.source.key(key_id)
        return self._fetched[key_id]

    async def open(self) -> None:
        """Choose the run and see what is there already.

        Raises :class:`ChoiceNeeded` when the mirror keeps another choice than wanted, :class:`MixedPhases`, and what the source raises.
        """
        wanted = self._wanted
        await asyncio.to_thread(schema_text, SCHEMA)  # a file: read off the loop, once
        data = await self.source.state()
        if wanted.fingerprint is None:  # whom an earlier look trusted decides, before anything is checked
            self._keys = await self._known()
        run = choose_run(await self._state(data), wanted.event, wanted.run, SERIES, self.source.where)
        if wanted.phase is not None and run.phase != wanted.phase:
            raise MixedPhases(
                f"run {run.id} is of phase {run.phase}; only {wanted.phase} was asked for",
                address=self.source.where,
            )
        self.run = run
        self._mark_path = self.store.root / "event" / run.event / run.id / NAME
        mark = self._mark = await asyncio.to_thread(read_mark, self._mark_path)
        if mark is not None:
            self._check_mark(mark)
        await self._open_series()

    async def _known(self) -> KeyRing:
        """The keys trusted by any mirror in the folder."""
        paths = await asyncio.to_thread(lambda: sorted(self.store.root.glob(f"event/*/*/{NAME}")))
        marks = [await asyncio.to_thread(read_mark, path) for path in paths]
        return KeyRing(self._key, known=tuple(sorted({key for mark in marks if mark for key in mark.keys})))

    def _check_mark(self, mark: Mark) -> None:
        if mark.phase != self.run.phase:
            raise MixedPhases(
                f"the mirror holds run {self.run.id} as {mark.phase}, the source offers it as {self.run.phase}",
                address=str(self.store.root),
            )
        upgraded = self._wanted.whole and not mark.whole and mark.choice is not None
        if upgraded or (self._wanted.choice is not None and self._wanted.choice != mark.choice):
            raise ChoiceNeeded(
                "this mirror keeps another choice; use another folder", address=str(self.store.root)
            )
        self._wanted = dataclasses.replace(self._wanted, choice=mark.choice)
        if mark.whole:
            self._wanted = dataclasses.replace(self._wanted, whole=True)

    async def _open_series(self) -> None:
        names = self.run.series if self._wanted.whole and self._wanted.choice is None else (SERIES,)
        for name in names:
            if name in self._series:
                continue
            files = SeriesFiles(self.store, self.run.event, self.run.id, name)
            one = MirroredSeries(
                self.source.series(self.run, name),
                self._keys,
                self.run,
                name,
                self.store,
                files,
                whole=self._wanted.whole,
                choice=self._wanted.choice,
            )
            await one.open()
            self._series[name] = one

    # ---------------------------------------------------------------- one look
    async def update(self, told: Callable[[str, int, int], None] | None = None) -> Pulled:
        """Fetch what is new; ``told`` hears the series, a release that is there now, and the newest one.

        Raises :class:`NotYet` before the first release, :class:`StorageError`, :class:`RollbackError`, :class:`ChainError`,
        :class:`SignatureError`, and what the source raises: what was there stays as it was.
        """
        began = self.store.written, self.store.size
        pulled = Pulled()
        pulled.state = await self.source.state()
        state = await self._state(pulled.state)
        self._take_run(state)
        changed = await self._put_newest("state.xml", pulled.state, _state_number) or False
        await self._open_series()
        if self._mark is None or (self._wanted.whole and not self._mark.whole):
            changed = True
        if self._mark is not None and self._wanted.whole and not self._mark.whole:
            for one in self._series.values():
                await one.complete(told)
        for name, one in self._series.items():
            before = one.number
            try:
                await one.update(told, self._put_keys)
            except NotYet:
                if name == SERIES:
                    raise
            if one.number > before:
                pulled.releases[name] = (before + 1, one.number)
            pulled.newest[name] = one.number
        changed = changed or bool(pulled.releases)
        changed = await self._beside(pulled) or changed
        await self._remember(state.number)
        self._looks += 1
        pulled.changed = changed
        pulled.files, pulled.size = self.store.written - began[0], self.store.size - began[1]
        return pulled

    def _take_run(self, state: FeedState) -> None:
        run = next((one for one in state.runs if (one.event, one.id) == (self.run.event, self.run.id)), None)
        if run is None:
            raise RollbackError(f"the source has no run {self.run.id} any more", address=self.source.where)
        if run.phase != self.run.phase:
            raise MixedPhases(
                f"run {run.id} was {self.run.phase} and is {run.phase} now", address=self.source.where
            )
        if run.current != self.run.current:  # its address at a feed is another one then
            self._series.clear()
        self.run = run

    async def _state(self, data: bytes) -> FeedState:
        where = f"{self.source.where}/state.xml"
        state = read_state(await self._keys.signed(data, where), where)
        seen = self._mark.state if self._mark else 0
        if state.number < seen:
            raise RollbackError(f"state {state.number} is offered, but {seen} was seen", address=where)
        return state

    async def _put_newest(self, path: str, data: bytes, order: Callable[[bytes], Any]) -> bool | None:
        """Write a signed file unless a newer one is there (one of several servers may lag); whether it was written, None for an older one."""
        await self._put_keys()
        return await asyncio.to_thread(self._written, path, data, order)

    def _written(self, path: str, data: bytes, order: Callable[[bytes], Any]) -> bool | None:
        held = None
        with contextlib.suppress(OSError, SkrutiniumError):  # none yet, or none that can be used
            there = (self.store.root / path).read_bytes()
            if there == data:
                return False
            held = order(there)
        number = order(data)
        if held is not None and held > number:
            _log.info("%s: an older %s is offered than the mirror has", self.source.where, path)
            return None
        return self.store.put(path, data)

    async def _put_keys(self) -> None:
        """Write the keys that were fetched, once they are trusted, and the lines by which a trusted key vouches for them."""
        for key_id, (pem, line) in list(self._fetched.items()):
            if not self._keys.holds(key_id, pem):
                continue
            if line is not None and self._keys.vouched(pem, line):
                await asyncio.to_thread(self.store.put, f"keys/{key_id}.pem.sig", line)
            await asyncio.to_thread(self.store.put, f"keys/{key_id}.pem", pem)
            del self._fetched[key_id]

    async def _beside(self, pulled: Pulled) -> bool:
        """Registers, notices and heartbeat; whether the first two are news."""
        changed = False
        definition = max((one.definition for one in self._series.values()), default=0)
        if definition > self._definition or self._looks % _REGISTERS_EVERY == 0:
            self._definition = definition
            registers = self.source.registers(self.run.event)
            changed = await mirror_registers(
                registers, self._keys, self.run.event, self.store, whole=self.whole
            )
        if isinstance(self.source, Address):
            try:
                answer = await self.source.notices()
            except NotYet:
                pass  # no notice yet, or a store without them
            else:
                assert answer.body is not None
                where = f"{self.source.where}/notices.xml"
                await self._keys.signed(answer.body, where)
                written = await self._put_newest("notices.xml", answer.body, _notices_number)
                if written is not None:
                    pulled.notices = answer.body
                changed = written or changed
            if self._looks % _STATUS_EVERY == 0:
                with contextlib.suppress(NotYet):  # a store on any web server has none
                    pulled.status = await self.source.status()
        for name, one in self._series.items():
            try:
                data = await one.source.heartbeat()
            except NotYet:
                continue  # a store on any web server need not have one
            where = f"{one.source.where}/heartbeat.xml"
            await self._keys.signed(data, where)
            kept = await self._put_newest(one.files.heartbeat, data, _alive)
            if name == SERIES and kept is not None:
                pulled.heartbeat = data
        return changed

    async def _remember(self, state: int) -> None:
        choice = self._wanted.choice
        parts = (None,) * 4 if choice is None else (choice.only, choice.areas, choice.contests, choice.kinds)
        mark = Mark(self.source.where, self.run.phase, self._wanted.whole, self._keys.trusted, state, *parts)
        if mark != self._mark:
            await asyncio.to_thread(write_mark, self._mark_path, mark)
            self._mark = mark


def _state_number(data: bytes) -> int:
    return read_state(split_signed(data, "state.xml")[0], "state.xml").number


def _notices_number(data: bytes) -> int:
    return read_notices(split_signed(data, "notices.xml")[0], "notices.xml").number


def _alive(data: bytes) -> datetime.datetime:
    return read_heartbeat(split_signed(data, "heartbeat.xml")[0], "heartbeat.xml").alive
