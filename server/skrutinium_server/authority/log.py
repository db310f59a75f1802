"""The event log of a site on the disk: ``authority/events.jsonl``, appended to and never changed.

One writer at a time, held by a lock on the file (flock(2)); readers share it. An event is acknowledged when its line and
the file ``events.head`` (position and hash of the last acknowledged line) are on the disk. So a line that a kill tore is
known not to be acknowledged: it is set aside in ``events.torn`` and the log goes on; and a log that lost acknowledged
lines is refused. Sources: requirement C18, design § 4.1.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from skrutinium_server.authority import chain
from skrutinium_server.authority.chain import GENESIS, BrokenLine
from skrutinium_server.authority.errors import EventLogBusy, EventLogDamaged
from skrutinium_server.authority.files import make_folder, put_whole
from skrutinium_server.authority.model import Entry, Event
from skrutinium_server.authority.state import after
from skrutinium_server.authority.state import fold as fold_entries
from skrutinium_server.durable import sync_folder

PATIENCE: Final = 10.0
"""Seconds that a command waits for another one to let the log go."""

_PAUSE: Final = 0.02


class Contents(NamedTuple):
    """What the file holds: proved entries, the length of their lines, and what stands torn behind them."""

    entries: tuple[Entry, ...]
    size: int
    torn: bytes


class EventLog:
    """The event log in ``folder``; it need not exist yet."""

    def __init__(self, folder: Path, patience: float = PATIENCE) -> None:
        self.folder = folder
        self.path = folder / "events.jsonl"
        self.head = folder / "events.head"
        self.torn = folder / "events.torn"
        self._patience = patience

    def entries(self) -> tuple[Entry, ...]:
        """Everything recorded, proved; raises :class:`EventLogDamaged`. A torn line is left for the next writer."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if self.head.exists():
                raise EventLogDamaged(self.path, "the file is gone, but events were recorded in it") from None
            return ()
        try:
            self._lock(descriptor, fcntl.LOCK_SH)
            return self._read(descriptor).entries
        finally:
            os.close(descriptor)

    def append(
        self, who: str, now: Callable[[], datetime], decide: Callable[[tuple[Entry, ...]], Sequence[Event]]
    ) -> tuple[Entry, ...]:
        """Record what ``decide`` makes of the entries so far; returns the new entries once they are durable.

        Nobody else can record in between. Several events are one write, but a kill may leave the first ones of them only:
        what must not be halved is one event. Raises what ``decide`` raises, :class:`EventRefused` for an event that does
        not follow, :class:`EventLogDamaged`, :class:`EventLogBusy`, OSError.
        """
        with self._alone() as descriptor:
            known = self._mended(descriptor)
            new: list[Entry] = []
            state = fold_entries(known)
            for event in decide(known):
                last = new[-1] if new else known[-1] if known else None
                moment = max(now(), last.time) if last else now()
                position, previous = (last.position + 1, last.hash) if last else (1, GENESIS)
                entry = chain.make(position, previous, moment, who, event)
                state = after(state, entry)
                new.append(entry)
            if new:
                self._write(descriptor, b"".join(map(chain.line, new)))
                self._acknowledge(new[-1])
            return tuple(new)

    def _read(self, descriptor: int) -> Contents:
        size = os.fstat(descriptor).st_size
        data = b""
        while len(data) < size:
            part = os.pread(descriptor, size - len(data), len(data))
            if not part:
                break
            data += part
        whole = data[: data.rfind(b"\n") + 1]
        try:
            entries = tuple(chain.read(whole))
        except BrokenLine as error:
            raise EventLogDamaged(self.path, str(error)) from error
        torn = data[len(whole) :]
        entries = self._held_to_promise(entries, torn)
        return Contents(entries, len(whole), torn)

    def _held_to_promise(self, entries: tuple[Entry, ...], torn: bytes) -> tuple[Entry, ...]:
        """Check that every acknowledged line is there; one that lacks its line feed only is whole."""
        if torn:
            position, previous = (entries[-1].position + 1, entries[-1].hash) if entries else (1, GENESIS)
            with contextlib.suppress(BrokenLine):
                entries = (*entries, chain.parse(torn, position, previous))
        promised = self._promised()
        if promised is None:
            return entries
        position, digest = promised
        if len(entries) < position:
            raise EventLogDamaged(
                self.path, f"it ends with entry {len(entries)}, but entry {position} was acknowledged"
            )
        if entries[position - 1].hash != digest:
            raise EventLogDamaged(self.path, f"entry {position} is not the one that was acknowledged")
        return entries

    def _promised(self) -> tuple[int, str] | None:
        try:
            text = self.head.read_text("ascii")
            position, digest = text.split()
            return int(position), digest
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise EventLogDamaged(self.head, "expected a position and a hash") from error

    def _mended(self, descriptor: int) -> tuple[Entry, ...]:
        """The entries, after a torn line was completed or set aside; a lost acknowledgement is caught up with."""
        entries, size, torn = self._read(descriptor)
        if torn and len(entries) > 0 and chain.line(entries[-1]) == torn + b"\n":
            os.lseek(descriptor, 0, os.SEEK_END)
            self._write(descriptor, b"\n")
        elif torn:
            with self.torn.open("ab") as file:
                file.write(torn + b"\n")
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self.folder)
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        os.lseek(descriptor, 0, os.SEEK_END)
        if entries and self._promised() != (entries[-1].position, entries[-1].hash):
            # What stands whole in the file counts, also when its writer was killed before it could say so.
            os.fsync(descriptor)
            self._acknowledge(entries[-1])
        return entries

    def _write(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)

    def _acknowledge(self, entry: Entry) -> None:
        put_whole(self.head, f"{entry.position} {entry.hash}\n".encode("ascii"), mode=0o640)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        make_folder(self.folder, 0o750)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            self._lock(descriptor, fcntl.LOCK_EX)
            sync_folder(self.folder)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, kind: int) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise EventLogBusy(
                        f"{self.path} has been held by another command for {self._patience:g} s. Wait for it to end, or end it."
                    ) from None
                time.sleep(_PAUSE)
            else:
                return
