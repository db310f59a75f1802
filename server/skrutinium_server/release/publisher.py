"""The publisher of one series: follows the ledger, keeps its own tally, makes the releases that cuts ask for.

It holds nothing that is not a function of ledger and store: killed at any moment and started again, it goes on with
the next release and makes the same bytes. A checkpoint lists every document of the event, so it is written after its
release is out; who was killed in between owes it, and writes it when started again. Source: design § 4.2, § 4.3 and § 5.
"""

import datetime
import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol as Interface
from typing import assert_never

from skrutinium_server.ledger.model import Accepted, Cut, Declared, Entry, Held, Lifted, Opened
from skrutinium_server.ledger.standing import (
    COUNTED,
    Certified,
    Corrected,
    Counted,
    DeclaredFinal,
    Standing,
    change,
    declare,
)
from skrutinium_server.ledger.store import LedgerReader
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA, Stamp
from skrutinium_server.release.model import Arrival, Cutting, Document, State, Writer
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import ZEROS, ManifestRow, Newest, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer, signature_holds
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.model import Changes
from skrutinium_server.tally.tally import Tally


class ReleaseOutOfOrder(ReleaseError):
    """Ledger and store do not belong together."""

    code = "release-out-of-order"


@dataclass(frozen=True, slots=True)
class _Owed:
    """A checkpoint that a cut asked for; ``rows`` is the snapshot of its release, None when only the store knows it."""

    stamp: Stamp
    rows: tuple[ManifestRow, ...] | None


class Store(Interface):
    """Where releases go: a :class:`~.store.writing.StoreWriter`, or what compares them with those that went there before."""

    @property
    def signer(self) -> Signer:
        """Whose key signs."""

    def put_objects(self, documents: Iterable[tuple[str, bytes, str, int]]) -> list[ManifestRow]:
        """Take (path, bytes, schema, codebook); their rows in the same order."""

    def publish(
        self, key: SeriesKey, number: int, manifest: bytes, documents: Iterable[tuple[str, bytes]]
    ) -> None:
        """Take a release whose documents were put."""

    def write_checkpoint(self, key: SeriesKey, number: int, document: bytes) -> None:
        """Take the checkpoint of a release."""

    def write_heartbeat(self, key: SeriesKey, document: bytes) -> None:
        """Take a heartbeat."""


