"""Checking one release: its documents by hash, size, schema and stamp, then its protocols, then every published total."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from lxml import etree

from skrutinium.documents.series import Document, Manifest
from skrutinium.sources.source import Material
from skrutinium.verifying.document_checking import DocumentChecker, Parsed, load
from skrutinium.verifying.pack_checking import wrong_pack
from skrutinium.verifying.protocol_checking import ProtocolChecker
from skrutinium.verifying.recount import Recount, Votes
from skrutinium.verifying.registers import Registers
from skrutinium.verifying.report import SERIES, Report
from skrutinium.verifying.structure_checking import StructureChecker
from skrutinium.verifying.totals_checking import totals

_CHUNK = 256
_KEPT_ROOTS = 2000


class Checker:
    """Goes through releases in order; everything found goes into ``report``.

    ``law`` is the id of the run's law: whether persons are rightly elected is said for those that :mod:`.majority` knows.
    ``rows`` are the newest documents by path; ``position`` is the place in the ledger of the newest release.
    """

    def __init__(self, report: Report, threads: int = 2, law: str = "") -> None:
        self.report = report
        self.recount = Recount(law)
        self.rows: dict[str, Document] = {}
        self.definition = 0
        self.position = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="verify")
        self._adding = True
        self._documents = DocumentChecker(report)
        self._structure = StructureChecker(report, self.recount)
        self._protocols = ProtocolChecker(report, self.recount, self._structure.once_held)

    @property
    def log(self) -> list[tuple[int, tuple[str, str], Votes]]:
        """The protocols as they came: :attr:`.ProtocolChecker.log`."""
        return self._protocols.log

    @property
    def adding(self) -> bool:
        """Whether every protocol so far could be added up."""
        return self._adding

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    def use(self, definition: int, registers: Registers | None) -> None:
        """From the next release on results are compared with the registers of that version of the definition."""
        self.definition = definition
        self._structure.use(registers)

    def stop_adding(self, why: str) -> None:
        """Totals cannot be compared from here on."""
        if self._adding:
            self._adding = False
            self.report.note(f"totals were not compared from here on: {why}")

    def release(self, manifest: Manifest, material: Material) -> None:
        """Check one release."""
        self._pack(manifest, material)
        kept: list[Parsed] | None = [] if len(manifest.documents) <= _KEPT_ROOTS else None
        batch: etree._Element | None = None
        corrections: etree._Element | None = None
        added: list[str] = []
        held = frozenset(self.recount.held)
        for parsed in self._load(manifest.documents, material, validate=True):
            root = self._documents.judged(manifest, parsed)
            if root is None:
                if parsed.row.path.startswith("batch/"):
                    self.stop_adding(f"{parsed.row.path} cannot be used")
                continue
            added += self._structure.learn(manifest, parsed.row.path, root)
            if parsed.row.path.startswith("batch/"):
                batch = root
            elif parsed.row.path.startswith("corrections/"):
                corrections = root
            elif kept is not None:
                kept.append(parsed)
        for precinct in added:
            self.recount.expect(precinct)
        if self._adding:
            self._protocols.take(manifest, batch, corrections, held)
        if self._adding:
            again = self._load(manifest.documents, material, validate=False) if kept is None else kept
            totals(self.report, self.recount, manifest, again, self.rows)
        self._documents.lasting(manifest, self.rows)
        self.rows.update((row.path, row) for row in manifest.documents)
        self._structure.presence(manifest, self.rows)
        self.report.looked(SERIES).releases += 1
        self.position = manifest.position

    def _load(self, rows: Iterable[Document], material: Material, *, validate: bool) -> Iterator[Parsed]:
        left = iter(rows)
        while chunk := list(islice(left, _CHUNK)):
            yield from self._threads.map(lambda row: load(row, material.load, validate=validate), chunk)

    def _pack(self, manifest: Manifest, material: Material) -> None:
        wrong = wrong_pack(manifest, material)
        if wrong is not None:
            self.report.differs("pack", manifest.release, f"pack/{manifest.release}", *wrong)
