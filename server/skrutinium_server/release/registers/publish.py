"""Publishing registers: every document validated, all objects stored, then the index, then its name.

Killed at any moment, the store holds the registers before or the new ones whole; done again it changes nothing.
"""

import datetime
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from skrutinium_server.election.canonical import canonical, sha256
from skrutinium_server.election.model import Definition
from skrutinium_server.release.registers.index import index
from skrutinium_server.release.registers.model import SCHEMA, Edition, Paper
from skrutinium_server.release.registers.streaming import validate
from skrutinium_server.release.store.model import ZEROS
from skrutinium_server.release.store.registers import (
    RegisterRow,
    Registers,
    RegistersReader,
    put_index,
    put_newest,
)
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.validate import Validator


class Published(msgspec.Struct, frozen=True):
    """What was published: number (version of the definition), edition, paths that are new or changed; ``new`` False: nothing."""

    number: int
    edition: int
    documents: int
    changed: tuple[str, ...]
    new: bool


def edition_of(definition: Definition, now: datetime.datetime) -> Edition:
    """With what documents are written at the moment ``now`` (aware)."""
    return Edition(definition.version, sha256(canonical(definition)), now.replace(microsecond=0))


def settle(
    papers: Iterable[Paper], edition: Edition, before: Registers | None
) -> Iterator[tuple[Paper, Edition, bytes]]:
    """Each paper with its bytes: those of the registers before when nothing else than the edition would differ."""
    known = {} if before is None else before.rows
    for paper in papers:
        row = known.get(paper.path)
        if row is not None and row.schema == paper.schema:
            former = Edition(row.definition, row.definition_sha256, row.time)
            data = paper.written(former)
            if hashlib.sha256(data).hexdigest() == row.sha256:
                yield paper, former, data
                continue
        yield paper, edition, paper.written(edition)


def newest_registers(reader: RegistersReader, event: str) -> Registers | None:
    """The newest index of an event, None before the first."""
    newest = reader.newest(event)
    return None if newest is None else reader.index(event, newest.number)


def publish(
    writer: StoreWriter,
    validator: Validator,
    definition: Definition,
    settled: Sequence[tuple[Paper, Edition, bytes]],
    edition: Edition,
    before: Registers | None,
) -> Published:
    """Publish the documents of :func:`settle` (``before`` the same) as the registers of that definition.

    Raises ``DocumentInvalid`` and ``StoreWriteFailed``; then nothing of them can be found.
    """
    known = {} if before is None else before.rows
    for paper, with_what, data in settled:
        if paper.schema is not None and with_what is edition:
            validate(validator, paper.path, data, paper.schema)
    stored = writer.put_objects(
        (paper.path, data, paper.schema or "", with_what.definition) for paper, with_what, data in settled
    )
    rows = [
        RegisterRow(
            path=row.path,
            size=row.size,
            sha256=row.sha256,
            schema=paper.schema,
            definition=with_what.definition,
            definition_sha256=with_what.sha256,
            time=with_what.time,
        )
        for row, (paper, with_what, _) in zip(stored, settled, strict=True)
    ]
    changed = tuple(
        sorted(row.path for row in rows if row.path not in known or known[row.path].sha256 != row.sha256)
    )
    same = not changed and known.keys() == {row.path for row in rows}
    reader = RegistersReader(writer.layout.root)
    event, number = definition.event, definition.version
    if before is not None and same and before.definition == number:
        put_newest(writer, event, number, before.sha256)
        return Published(number, before.edition, len(rows), (), new=False)
    count = reader.edition(event, number) + 1
    data = index(
        event,
        edition,
        rows,
        known,
        number=count,
        previous=ZEROS if before is None else before.sha256,
        made_up=definition.made_up,
    )
    validator.validate("registers.xml", data, SCHEMA)
    put_index(writer, event, number, count, data)
    return Published(number, count, len(rows), changed, new=True)


@contextmanager
def alone(writer: StoreWriter, event: str) -> Iterator[None]:
    """Two that publish the registers of an event take turns."""
    folder = writer.layout.registers(event)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
