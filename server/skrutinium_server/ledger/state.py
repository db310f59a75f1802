"""What the writer knows of the ledger so far, and which entry comes of an admission. Pure: no I/O, no clock.

Rules of versions (design § 4.1): of one precinct and contest the version with the highest ``sequence`` counts, of equal
ones the first. Bytes that were stored before for the same precinct and contest are that entry again.
"""

import datetime
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from skrutinium_server.intake.model import Admission
from skrutinium_server.ledger.chain import GENESIS, Row, entry_hash, head_bytes
from skrutinium_server.ledger.errors import ClosedError, RefusedError
from skrutinium_server.ledger.model import (
    Accepted,
    Body,
    Closed,
    Cut,
    Declared,
    Entry,
    Held,
    Lifted,
    Opened,
    Reopened,
    Step,
)
from skrutinium_server.ledger.standing import COUNTED, Standing, declare
from skrutinium_server.ledger.store import Mark, Receipt

SOURCE_PATHS: Final = frozenset({"import", "replay"})
"""Paths on which a change is a re-send by the source, so that reason and authority are known without being told."""


class Stored(NamedTuple):
    """One stored version: its place, hash and number."""

    position: int
    hash: str
    version: int


class Unit(NamedTuple):
    """What is stored of one precinct and contest; ``versions`` maps the hash of the bytes to the version."""

    position: int
    sequence: int
    versions: dict[str, Stored]


