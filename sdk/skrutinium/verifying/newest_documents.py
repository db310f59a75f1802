"""Checking the documents of one release with all protocols since the first: what an archive holds, and a mirror of the newest release."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from lxml import etree

from skrutinium.documents import parsing
from skrutinium.documents.attributes import number as whole
from skrutinium.documents.series import Document, Manifest
from skrutinium.verifying import outcomes
from skrutinium.verifying.document_checking import LASTING, OF_ONE_RELEASE, Parsed, load
from skrutinium.verifying.protocol_checking import ProtocolChecker
from skrutinium.verifying.recount import Recount
from skrutinium.verifying.registers import Registers
from skrutinium.verifying.report import SERIES, Report
from skrutinium.verifying.structure_checking import StructureChecker
from skrutinium.verifying.totals_checking import totals

Progress = Callable[[int, int], None]
"""Told (documents checked, all documents)."""
_CHUNK = 256


class NewestDocuments:
    """The documents as of one release: each by hash, schema and stamp, then all protocols in their order, then every number.

    ``read`` gets the bytes of one, from any thread; ``rows`` are all of them by path; ``law`` is the id of the run's law; with
    ``registers`` they are compared with these.
    """

    def __init__(
        self,
        read: Callable[[Document], bytes],
        report: Report,
        manifest: Manifest,
        rows: Mapping[str, Document],
        law: str,
        progress: Progress | None,
        registers: Registers | None = None,
    ) -> None:
        self._read = read
        self._report = report
        self._manifest = manifest
        self._rows = rows
        self._progress = progress
        self._recount = Recount(law)
        self._structure = StructureChecker(report, self._recount)
        self._structure.use(registers)
        self._usable: set[str] = set()

    def check(self) -> None:
        """Check all of it."""
        with ThreadPoolExecutor(2, thread_name_prefix="verify") as threads:
            self._learn(threads)
            if self._take():
                paths = sorted(path for path in self._usable if not path.startswith(OF_ONE_RELEASE))
                everything = dataclasses.replace(self._manifest, documents=tuple(self._rows.values()))
                loaded = self._load(threads, paths, validate=False)
                totals(self._report, self._recount, everything, loaded, self._rows)
                outcomes.tell(self._recount, self._report)
            else:
                self._report.note("totals were not compared: a batch of protocols cannot be used")
        self._structure.presence(self._manifest, self._rows)

    def _load(self, threads: ThreadPoolExecutor, paths: Iterable[str], *, validate: bool) -> Iterator[Parsed]:
        left = (self._rows[path] for path in paths)
        while chunk := list(islice(left, _CHUNK)):
            yield from threads.map(lambda row: load(row, self._read, validate=validate), chunk)

    def _learn(self, threads: ThreadPoolExecutor) -> None:
        """Judge every document, and learn from it what the event consists of."""
        added: list[str] = []
        looked = self._report.looked(SERIES)
        for parsed in self._load(threads, sorted(self._rows), validate=True):
            looked.documents += 1
            if self._progress is not None:
                self._progress(looked.documents, len(self._rows))
            if parsed.root is None:
                words = parsed.error.message if parsed.error else ""
                self._report.differs(parsed.code, None, parsed.row.path, "the document cannot be used", words)
                continue
            self._usable.add(parsed.row.path)
            self._stamp(parsed.row, parsed.root)
            added += self._structure.learn(self._manifest, parsed.row.path, parsed.root)
        for precinct in added:
            self._recount.expect(precinct)

    def _stamp(self, row: Document, root: etree._Element) -> None:
        """What the root says of event, run and release, of itself, and of how final it is."""
        manifest, path = self._manifest, row.path
        folder, _, name = path.removesuffix(".xml").rpartition("/")
        release = whole(root, "release")
        of_one = path.startswith(OF_ONE_RELEASE)
        pairs: list[tuple[str, object, object]] = [
            ("event", root.get("event"), manifest.event),
            ("run", root.get("run"), manifest.run),
            ("phase", root.get("phase"), manifest.phase),
            ("codebook", root.get("codebook"), str(row.codebook)),
            ("release", release, int(name) if of_one else min(release, manifest.release)),
        ]
        if folder and not of_one:
            pairs.append(("id", root.get("id", name), name))
        state = root.get("state")
        if not of_one and state != manifest.state and LASTING & {state, manifest.state}:
            pairs.append(("state", state, manifest.state))
        if row.schema != parsing.SCHEMA:
            pairs.append(("schema in the manifest", row.schema, parsing.SCHEMA))
        for what, published, due in pairs:
            if published != due:
                self._report.differs("stamp", release, path, what, published, due)

    def _take(self) -> bool:
        """Take all protocols, batch by batch; False when one of the batches cannot be used."""
        # Which contests were held in between is not in there, so order is checked contest by contest.
        checker = ProtocolChecker(self._report, self._recount, frozenset(self._recount.contest_area))
        numbers = sorted(
            int(path[len("batch/") : -len(".xml")]) for path in self._rows if path.startswith("batch/")
        )
        for number in numbers:
            batch = self._root(f"batch/{number}.xml", "protocol-batch")
            if batch is None:
                return False
            corrections = self._root(f"corrections/{number}.xml", "corrections")
            release = dataclasses.replace(self._manifest, release=number)
            checker.take(release, batch, corrections, frozenset())
        for path in sorted(path for path in self._rows if path.startswith("corrections/")):
            number = int(path[len("corrections/") : -len(".xml")])
            if number not in numbers:
                self._report.differs("correction", number, path, "a batch beside it", None, "one")
        return True

    def _root(self, path: str, expected: str) -> etree._Element | None:
        if path not in self._usable:
            return None
        return parsing.document(self._read(self._rows[path]), expected, path, validate=False)
