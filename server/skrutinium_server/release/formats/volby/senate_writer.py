"""The writer of the series ``volby`` for the Senate: which documents a cut asks for, and their bytes.

The elements of constituencies are kept, so that a cut costs what changed. An event is one round; in the second one the
documents show both, the first from the facts in the definition. Source: ``docs/formats-volby.md``.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.release.formats.volby.batch import published
from skrutinium_server.release.formats.volby.heading import SENATE, Encoding, Form
from skrutinium_server.release.formats.volby.senate import (
    Rounds,
    constituency,
    municipalities,
    result_of,
    result_of_place,
    senate_batch,
    whole,
)
from skrutinium_server.release.formats.volby.senate_plan import (
    KIND,
    ConstituencyPlan,
    RoundResult,
    make_senate_plan,
)
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.release.model import Cutting, Document
from skrutinium_server.tally.model import Changes, Count
from skrutinium_server.tally.tally import Tally


class SenateWriter:
    """Writes the releases of one run, one after the other; a writer serves one tally only.

    ``tally`` must be in the state of the cut, and ``changes`` all that changed since the cut before. Raises
    :class:`~.errors.NotExpressible` when the event does not fit into the format.
    """

    series = "volby"
    by_batch = True

    def __init__(self, index: DefinitionIndex, law: Law, encoding: Encoding = "utf-8") -> None:
        self._index = index
        self._plan = make_senate_plan(index)
        self._held = self._plan.held
        self._turnout = Turnout(law)
        self._form = Form(SENATE, encoding)
        self._elements: dict[str, bytes] = {}

    def documents(self, tally: Tally, changes: Changes, cutting: Cutting) -> Iterator[Document]:
        """Every document that changed: that of all constituencies, municipalities of each, and the batch when one is due.

        The kept elements are brought up to date at once, also when the documents are not taken afterwards.
        """
        changed = self._held if changes.everything else self._held & changes.contests
        # A writer that joins later (a publisher started again) has to make what it would have kept.
        for id in changed if self._elements else self._plan.constituencies:
            plan = self._plan.constituencies[id]
            self._elements[id] = self._form.bytes_of(
                "".join(constituency(plan, self._rounds(plan, tally), self._turnout))
            )
        return self._documents(tally, changed, changes.everything, cutting)

    def _rounds(self, plan: ConstituencyPlan, tally: Tally) -> Rounds:
        now = {self._plan.round: result_of(tally.contests[plan.id])} if plan.held else {}
        return now if plan.first is None else {1: plan.first, **now}

    def _documents(
        self, tally: Tally, changed: AbstractSet[str], everything: bool, cutting: Cutting
    ) -> Iterator[Document]:
        count = tally.country.kinds[KIND].count if KIND in tally.country.kinds else Count()
        if changed or everything:
            rounds = {self._plan.round: count}
            if self._plan.first is not None:
                rounds = {1: self._plan.first, **rounds}
            elements = b"".join(self._elements[id] for id in self._plan.constituencies)
            end = self._form.bytes_of("".join(whole(rounds, self._turnout)))
            yield self._form.document("vysledky.xml", "VYSLEDKY", "se_vysledky.xsd", elements + end, cutting)
        for id in sorted(changed, key=int):
            yield self._municipalities(self._plan.constituencies[id], tally, cutting)
        if cutting.batch is not None:
            yield self._batch(count, cutting.batch, cutting)

    def _municipalities(self, plan: ConstituencyPlan, tally: Tally, cutting: Cutting) -> Document:
        places = []
        for place in plan.places:
            now: dict[int, RoundResult] = {self._plan.round: result_of_place(tally, plan.id, place.precincts)}
            places.append((place, now if place.first is None else {1: place.first, **now}))
        body = "".join(municipalities(plan, self._rounds(plan, tally), places, self._turnout))
        path = f"obvody/vysledky_obce_obvod_{plan.id}.xml"
        return self._form.document(
            path, "VYSLEDKY_OBCE_OBVOD", "se_vysledky_obce_obvod.xsd", self._form.bytes_of(body), cutting
        )

    def _batch(self, count: Count, number: int, cutting: Cutting) -> Document:
        records = published(cutting.arrivals, self._held)
        body = "".join(
            senate_batch(number, self._plan.round, records, count, self._index.precincts, self._turnout)
        )
        path = f"okrsky/vysledky_okrsky_{number:05d}.xml"
        return self._form.document(
            path, "VYSLEDKY_OKRSKY", "se_vysledky_okrsky.xsd", self._form.bytes_of(body), cutting
        )
