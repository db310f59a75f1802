"""Comparing every published number of a release with the protocols added up again, and finding what should have been in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from lxml import etree

from skrutinium.documents.series import Document, Manifest
from skrutinium.verifying import comparing, summary_comparing
from skrutinium.verifying.document_checking import Parsed
from skrutinium.verifying.recount import EVENT, Recount, Touched
from skrutinium.verifying.report import SERIES, Report

_COMPARE: dict[str, Callable[[etree._Element, Recount], Iterator[comparing.Finding]]] = {
    "event-results": comparing.event,
    "area-results": comparing.area,
    "contest-results": comparing.contest,
    "district-results": comparing.district,
    "summary": summary_comparing.summary,
    "precinct-results": comparing.precinct,
}


def totals(
    report: Report,
    recount: Recount,
    manifest: Manifest,
    documents: Iterable[Parsed],
    rows: Mapping[str, Document],
) -> None:
    """Compare every number of a release with the recount; ``rows`` are the newest documents before it."""
    number = manifest.release
    for name, ours, theirs in (
        ("expected", recount.expected, manifest.expected),
        ("reported", len(recount.current), manifest.reported),
    ):
        if ours != theirs:
            report.differs("total", number, "manifest.xml", name, theirs, ours)
    recount.state = manifest.state
    whole = len(recount.current) >= recount.expected
    if manifest.state != "interim" and not whole:
        report.differs("total", number, "manifest.xml", "state", manifest.state, "interim")
    # While a contest is held, what came in and is not shown may be a correction: then all is in, but not complete.
    if manifest.state == "interim" and whole and not recount.held:
        report.differs("total", number, "manifest.xml", "state", manifest.state, "complete")
    report.counting, report.expected = len(recount.current), recount.expected
    for parsed in documents:
        root = parsed.root
        if root is None:
            continue
        compare = _COMPARE.get(etree.QName(root).localname)
        if compare is None:
            continue
        report.looked(SERIES).totals += 1
        for what, published, recomputed in compare(root, recount):
            report.differs("total", number, parsed.row.path, what, published, recomputed)
    _missing(report, recount, manifest, rows)


def _missing(report: Report, recount: Recount, manifest: Manifest, rows: Mapping[str, Document]) -> None:
    """What has other numbers now has to be in the release."""
    touched, recount.touched = recount.touched, Touched()
    there = {row.path for row in manifest.documents}
    due = {f"contest/{one}.xml" for one in touched.contests} | {
        f"precinct/{one}.xml" for one in touched.precincts
    }
    areas = (f"area/{one}.xml" for one in touched.areas if one != EVENT)
    due |= {path for path in areas if path in rows}
    due |= {"event.xml"} if EVENT in touched.areas else set()
    due |= {"summary.xml"} & rows.keys() if EVENT in touched.areas else set()
    for contest in touched.contests:
        districts = recount.divisions.get(contest, {})
        if len(districts) > 1:
            due |= {f"district/{one}.xml" for one in districts.values()} & rows.keys()
    for path in sorted(due - there):
        report.differs("missing", manifest.release, path, "changed, but is not in the release", "")