class State:
    """Head, versions and release numbers after some entries.

    ``plan``, ``plan_cut`` and ``plan_step`` return the rows to store and go forward at once; when the rows could not be
    stored, the state must be built again from what is.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.position = 0
        self.hash = GENESIS
        self.closed = False
        self.held: set[str] = set()
        self.standing: Standing = COUNTED
        self.releases: dict[str, int] = {}
        self.units: dict[tuple[str, str], Unit] = {}
        for entry in entries:
            self.position, self.hash = entry.position, entry.hash
            self._learn(entry)

    def plan(
        self, admissions: Sequence[Admission], time: datetime.datetime
    ) -> tuple[list[Row], list[Receipt]]:
        """Rows and receipts of one call, all or none; raises RefusedError or ClosedError and stays as it was."""
        time = self._clock(time)
        rows: list[Row] = []
        receipts: list[Receipt] = []
        changed: dict[tuple[str, str], Unit] = {}
        position, previous = self.position, self.hash
        for admission in admissions:
            protocol = admission.protocol
            key = (protocol.precinct, protocol.contest)
            unit = changed.get(key) or self.units.get(key)
            data = admission.taken_over.data
            data_sha256 = hashlib.sha256(data).hexdigest()
            if unit is not None and (stored := unit.versions.get(data_sha256)) is not None:
                receipts.append(Receipt(*stored, True, stored.position == unit.position))
                continue
            body = _accepted(admission, unit, data_sha256, time)
            position += 1
            head = head_bytes(position, previous, body)
            previous = entry_hash(head)
            rows.append(Row(position, head, data, bytes.fromhex(previous)))
            changed[key] = _next_unit(unit, body, Stored(position, previous, body.version))
            receipts.append(
                Receipt(position, previous, body.version, False, changed[key].position == position)
            )
        self.units.update(changed)
        self.position, self.hash = position, previous
        return rows, receipts

    def plan_cut(self, cut: Cut) -> tuple[Row, Mark]:
        """The row of a cut; raises RefusedError when its number is not the next one of its series."""
        cut = msgspec.structs.replace(cut, time=self._clock(cut.time))
        expected = self.releases.get(cut.series, 0) + 1
        if cut.number != expected:
            raise RefusedError(
                f"Release {cut.number} of the series {cut.series} was to be cut; expected number {expected}: numbers have no gaps",
                code="ledger-release-number",
            )
        planned = self._append(cut)
        self.releases[cut.series] = cut.number
        return planned

    def plan_step(self, step: Step) -> tuple[Row, Mark]:
        """The row of what people decided; raises RefusedError when it does not follow from what was decided before."""
        if isinstance(step, Reopened):
            if not self.closed:
                raise RefusedError(
                    "The run is open; only a closed one can be opened again", code="ledger-state"
                )
            step = msgspec.structs.replace(step, time=_utc(step.time))
        else:
            step = msgspec.structs.replace(step, time=self._clock(step.time))
        self._check_step(step)
        planned = self._append(step)
        self._learn_step(step)
        return planned

    def _check_step(self, step: Step) -> None:
        match step:
            case Held(contest=contest) if contest in self.held:
                raise RefusedError(
                    f"Contest {contest} is held already; expected one that is not, or lift it",
                    code="ledger-held",
                )
            case Lifted(contest=contest) if contest not in self.held:
                held = ", ".join(sorted(self.held)) or "none"
                raise RefusedError(
                    f"Contest {contest} is not held; expected one that is (held: {held})", code="ledger-held"
                )
            case Declared(state=state):
                declare(self.standing, state)
            case _:
                pass

    def _learn_step(self, step: Step) -> None:
        match step:
            case Held(contest=contest):
                self.held.add(contest)
            case Lifted(contest=contest):
                self.held.discard(contest)
            case Declared(state=state):
                self.standing = declare(self.standing, state)
            case Closed():
                self.closed = True
            case Reopened():
                self.closed = False

    def plan_opened(self, opened: Opened) -> Row:
        """The row of the first entry."""
        return self._append(msgspec.structs.replace(opened, time=self._clock(opened.time)))[0]

    def _append(self, body: Body) -> tuple[Row, Mark]:
        head = head_bytes(self.position + 1, self.hash, body)
        self.position, self.hash = self.position + 1, entry_hash(head)
        return Row(self.position, head, b"", bytes.fromhex(self.hash)), Mark(self.position, self.hash)

    def _clock(self, time: datetime.datetime) -> datetime.datetime:
        if self.closed:
            raise ClosedError(
                "The run is closed: its ledger has its last entry and takes nothing more. Open another run."
            )
        return _utc(time)

    def _learn(self, entry: Entry) -> None:
        match entry.body:
            case Accepted() as body:
                key = (body.protocol.precinct, body.protocol.contest)
                stored = Stored(entry.position, entry.hash, body.version)
                self.units[key] = _next_unit(self.units.get(key), body, stored)
            case Cut() as cut:
                self.releases[cut.series] = cut.number
            case Opened():
                pass
            case step:
                self._learn_step(step)


def _utc(time: datetime.datetime) -> datetime.datetime:
    if time.utcoffset() is None:
        raise RefusedError("The time of an entry has no zone; expected an aware time", code="ledger-time")
    return time if time.tzinfo is datetime.UTC else time.astimezone(datetime.UTC)


def _next_unit(unit: Unit | None, body: Accepted, stored: Stored) -> Unit:
    versions = {body.data_sha256: stored} if unit is None else {**unit.versions, body.data_sha256: stored}
    if unit is None or body.supersedes is not None:
        return Unit(stored.position, body.protocol.sequence, versions)
    return unit._replace(versions=versions)


def _accepted(admission: Admission, unit: Unit | None, data_sha256: str, time: datetime.datetime) -> Accepted:
    protocol, taken_over, origin = admission.protocol, admission.taken_over, admission.origin
    supersedes = unit.position if unit is not None and protocol.sequence > unit.sequence else None
    reason, authority = admission.reason, admission.authority
    if supersedes is not None and not (reason and authority):
        if origin.path not in SOURCE_PATHS or reason not in (None, "source-resend"):
            raise RefusedError(
                f"Precinct {protocol.precinct}, contest {protocol.contest}: a change of the protocol at position {supersedes} "
                "without reason or authority; expected both, for only a re-send by the source explains itself",
                code="ledger-reason",
            )
        reason, authority = "source-resend", authority or origin.who
    return Accepted(
        protocol,
        data_sha256,
        taken_over.format,
        taken_over.encoding,
        taken_over.source,
        taken_over.source_sha256,
        taken_over.offset,
        origin,
        1 if unit is None else len(unit.versions) + 1,
        supersedes,
        reason,
        authority,
        admission.findings,
        admission.skipped_rules,
        time,
    )
