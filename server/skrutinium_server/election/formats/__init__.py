"""Readers and writers of definitions: one module a format, pure over bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from skrutinium_server.election.formats import csv_set, volby_batches, volby_registers
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Definition


class Reader(Protocol):
    """Reads files or folders into a definition; raises ``SourceError``."""

    def __call__(self, law: Law, paths: Sequence[Path], *, event: str | None = None) -> Definition:
        """``event`` is the event's id; by default the law's prefix and the year."""
        ...


READERS: Final[dict[str, Reader]] = {
    "volby-registers": volby_registers.read_paths,
    "volby-batches": volby_batches.read_paths,
    "csv": csv_set.read_paths,
}
"""The readers by the name that ``definition import --format`` takes."""
