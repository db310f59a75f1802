"""The writer of the series ``skrutinium``: decides which documents a release holds, and has them written."""

from collections.abc import Iterable, Iterator

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.release.formats.skrutinium import protocols
from skrutinium_server.release.formats.skrutinium.figures import Figures
from skrutinium_server.release.formats.skrutinium.outline import Outline
from skrutinium_server.release.formats.skrutinium.results import Results
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA, Stamp
from skrutinium_server.release.formats.skrutinium.summary import summary
from skrutinium_server.release.model import Cutting, Document
from skrutinium_server.tally.model import Changes
from skrutinium_server.tally.tally import Tally


class SkrutiniumWriter:
    """Writes the documents of the format ``skrutinium`` 1.0 for one definition.

    The state of a unit follows from its own count, so that a document changes only when its unit does. A state beyond
    ``complete`` is the event's and stands in every document: a release that brings it must write everything.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` for a definition that the format cannot carry, and
    :class:`~skrutinium_server.release.errors.ForbiddenCharacter` for a name that XML cannot carry.
    """

    series = "skrutinium"
    by_batch = False

    def __init__(self, index: DefinitionIndex, law: Law) -> None:
        self._figures = Figures(law)
        self._outline = Outline(index, self._figures)

    def documents(self, tally: Tally, changes: Changes, cutting: Cutting) -> Iterator[Document]:
        """Every document that changed, each path once.

        Event and summary, areas, contests and their districts, precincts, batch, corrections.
        """
        stamp = Stamp(
            cutting.event, cutting.run, cutting.phase, cutting.number, cutting.time, cutting.codebook
        )
        state = cutting.state
        results = Results(self._outline, self._figures, tally, stamp, state, cutting.held)
        areas = self._areas(changes)
        if self._outline.country in areas:
            yield Document("event.xml", results.event(), SCHEMA)
            yield Document("summary.xml", summary(self._outline, tally, stamp, state), SCHEMA)
        for area in sorted(areas & self._outline.documents):
            yield Document(f"area/{area}.xml", results.area(area), SCHEMA)
        for contest in _all_or(changes.everything, self._outline.contest_ids(), changes.contests):
            yield Document(f"contest/{contest}.xml", results.contest(contest), SCHEMA)
            for district, data in results.districts(contest):
                yield Document(f"district/{district}.xml", data, SCHEMA)
        attributes = stamp.attributes()
        for id in _all_or(changes.everything, self._outline.precincts, changes.precincts):
            data = protocols.precinct(self._outline, self._figures, tally, attributes, state, id)
            yield Document(f"precinct/{id}.xml", data, SCHEMA)
        if cutting.arrivals:
            batch = protocols.batch(self._figures, stamp, state, cutting.arrivals)
            yield Document(f"batch/{cutting.number}.xml", batch, SCHEMA)
        corrections = protocols.corrections(self._figures, stamp, state, cutting.arrivals)
        if corrections is not None:
            yield Document(f"corrections/{cutting.number}.xml", corrections, SCHEMA)

    def _areas(self, changes: Changes) -> set[str]:
        """Changed areas and all that contain them, those of changed contests included: they show these contests' rows."""
        if changes.everything:
            return set(self._outline.areas)
        homes = map(self._outline.contest_areas.__getitem__, changes.contests)
        return {id for area in {*changes.areas, *homes} for id in self._outline.areas[area].ancestors}


def _all_or(everything: bool, known: Iterable[str], changed: Iterable[str]) -> list[str]:
    return sorted(known) if everything else sorted(changed)
