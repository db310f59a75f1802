"""The books of an event at a source: each version of its registers is fetched once, checked, and kept.

Checked are the signature of the index, which version and event it is of, and size and hash of every document.
"""

import asyncio
import contextlib
import os
import tempfile
from collections import OrderedDict
from pathlib import Path

from skrutinium.documents.book import Book, open_book
from skrutinium.documents.registers import RegisterRow, RegistersIndex, RegistersSource
from skrutinium.documents.registers_reading import read_index
from skrutinium.errors import ChainError
from skrutinium.sources.source import matches
from skrutinium.trust.signing import KeyRing

_KEPT = 4
"""Books held: that of the newest release, and a few before it to compare with."""


class Books:
    """Gets books by the version of the definition.

    ``folder`` keeps documents by their hash from one start of the program to the next (None: in memory alone); what lies there
    is checked like what comes from the source.
    """

    def __init__(
        self, source: RegistersSource, keys: KeyRing, event: str, folder: Path | None = None
    ) -> None:
        self._source = source
        self._keys = keys
        self._event = event
        self._folder = folder
        self._held: OrderedDict[int, Book] = OrderedDict()
        self._lock = asyncio.Lock()

    @property
    def newest(self) -> int | None:
        """The newest version that is held, None when none was asked for."""
        return max(self._held, default=None)

    async def get(self, definition: int) -> Book:
        """The registers of that version of the definition, of their newest edition when first asked for.

        Raises :class:`NotYet` when the source has none, :class:`SignatureError`, :class:`ChainError` when they are of another event
        or version, :class:`DamagedError`, :class:`SchemaError`, and what the source raises.
        """
        async with self._lock:
            if definition not in self._held:
                self._held[definition] = await self._open(definition)
                while len(self._held) > _KEPT:
                    self._held.popitem(last=False)
            self._held.move_to_end(definition)
            return self._held[definition]

    async def _open(self, definition: int) -> Book:
        where = f"{self._source.where} registers {definition}"
        data, line = await self._source.index(definition)
        await self._keys.check(data, line, where)
        index = await asyncio.to_thread(read_index, data, where)
        if (index.event, index.definition) != (self._event, definition):
            raise ChainError(
                f"registers {index.definition} of {index.event}; asked for {definition} of {self._event}",
                address=where,
            )
        return await open_book(index, lambda row: self._document(index, row))

    async def _document(self, index: RegistersIndex, row: RegisterRow) -> bytes:
        kept = None if self._folder is None else self._folder / row.sha256
        if kept is not None:
            with contextlib.suppress(OSError):
                data = await asyncio.to_thread(kept.read_bytes)
                if matches(row, data, row.path) is None:
                    return data
        data = await self._source.document(index.definition, row)
        if wrong := matches(row, data, f"{self._source.where} {row.path}"):
            raise wrong
        if kept is not None:
            with contextlib.suppress(OSError):  # kept for the next start only: this one has the bytes
                await asyncio.to_thread(_keep, kept, data)
        return data


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
