"""Readers and writers of definitions: one module a format, pure over bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from skrutinium_server.election.formats import csv_set, volby_batches, volby_registers, volby_senate_registers
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Definition


class Reader(Protocol):
    """Reads files or folders into a definition; raises ``SourceError``."""

    def __call__(self, law: Law, paths: Sequence[Path], *, event: str | None = None) -> Definition:
        """``event`` is the event's id; by default the law's prefix and the year."""
        ...


def _registers(law: Law, paths: Sequence[Path], *, event: str | None = None) -> Definition:
    """The registers of the Senate for its law, else those of councils."""
    if law.majority is not None:
        return volby_senate_registers.read_paths(law, paths, event=event)
    return volby_registers.read_paths(law, paths, event=event)


READERS: Final[dict[str, Reader]] = {
    "volby-registers": _registers,
    "volby-batches": volby_batches.read_paths,
    "csv": csv_set.read_paths,
}
"""The readers by the name that ``definition import --format`` takes."""
