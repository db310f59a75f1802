"""Follows a release store and an access list from a thread of its own: looks at time stamps, loads what is new.

What cannot be used is left alone: the last good state stays, and an alarm says so, in the log once and at ``/status``
for as long as it lasts. Source: design § 5.
"""

import contextlib
import datetime
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from lxml import etree

from skrutinium_server.feed.access import AccessList, load_access
from skrutinium_server.feed.errors import AccessError, FeedError, PublishedBackwards
from skrutinium_server.feed.refusals import XML
from skrutinium_server.feed.registers import EventRegisters, RegistersPast
from skrutinium_server.feed.representation import Representation, represent
from skrutinium_server.feed.shelf import Published, Shelved, advance, load_series, newest_checkpoint
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.notices import read_notices
from skrutinium_server.release.store.reading import StoreReader, read_state
from skrutinium_server.release.store.signing import split_signed

log = logging.getLogger("skrutinium.feed")

INTERVAL: Final = 0.02
"""Seconds between two looks."""

RARELY: Final = 50
"""Runs that are closed and not current are looked at every so many looks."""

SETTLED: Final = 5
"""A changed access list counts once it has stayed the same for so many looks: it may be half written before."""

_UNUSABLE: Final = (StoreError, FeedError, OSError, ValueError, KeyError, etree.LxmlError)

_TIME: Final = re.compile(rb'<notices\s[^>]*?\stime="([0-9TZ:.+-]+)"')

_Stamp = tuple[int, int, int]


class _Files(NamedTuple):
    """What is looked at for one series. Paths are made once: making them costs more than looking."""

    newest: Path
    checkpoints: Path
    heartbeat: Path


