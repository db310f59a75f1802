"""Readers and writers of definitions: one module a format, pure over bytes."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.formats import csv_set, volby_batches, volby_registers, volby_senate_registers
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Definition


class Reader(Protocol):
    """Reads files or folders into a definition; raises ``SourceError``."""

    def __call__(
        self, law: Law, paths: Sequence[Path], *, event: str | None = None, date: datetime.date | None = None
    ) -> Definition:
        """``event`` is the event's id; by default the law's prefix and the year. ``date`` is the first day of voting.

        Where a source tells of several elections, the date chooses; where it tells none, it is the date.
        """
        ...


def _registers(
    law: Law, paths: Sequence[Path], *, event: str | None = None, date: datetime.date | None = None
) -> Definition:
    """The registers of the Senate for its law, else those of councils."""
    if law.majority is not None:
        return volby_senate_registers.read_paths(law, paths, event=event, date=date)
    return volby_registers.read_paths(law, paths, event=event, date=date)


def _of_one_election(read: Callable[..., Definition]) -> Reader:
    """A reader of a source that tells of one election only."""

    def reader(
        law: Law, paths: Sequence[Path], *, event: str | None = None, date: datetime.date | None = None
    ) -> Definition:
        facts = read(law, paths, event=event)
        if date is None or facts.date == date:
            return facts
        if facts.date is not None:
            raise ElectionError(
                f"The source says the date of voting is {facts.date}, --date says {date}.",
                code="definition-date",
            )
        named = f"{law.prefix}{date.year}" if event is None else facts.event
        return msgspec.structs.replace(facts, date=date, event=named)

    return reader


READERS: Final[dict[str, Reader]] = {
    "volby-registers": _registers,
    "volby-batches": _of_one_election(volby_batches.read_paths),
    "csv": _of_one_election(csv_set.read_paths),
}
"""The readers by the name that ``definition import --format`` takes."""
