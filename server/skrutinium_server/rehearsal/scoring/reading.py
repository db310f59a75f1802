"""Reading what the feed wrote: the access log and the receipts of one run. Pure but for the files, read line by line.

A last line without an end is one that is being written, or that a kill cut off: it is left out. Any other line that is none stops
the reading, by its number: a score from half a log would be wrong without saying so.
"""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from skrutinium_server.rehearsal.scoring.model import Done, Night, Read, Receipt, ScoringError, Unchanged, Way

LONGEST: Final = 64 * 1024
"""Bytes of one line, at most."""

_CODEBOOKS: Final = "/codebooks/"

Whole = Annotated[int, msgspec.Meta(ge=0)]


class _Line(msgspec.Struct, frozen=True):
    """A line of the access log: an answer, a sum of answers 304 (``kind``, ``count``), or lines that were ``lost``."""

    time: datetime.datetime
    subscriber: str | None = None
    address: str = ""
    event: str | None = None
    run: str | None = None
    method: str = ""
    path: str = ""
    status: Whole = 0
    bytes: Whole = 0
    release: Whole | None = None
    registers: Whole | None = None
    agent: str | None = None
    kind: str | None = None
    count: Whole = 0
    lost: Whole = 0


class _Receipt(msgspec.Struct, frozen=True, rename={"by_mail": "by-mail"}):
    """A line of the file of receipts; times of ``done`` are by the reader's clock."""

    received: datetime.datetime
    subscriber: str
    address: str
    event: str
    run: str
    client: str
    software: str
    sent: datetime.datetime
    done: tuple[Done, ...]
    program: str | None = None
    codebook: Whole | None = None
    by_mail: Whole = 0
    mails: Whole | None = None
    corrections: Whole = 0


class Logged(msgspec.Struct, frozen=True):
    """What an access log tells of a time; ``lost``: lines that the feed could not write."""

    reads: tuple[Read, ...]
    unchanged: tuple[Unchanged, ...]
    lost: int


def read_access_log(path: Path, night: Night, until: datetime.datetime, where: Way = "feed") -> Logged:
    """What the access log says of the run up to ``until``, and of codebooks that were fetched at any time before; ``where``: which feed wrote it.

    Raises :class:`ScoringError`.
    """
    reads: list[Read] = []
    unchanged: list[Unchanged] = []
    lost = 0
    for line in _lines(path, _Line, "the access log of a feed"):
        if line.time > until:
            continue
        lost += line.lost
        subscriber = line.subscriber
        if subscriber is None or not _told_of(line, night):
            continue
        if line.kind is not None:
            unchanged.append(Unchanged(line.time, subscriber, line.kind, line.count, where))
        elif line.path:
            reads.append(
                Read(
                    line.time,
                    subscriber,
                    line.address,
                    line.event,
                    line.run,
                    line.method,
                    line.path,
                    line.status,
                    line.bytes,
                    line.release,
                    line.registers,
                    where,
                    line.agent,
                )
            )
    return Logged(tuple(reads), tuple(unchanged), lost)


def _told_of(line: _Line, night: Night) -> bool:
    """Whether a line says something of the night: what was read in its run, a sum of its time, or codebooks."""
    if line.kind is not None:
        return line.time >= night.begun
    mine = (line.event, line.run) == (night.event, night.run)
    return mine or line.registers is not None or line.path.startswith(_CODEBOOKS)


def read_receipts(path: Path, event: str, run: str) -> tuple[Receipt, ...]:
    """The receipts of one run; raises :class:`ScoringError`.

    The clock of a reader may be wrong: its times are moved by the difference between sending, by its clock, and receiving, by the feed's.
    """
    found = []
    for line in _lines(path, _Receipt, "receipts of a feed"):
        if (line.event, line.run) == (event, run):
            wrong = line.received - line.sent
            done = tuple(
                msgspec.structs.replace(one, time=min(one.time + wrong, line.received)) for one in line.done
            )
            found.append(
                Receipt(
                    line.received,
                    line.subscriber,
                    line.address,
                    line.event,
                    line.run,
                    line.client,
                    line.software,
                    line.program,
                    line.codebook,
                    line.by_mail,
                    line.mails,
                    line.corrections,
                    done,
                )
            )
    return tuple(found)


def _lines(path: Path, kind: type[Any], what: str) -> Iterator[Any]:
    decoder = msgspec.json.Decoder(kind)
    number = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST):
                number += 1
                if not line.endswith(b"\n") and len(line) < LONGEST:
                    return
                yield decoder.decode(line)
    except OSError as error:
        raise ScoringError(
            f"{path} cannot be read ({error.strerror or error}). Name a file of {what}."
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ScoringError(
            f"{path}, line {number}: {error}; expected {what}, a JSON object a line."
        ) from error
