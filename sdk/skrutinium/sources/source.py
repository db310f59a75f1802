"""Where releases are read from: a feed by its address, or a folder that holds a release store. One small interface.

Nothing here is trusted: signatures, chain and hashes are checked by those who read. Layout: ``docs/architecture.md``.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from skrutinium.documents.registers import RegisterRow, RegistersSource
from skrutinium.documents.series import Document, Run
from skrutinium.errors import DamagedError, SkrutiniumError

_NEWEST = re.compile(rb"\s*([0-9]{1,9})\s+([0-9a-f]{64})\s*")


@dataclass(frozen=True, slots=True)
class Material:
    """One release as a source gives it.

    ``load`` gets the bytes of one of its documents; it may be called from any thread and raises
    :class:`SkrutiniumError`. ``pack`` is the pack of a folder, to be checked beside the objects.
    """

    manifest: bytes
    signature: bytes
    load: Callable[[Document], bytes]
    pack: Path | None = None


class SeriesSource(Protocol):
    """The releases of one series of one run."""

    @property
    def where(self) -> str:
        """Address or path, for people."""

    async def newest(self) -> tuple[int, str]:
        """Number and manifest hash of the newest release; raises :class:`NotYet` before the first."""

    async def manifest(self, number: int) -> tuple[bytes, bytes]:
        """A manifest and its signature line."""

    async def release(self, number: int) -> Material:
        """Everything of one release."""

    async def object(self, sha256: str) -> bytes:
        """A document by its hash, not yet checked."""

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        """A checkpoint (the newest, unless a number is given) and its signature line."""

    async def heartbeat(self) -> bytes:
        """The heartbeat with its signature line."""


class Source(Protocol):
    """A feed or a folder: its signed state, its keys, and its series."""

    @property
    def where(self) -> str:
        """Address or path, for people."""

    async def state(self) -> bytes:
        """The state file with its signature line."""

    async def key(self, key_id: str) -> tuple[bytes, bytes | None]:
        """A public key (PEM) and the signature line beside it; raises :class:`NotYet` when there is none."""

    def series(self, run: Run, series: str = "skrutinium") -> SeriesSource:
        """The series of that run."""

    def registers(self, event: str) -> RegistersSource:
        """What there is to read before the election."""

    async def close(self) -> None:
        """Let go of what is held."""


def number_and_hash(data: bytes, where: str) -> tuple[int, str]:
    """What a file ``newest`` of a store says; raises :class:`DamagedError`."""
    found = _NEWEST.fullmatch(data)
    if found is None:
        raise DamagedError("does not hold a number and a hash", address=where)
    return int(found[1]), found[2].decode("ascii")


def matches(row: Document | RegisterRow, data: bytes, where: str) -> SkrutiniumError | None:
    """What is wrong with the bytes of a document by its row in the manifest (or index); None when nothing."""
    if len(data) != row.size:
        return DamagedError(f"has {len(data)} bytes; {row.size} are announced", address=where)
    digest = hashlib.sha256(data).hexdigest()
    if digest != row.sha256:
        return DamagedError(f"has the hash {digest}; {row.sha256} is announced", address=where)
    return None
