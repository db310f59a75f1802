"""Protocols from files and from bytes, whatever their format: the names that commands and processes use."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.intake.door import check_event
from skrutinium_server.intake.errors import ReadError
from skrutinium_server.intake.formats import csv_set, volby_batches
from skrutinium_server.intake.model import Protocol, Received, TakenOver

_Read = Callable[[Path, Law, DefinitionIndex], list[Received]]


def _batches(path: Path, law: Law, index: DefinitionIndex) -> list[Received]:
    received: list[Received] = []
    for batch in volby_batches.read_folder(path, law):
        if isinstance(batch, volby_batches.Batch):
            check_event(batch.date, batch.round, batch.source, index)
            received += batch.records
    return received


def _csv(path: Path, law: Law, _index: DefinitionIndex) -> list[Received]:
    return list(csv_set.read_folders(path, law))


_FILES: Final[dict[str, _Read]] = {volby_batches.FORMAT: _batches, csv_set.FORMAT: _csv}
FORMATS: Final = tuple(sorted(_FILES))
"""What ``protocols import --format`` takes."""


def read_path(form: str, path: Path, law: Law, index: DefinitionIndex) -> list[Received]:
    """Every protocol in a file or folder, in its order; all of it or, with :class:`ReadError`, nothing."""
    return _FILES[form](path, law, index)


def read_protocol(taken_over: TakenOver, law: Law) -> Protocol:
    """The protocol that the bytes taken over tell by themselves; raises :class:`ReadError`."""
    data, source, offset = taken_over.data, taken_over.source, taken_over.offset
    if taken_over.format == volby_batches.FORMAT:
        return volby_batches.parse_record(data, taken_over.encoding, law, source=source, offset=offset)
    if taken_over.format == csv_set.FORMAT:
        return csv_set.parse_record(data, law, source=source, offset=offset)
    raise ReadError(
        source,
        offset,
        f"the format {taken_over.format!r}",
        f"one of {', '.join(FORMATS)}",
    )