class Publisher:
    """Publishes one series of one run.

    ``catch_up`` reads the ledger to its end and makes every release that is asked for and not in the store yet; it
    returns the numbers of the releases it made. ``newest`` is the last one. ``write_checkpoint`` pays what ``catch_up``
    left owing, one at a time, so that whoever calls both can let the next release come first; ``write_protocols`` what
    the newest release tells of single protocols.
    """

    def __init__(
        self,
        key: SeriesKey,
        ledger: LedgerReader,
        tally: Tally,
        writer: Writer,
        validator: Validator,
        reader: StoreReader,
        store: Store,
    ) -> None:
        self.key = key
        self._ledger = ledger
        self._tally = tally
        self._writer = writer
        self._validator = validator
        self._reader = reader
        self._store = store
        self._position = 0
        self._opened: Opened | None = None
        self._arrivals: list[tuple[int, Accepted, tuple[int, Accepted] | None]] = []
        self._held: dict[str, str] = {}
        self._aside: dict[str, list[tuple[int, Accepted]]] = {}
        self._standing: Standing = COUNTED
        # Contests whose document says something else although no protocol came, and whether all documents do.
        self._touched: set[str] = set()
        self._restated = False
        published = reader.newest(key)
        if published is not None:
            self._check_own(published)
        self.newest = published.number if published else 0
        self._previous = published.sha256 if published else ZEROS
        self._snapshot = reader.snapshot(key, self.newest)
        self._checkpoints = frozenset(reader.checkpoints(key))
        self._owed: deque[_Owed] = deque()
        self._protocols: tuple[int, ...] = ()
        self._stamp: Stamp | None = None

    def _check_own(self, published: Newest) -> None:
        """Raise :class:`StoreDamaged` unless the newest release is what its name says and signed with this site's key.

        What is published next goes on from it: a store that was tampered with, or is another site's, must not be continued.
        """
        path = self._reader.layout.manifest(self.key, published.number)
        manifest = self._reader.manifest_bytes(self.key, published.number)
        if hashlib.sha256(manifest).hexdigest() != published.sha256:
            raise StoreDamaged(path, "is not the manifest that the file newest names")
        signature = self._reader.manifest_signature(self.key, published.number)
        if not signature_holds(self._store.signer.public, manifest, signature):
            raise StoreDamaged(path, "is not signed with the key of this site")

    def catch_up(self, at_most: int | None = None) -> list[int]:
        """Make what is due, at most so many releases (None: all of them); raises :class:`ReleaseError` and what the store raises."""
        made: list[int] = []
        for entry in self._ledger.entries(self._position):
            match entry.body:
                case Opened():
                    self._opened = entry.body
                case Accepted() as body if body.protocol.contest in self._held:
                    self._aside[body.protocol.contest].append((entry.position, body))
                case Accepted() as body:
                    self._accept(entry.position, body)
                case Held(contest=contest, reason=reason):
                    self._held[contest], self._aside[contest] = reason, []
                    self._touched.add(contest)
                case Lifted(contest=contest):
                    self._lift(contest)
                case Declared(state=declared):
                    self._stand(declare(self._standing, declared))
                case Cut(series=series) if series == self.key.series:
                    if self._cut(entry, entry.body):
                        made.append(entry.body.number)
                case _:
                    pass
            self._position = entry.position
            if at_most is not None and len(made) >= at_most:
                break
        return made

    def write_checkpoint(self) -> bool:
        """Write the oldest checkpoint that is owed; False when none is. Raises what the store raises."""
        if not self._owed:
            return False
        owed = self._owed[0]
        number = owed.stamp.release
        rows = owed.rows
        if rows is None:
            rows = tuple(self._reader.snapshot(self.key, number).values())
        digest = hashlib.sha256(self._reader.manifest_bytes(self.key, number)).hexdigest()
        document = papers.checkpoint(owed.stamp, series=self.key.series, manifest_hash=digest, rows=rows)
        self._validator.validate("checkpoint.xml", document, SCHEMA)
        self._store.write_checkpoint(self.key, number, document)
        self._owed.popleft()
        return True

    def heartbeat(self, now: datetime.datetime) -> bool:
        """Say that the publisher is alive; False while there is no release yet."""
        if self._stamp is None:
            return False
        document = papers.heartbeat(self._stamp, self.key.series, self._previous, now)
        self._validator.validate("heartbeat.xml", document, SCHEMA)
        self._store.write_heartbeat(self.key, document)
        return True

    def _accept(self, position: int, body: Accepted, *, set_aside: bool = False) -> None:
        applied = self._tally.apply(position, body, set_aside=set_aside)
        self._arrivals.append((position, body, applied.replaced))
        if applied.replaced is not None:
            self._stand(change(self._standing))

    def _lift(self, contest: str) -> None:
        """Count what was set aside: it came in, for those who read, when it was lifted."""
        del self._held[contest]
        for position, body in self._aside.pop(contest):
            self._accept(position, body, set_aside=True)
        self._touched.add(contest)

    def _stand(self, standing: Standing) -> None:
        self._restated = self._restated or standing != self._standing
        self._standing = standing

    @property
    def _state(self) -> State:
        match self._standing:
            case Counted():
                # A correction that is set aside is known to the ledger only: all is in, but not all that counts is shown.
                whole = self._tally.complete and not any(self._aside.values())
                return "complete" if whole else "interim"
            case DeclaredFinal():
                return "final"
            case Certified():
                return "certified"
            case Corrected():
                return "corrected"
            case _:
                assert_never(self._standing)

    def _take_changes(self) -> Changes:
        """What the next release has to say anew."""
        changes = self._tally.take_changes()
        changes.contests |= self._touched
        changes.everything = changes.everything or self._restated
        self._touched, self._restated = set(), False
        return changes

    def _cut(self, entry: Entry, cut: Cut) -> bool:
        """Make the release of this cut unless the store has it already; whether it was made."""
        if self._opened is None:
            raise ReleaseOutOfOrder(f"The ledger has a cut at {entry.position} before it was opened.")
        self._stamp = Stamp(
            event=self._opened.event,
            run=self._opened.run,
            phase=cut.phase,
            release=cut.number,
            time=cut.time,
            codebook=cut.definition,
        )
        due = cut.number > self.newest
        if due and cut.number != self.newest + 1:
            raise ReleaseOutOfOrder(
                f"The ledger asks for release {cut.number} of {self.key.series}, but the store ends at {self.newest}. "
                "Restore the store from its backup or mirror."
            )
        if due:
            self._publish(entry, cut, self._opened, self._stamp)
        else:
            self._take_changes()
            if cut.checkpoint and cut.number not in self._checkpoints:
                self._owed.append(_Owed(self._stamp, None))
        if cut.number == self.newest and not self._writer.by_batch:
            self._protocols = tuple(position for position, _, _ in self._arrivals)
        if self._carries_arrivals(cut):
            self._arrivals.clear()
        return due

    def _carries_arrivals(self, cut: Cut) -> bool:
        """Whether the release of this cut holds what came in; a series with batches collects it for them."""
        return not self._writer.by_batch or cut.batch is not None

    def _publish(self, entry: Entry, cut: Cut, opened: Opened, stamp: Stamp) -> None:
        state = self._state
        # What was set aside comes late: a release tells its protocols in the order of the ledger.
        arrivals = sorted(self._arrivals, key=itemgetter(0)) if self._carries_arrivals(cut) else []
        cutting = Cutting(
            event=opened.event,
            run=opened.run,
            phase=cut.phase,
            number=cut.number,
            time=cut.time,
            codebook=cut.definition,
            state=state,
            arrivals=tuple(
                Arrival(position, body, self._ledger.data(position), replaced)
                for position, body, replaced in arrivals
            ),
            batch=cut.batch,
            held=dict(self._held),
        )
        self.write_protocols()
        documents = list(self._writer.documents(self._tally, self._take_changes(), cutting))
        rows = self._store_documents(documents, cutting)
        rows.sort(key=lambda row: row.path)
        manifest = papers.manifest(
            stamp,
            series=self.key.series,
            previous=self._previous,
            position=entry.position,
            ledger_hash=entry.hash,
            state=state,
            expected=self._tally.expected,
            reported=self._tally.reported,
            checkpoint=cut.checkpoint,
            rows=rows,
        )
        self._validator.validate("manifest.xml", manifest, SCHEMA)
        digest = hashlib.sha256(manifest).hexdigest()
        self._snapshot.update((row.path, row) for row in rows)
        by_path = {document.path: document.data for document in documents}
        self._store.publish(
            self.key,
            cut.number,
            manifest,
            ((row.path, by_path[row.path]) for row in rows),
        )
        self.newest, self._previous = cut.number, digest
        if cut.checkpoint:
            self._owed.append(_Owed(stamp, tuple(self._snapshot.values())))

    def _store_documents(self, documents: list[Document], cutting: Cutting) -> list[ManifestRow]:
        for document in documents:
            self._validator.validate(document.path, document.data, document.schema)
        return self._store.put_objects(
            (document.path, document.data, document.schema, cutting.codebook) for document in documents
        )

    def write_protocols(self) -> bool:
        """Make objects of the bytes taken over that the newest release tells; False when they are. Raises what the store raises.

        The hash that a batch names for a protocol is their address; no manifest needs to name them. They follow their
        release within moments and come before the next, so who was killed in between owes those of the newest one only.
        """
        if not self._protocols:
            return False
        self._store.put_objects(
            (f"protocol/{position}", self._ledger.data(position), "", 1) for position in self._protocols
        )
        self._protocols = ()
        return True