class Watcher:
    """Looks at ``store`` and ``access``, and now and then calls ``also``, whose errors are alarms of that name; ``tell_published`` and ``tell_access`` are called in the watching thread.

    :meth:`look` may be called without :meth:`start`, for the first state.
    """

    def __init__(
        self,
        reader: StoreReader,
        access: Path,
        tell_published: Callable[[Published], None],
        tell_access: Callable[[AccessList], None],
        interval: float = INTERVAL,
        also: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self._reader = reader
        self._registers = RegistersPast(reader)
        self._notices = reader.layout.root / "notices.xml"
        self._state = reader.layout.state
        self._files: dict[SeriesKey, _Files] = {}
        self._newest_registers: dict[str, Path] = {}
        self._events: frozenset[str] = frozenset()
        self._access = access
        self._tell_published = tell_published
        self._tell_access = tell_access
        self._interval = interval
        self._also = dict(also or {})
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[Path, _Stamp | None] = {}
        self._alarms: dict[str, str] = {}
        self._published = Published()
        self._access_read = False
        self._unsettled: tuple[_Stamp | None, int] | None = None
        # Runs that are closed and not current are loaded by the second look, so that they do not hold up the start.
        self._looks = -1
        self._failed: set[Path] = set()
        self.looked = time.monotonic()

    def start(self) -> None:
        """Begin to look regularly."""
        self._thread = threading.Thread(target=self._run, name="watch the store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for a look under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Look once and tell what is new."""
        self._look_at_access()
        before = self._published
        rarely = self._looks % RARELY == 0
        if rarely:  # a store that is being copied here may be whole by now
            for path in self._failed:
                self._seen.pop(path, None)
            self._failed.clear()
        if rarely:
            self._look_at_others()
        found = self._look_at_notices(self._look_at_state(before))
        found = self._look_at_registers(found, rarely)
        series, heartbeats = dict(found.series), dict(found.heartbeats)
        for run in found.runs:
            if run.open or run.current or rarely:
                for name in run.series:
                    self._look_at_series(SeriesKey(run.event, run.id, name), series, heartbeats)
        if series != found.series:
            found = replace(found, series=series)
        if heartbeats != found.heartbeats:
            found = replace(found, heartbeats=heartbeats)
        if self._alarms != found.alarms:
            found = replace(found, alarms=dict(self._alarms))
        self._looks += 1
        self.looked = time.monotonic()
        if found is not before:
            self._published = found
            self._tell_published(found)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001
                # Whatever it is, the feed goes on with what it has, and /health tells when no look succeeds.
                self._alarm("watching", error, log.exception)

    def _look_at_others(self) -> None:
        for name, look in self._also.items():
            try:
                look()
            except FeedError as error:
                self._alarm(name, error)
            else:
                self._well(name)

    def _look_at_access(self) -> None:
        stamp = _stamp(self._access)
        if self._access_read:
            if self._seen.get(self._access) == stamp:
                self._unsettled = None
                return
            looks = self._unsettled[1] + 1 if self._unsettled and self._unsettled[0] == stamp else 0
            self._unsettled = (stamp, looks)
            if looks < SETTLED:
                return
        self._seen[self._access] = stamp
        try:
            found = load_access(self._access)
        except AccessError as error:
            self._alarm("access", error)
            if stamp is None or not self._access_read:
                self._tell_access(AccessList())  # no list, nobody
        else:
            self._well("access")
            log.info("access list %s: %d ranges", self._access, found.size)
            self._tell_access(found)
        self._access_read = True

    def _look_at_state(self, before: Published) -> Published:
        path = self._state
        if not self._changed(path):
            return before
        try:
            data = path.read_bytes()
            number, runs = read_state(path, split_signed(data)[0])
            if number < before.number:
                raise PublishedBackwards(
                    f"{path}: state {number} came after {before.number}. Restore the newer file."
                )
        except _UNUSABLE as error:
            self._alarm("state", error)
            self._failed.add(path)
            return before
        self._well("state")
        kept = {SeriesKey(run.event, run.id, name) for run in runs for name in run.series}
        return replace(
            before,
            number=number,
            state=represent(data, kind=XML, varies=False),
            runs=runs,
            current=_current(runs),
            series={key: series for key, series in before.series.items() if key in kept},
        )

    def _look_at_notices(self, before: Published) -> Published:
        path = self._notices
        if not self._changed(path):
            return before
        try:
            data = path.read_bytes()
            notices = read_notices(path, data)
            if notices.number < before.notices.number:
                raise PublishedBackwards(
                    f"{path}: notices {notices.number} came after {before.notices.number}. Restore the newer file."
                )
        except _UNUSABLE as error:
            self._alarm("notices", error)
            self._failed.add(path)
            return before
        self._well("notices")
        told = _TIME.search(data)
        noticed = datetime.datetime.fromisoformat(told[1].decode("ascii")) if told else None
        kept = represent(data, kind=XML, varies=False)
        return replace(before, notices=notices, notices_file=kept, noticed=noticed)

    def _look_at_registers(self, before: Published, rarely: bool) -> Published:
        """Registers may be there before any run of their event."""
        if rarely:
            self._events = self._registers.events()
        found: dict[str, EventRegisters] = {}
        for event in self._events | before.current.keys():
            path = self._newest_registers.get(event)
            if path is None:
                path = self._newest_registers[event] = self._reader.layout.registers_newest(event)
            if self._changed(path):
                with self._watched(f"{event}/registers", path):
                    registers = self._registers.newest(event)
                    if registers is not None:
                        found[event] = registers
        return replace(before, registers={**before.registers, **found}) if found else before

    def _look_at_series(
        self, key: SeriesKey, series: dict[SeriesKey, Shelved], heartbeats: dict[SeriesKey, Representation]
    ) -> None:
        files = self._files.get(key)
        if files is None:
            layout = self._reader.layout
            files = self._files[key] = _Files(
                layout.newest(key), layout.checkpoint(key, 1).parent, layout.heartbeat(key)
            )
        if self._changed(path := files.newest):
            with self._watched("/".join(key), path):
                self._load(key, series)
        # A checkpoint comes after its release. The folder may change twice within one tick of its time stamp, so every
        # heartbeat is another occasion to look into it.
        looked = self._changed(files.checkpoints)
        if self._changed(path := files.heartbeat):
            looked = True
            with self._watched("/".join(key), path):
                self._load_heartbeat(key, heartbeats)
        if looked and (known := series.get(key)):
            found = newest_checkpoint(self._reader, key, known.number)
            if found != known.checkpoint:
                series[key] = replace(known, checkpoint=found)

    def _changed(self, path: Path) -> bool:
        stamp = _stamp(path)
        if stamp is None or self._seen.get(path) == stamp:
            return False
        self._seen[path] = stamp
        return True

    @contextlib.contextmanager
    def _watched(self, whose: str, path: Path) -> Iterator[None]:
        """What fails inside raises an alarm and is tried again later."""
        name = f"{whose}/{path.name}"
        try:
            yield
        except _UNUSABLE as error:
            self._alarm(name, error)
            self._failed.add(path)
        else:
            self._well(name)

    def _load(self, key: SeriesKey, series: dict[SeriesKey, Shelved]) -> None:
        newest = self._reader.newest(key)
        if newest is not None:
            known = series.get(key)
            series[key] = (
                advance(self._reader, known, newest) if known else load_series(self._reader, key, newest)
            )

    def _load_heartbeat(self, key: SeriesKey, heartbeats: dict[SeriesKey, Representation]) -> None:
        data = self._reader.heartbeat(key)
        if data is not None:
            heartbeats[key] = represent(data, kind=XML, varies=False)

    def _alarm(self, name: str, error: Exception, say: Callable[..., None] = log.error) -> None:
        message = f"{type(error).__name__}: {error}"
        if self._alarms.get(name) != message:
            self._alarms[name] = message
            say("alarm %s: %s", name, message)

    def _well(self, name: str) -> None:
        if self._alarms.pop(name, None) is not None:
            log.info("alarm %s is over", name)


def _stamp(path: Path) -> _Stamp | None:
    try:
        told = os.stat(path)  # noqa: PTH116 - half the price, many times a second
    except OSError:
        return None
    return told.st_mtime_ns, told.st_ino, told.st_size


def _current(runs: tuple[Run, ...]) -> dict[str, Run]:
    return {run.event: run for run in runs if run.current}
