"""Checking the documents of a release one by one: hash, size, schema, and what the root says of the release that wrote it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lxml import etree

from skrutinium.documents import parsing
from skrutinium.documents.attributes import moment
from skrutinium.documents.series import Document, Manifest
from skrutinium.errors import SchemaError, SkrutiniumError
from skrutinium.sources.source import matches
from skrutinium.verifying.report import SERIES, Report

_ROOTS = {
    "event.xml": "event-results",
    "summary.xml": "summary",
    "turnout.xml": "turnout",
    "area": "area-results",
    "contest": "contest-results",
    "district": "district-results",
    "precinct": "precinct-results",
    "batch": "protocol-batch",
    "corrections": "corrections",
}
LASTING = frozenset({"final", "certified", "corrected"})
"""States that a whole event is in."""

OF_ONE_RELEASE = ("batch/", "corrections/")
"""Documents that belong to the release that wrote them and are never written again."""


@dataclass(slots=True)
class Parsed:
    """A document that was loaded: its root, or what is wrong with it."""

    row: Document
    root: etree._Element | None
    code: str = ""
    error: SkrutiniumError | None = None


def load(row: Document, source: Callable[[Document], bytes], *, validate: bool) -> Parsed:
    """Load, check and parse one document; runs in any thread."""
    try:
        data = source(row)
    except SkrutiniumError as error:
        return Parsed(row, None, "object", error)
    if wrong := matches(row, data, row.path):
        return Parsed(row, None, "object", wrong)
    expected = _ROOTS.get(row.path.split("/", 1)[0])
    if expected is None:
        return Parsed(row, None, "stamp", SchemaError("no document of this series has such a path"))
    try:
        return Parsed(row, parsing.document(data, expected, row.path, validate=validate))
    except SchemaError as error:
        return Parsed(row, None, "schema", error)


class DocumentChecker:
    """Judges the documents of releases in order; everything found goes into ``report``."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._looked = report.looked(SERIES)
        self._codebook = 0
        self._state = "interim"

    def judged(self, manifest: Manifest, parsed: Parsed) -> etree._Element | None:
        """The root of a document that may be used; what is wrong with it goes into the report."""
        row, number = parsed.row, manifest.release
        self._looked.documents += 1
        if parsed.error is not None:
            words = parsed.error.message
            self.report.differs(parsed.code, number, row.path, "the document cannot be used", words)
            return None
        root = parsed.root
        assert root is not None
        if row.schema != parsing.SCHEMA:
            self.report.differs(
                "schema", number, row.path, "schema in the manifest", row.schema, parsing.SCHEMA
            )
        due = {
            "event": manifest.event,
            "run": manifest.run,
            "phase": manifest.phase,
            "release": str(number),
        }
        for name, value in due.items():
            if root.get(name) != value:
                self.report.differs("stamp", number, row.path, name, root.get(name), value)
        if (told_time := moment(root, "time")) != manifest.time:
            self.report.differs("stamp", number, row.path, "time", told_time, manifest.time)
        told_state = root.get("state")
        of_event = LASTING & {told_state, manifest.state} or row.path.startswith(OF_ONE_RELEASE)
        if told_state != manifest.state and of_event:
            self.report.differs("state", number, row.path, "state", told_state, manifest.state)
        name = row.path.rpartition("/")[2].removesuffix(".xml")
        told = root.get("id") or (str(number) if row.path.startswith(("batch/", "corrections/")) else name)
        if told != name:
            self.report.differs("stamp", number, row.path, "id", told, name)
        if root.get("codebook") != str(row.codebook) or row.codebook < self._codebook:
            self.report.differs("codebook", number, row.path, "codebook", root.get("codebook"), row.codebook)
        self._codebook = max(self._codebook, row.codebook)
        return root

    def lasting(self, manifest: Manifest, rows: Mapping[str, Document]) -> None:
        """Final, certified and corrected stand in every document from the release on that says so first.

        ``rows`` are the newest of every path, before this release or with it.
        """
        before, self._state = self._state, manifest.state
        if manifest.state == before or not {manifest.state, before} & LASTING:
            return
        there = {row.path for row in manifest.documents}
        for path in sorted(rows.keys() - there):
            if not path.startswith(OF_ONE_RELEASE):
                self.report.differs("missing", manifest.release, path, f"does not say {manifest.state}", "")
