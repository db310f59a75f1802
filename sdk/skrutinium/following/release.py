"""One release as a newsroom gets it: its facts at once, its documents when asked for, typed and checked."""

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from skrutinium.documents import protocols_reading, reading
from skrutinium.documents import results as d
from skrutinium.documents.aside import aside
from skrutinium.documents.book import Book
from skrutinium.documents.protocols import Corrections, PrecinctResults, ProtocolBatch
from skrutinium.documents.series import Document, Manifest
from skrutinium.documents.stamp import Stamp
from skrutinium.errors import MixedPhases, SchemaError
from skrutinium.following.snapshot import Snapshot
from skrutinium.following.statefile import Seen
from skrutinium.following.taking import Taken
from skrutinium.sources.books import Books
from skrutinium.sources.source import Material

if TYPE_CHECKING:
    from skrutinium.tables.changes import Differences

T = TypeVar("T", bound=Stamp)
_SMALL = 16 * 1024


class Release:
    """A numbered, signed publication. ``snapshot`` is true for the first one met, which stands for all before it.

    ``mark`` is what is kept when it is done; a sink stores it in the same transaction as its rows.
    """

    def __init__(
        self, taken: Taken, documents: Snapshot, books: Books, mark: Seen, *, snapshot: bool
    ) -> None:
        self._taken = taken
        self._documents = documents
        self._books = books
        self.mark = mark
        self.snapshot = snapshot
        documents.serve(self)

    def __repr__(self) -> str:
        told = self.manifest
        return f"<Release {told.release} of {told.event}/{told.run}, {told.reported} of {told.expected} protocols>"

    @property
    def manifest(self) -> Manifest:
        """The signed manifest."""
        return self._taken.manifest

    @property
    def sha256(self) -> str:
        """Hash of the manifest."""
        return self._taken.sha256

    @property
    def source(self) -> str:
        """Where it came from: the address or path of the source that delivered it first."""
        return self._taken.source

    @property
    def number(self) -> int:
        """Number in the series: no gaps, never goes back."""
        return self.manifest.release

    @property
    def time(self) -> datetime.datetime:
        """When it was cut, by the run's clock, UTC."""
        return self.manifest.time

    @property
    def phase(self) -> str:
        """``test``, ``rehearsal`` or ``live``: only live is a real election."""
        return self.manifest.phase

    @property
    def run(self) -> str:
        """The run."""
        return self.manifest.run

    @property
    def event_id(self) -> str:
        """The event."""
        return self.manifest.event

    @property
    def state(self) -> str:
        """How final: interim, complete, final, certified, corrected."""
        return self.manifest.state

    @property
    def expected(self) -> int:
        """Protocols expected in the event."""
        return self.manifest.expected

    @property
    def reported(self) -> int:
        """Protocols reported in the event."""
        return self.manifest.reported

    @property
    def changed(self) -> tuple[str, ...]:
        """Paths of the documents that are new or changed in this release."""
        return tuple(row.path for row in self.manifest.documents)

    def changed_ids(self, folder: str) -> tuple[str, ...]:
        """Ids of what changed in one folder: ``contest``, ``district``, ``area`` or ``precinct``."""
        start = folder + "/"
        return tuple(path[len(start) : -len(".xml")] for path in self.changed if path.startswith(start))

    async def document(self, path: str) -> bytes:
        """The bytes of any document as of this release, checked; raises :class:`NotYet` when there is none."""
        row = await self._documents.row(path, self._taken)
        return await self._documents.data(row, self._taken)

    async def documents(self) -> tuple[Document, ...]:
        """Every document as of this release, by path: what a reader holds who took all releases up to here."""
        return await self._documents.all(self._taken)

    async def read(self, row: Document) -> bytes:
        """The bytes of one of its :meth:`documents`, checked."""
        return await self._documents.data(row, self._taken)

    async def event(self) -> d.EventResults:
        """The whole event."""
        return await self._typed("event.xml", reading.read_event)

    async def area(self, area: str) -> d.AreaResults:
        """One unit of the country."""
        return await self._typed(f"area/{area}.xml", reading.read_area)

    async def contest(self, contest: str) -> d.ContestResults:
        """One contest."""
        return await self._typed(f"contest/{contest}.xml", reading.read_contest)

    async def district(self, district: str) -> d.DistrictResults:
        """One district of a contest that has more than one; raises :class:`NotYet` for the only one of its contest."""
        return await self._typed(f"district/{district}.xml", reading.read_district)

    async def summary(self) -> d.Summary:
        """The event in one line for each kind of contest."""
        return await self._typed("summary.xml", reading.read_summary)

    async def precinct(self, precinct: str) -> PrecinctResults:
        """One precinct."""
        return await self._typed(f"precinct/{precinct}.xml", protocols_reading.read_precinct)

    async def batch(self) -> ProtocolBatch | None:
        """The protocols accepted since the release before; None when there are none."""
        path = f"batch/{self.number}.xml"
        return await self._typed(path, protocols_reading.read_batch) if path in self.changed else None

    async def corrections(self) -> Corrections | None:
        """What changed in protocols that had been published before; None when nothing did."""
        path = f"corrections/{self.number}.xml"
        return await self._typed(path, protocols_reading.read_corrections) if path in self.changed else None

    async def pack(self, number: int) -> Material:
        """Everything of some release by few requests, not yet checked: for who needs much at once."""
        return await self._documents.pack(number)

    async def changes(self, older: "Release") -> "Differences":
        """What this release says otherwise than an older one, as changes of records, with the corrections published in between."""
        from skrutinium.tables.changes import changes_between  # noqa: PLC0415  (tables stand on releases)

        return await changes_between(older, self)

    async def book(self) -> Book:
        """What the registers say of the event, as of the version of the definition that this release was made with.

        Raises :class:`NotYet` when the source has no registers of it.
        """
        return await self._books.get(self.manifest.codebook)

    async def _typed(self, path: str, read: Callable[[bytes, str], T]) -> T:
        row = await self._documents.row(path, self._taken)
        data = await self._documents.data(row, self._taken)
        # A thread costs more than reading a small document does, and many readers of one process would queue for it.
        document = read(data, path) if len(data) < _SMALL else await aside(read, data, path)
        told = self.manifest
        if (document.event, document.run, document.phase) != (told.event, told.run, told.phase):
            raise MixedPhases(
                f"is of {document.event}/{document.run}/{document.phase}; the release is of "
                f"{told.event}/{told.run}/{told.phase}",
                address=path,
            )
        if document.release > told.release or document.codebook != row.codebook:
            raise SchemaError(f"says release {document.release}, codebook {document.codebook}", address=path)
        return document
