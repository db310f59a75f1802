"""The writers of the series ``volby``; here that of councils: which documents a cut asks for, and their bytes.

The elements of the councils are kept, so that a cut costs what changed: a county's document is its councils' elements
one after the other. Sources: design § 6; ``docs/formats-volby.md``.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.release.formats.volby.batch import batch, published
from skrutinium_server.release.formats.volby.council import Council, council
from skrutinium_server.release.formats.volby.heading import COUNCILS, Encoding, Form
from skrutinium_server.release.formats.volby.national import Decided, national
from skrutinium_server.release.formats.volby.plan import TYPES, make_plan
from skrutinium_server.release.formats.volby.senate_writer import SenateWriter
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.release.model import Cutting, Document, Writer
from skrutinium_server.tally.model import Changes
from skrutinium_server.tally.tally import Tally


def carries(law: Law) -> bool:
    """Whether the format has an attribute for every field of the law's protocols."""
    return all(field.volby is not None for field in law.fields)


def volby_writer(index: DefinitionIndex, law: Law, encoding: Encoding = "utf-8") -> Writer:
    """The writer for what is elected by that law: one person a constituency, or councils."""
    return (VolbyWriter if law.majority is None else SenateWriter)(index, law, encoding)


class VolbyWriter:
    """Writes the releases of one run of councils, one after the other; a writer serves one tally only.

    ``tally`` must be in the state of the cut, and ``changes`` all that changed since the cut before. Raises
    :class:`~.errors.NotExpressible` when the event does not fit into the format.
    """

    series = "volby"
    by_batch = True

    def __init__(self, index: DefinitionIndex, law: Law, encoding: Encoding = "utf-8") -> None:
        definition = index.definition
        self._form = Form(COUNCILS, encoding)
        self._plan = make_plan(definition)
        self._turnout = Turnout(law)
        self._date = definition.date
        self._index = index
        self._councils: dict[str, Council] = {}
        self._decided = Decided()

    def documents(self, tally: Tally, changes: Changes, cutting: Cutting) -> Iterator[Document]:
        """Every document that changed: national, counties, councils, and the batch when one is due.

        The kept elements are brought up to date at once, also when the documents are not taken afterwards.
        """
        everything = self._plan.councils.keys()
        changed = everything if changes.everything else changes.contests & everything
        # A writer that joins later (a publisher started again) has to make what it would have kept.
        self._bring_up_to_date(tally, changed if self._councils else everything)
        return self._documents(tally, changed, cutting)

    def _bring_up_to_date(self, tally: Tally, ids: AbstractSet[str]) -> None:
        for id in ids:
            plan = self._plan.councils[id]
            made = self._councils[id] = council(
                plan, tally.contests[id], self._turnout, self._index.candidates_of, self._form
            )
            self._decided.say(plan.kind, id, made.seats)

    def _documents(self, tally: Tally, changed: AbstractSet[str], cutting: Cutting) -> Iterator[Document]:
        if changed:
            body = "".join(national(self._plan, tally.country.kinds, self._decided, self._turnout))
            data = self._form.bytes_of(body)
            yield self._form.document("vysledky.xml", "VYSLEDKY", "kv_vysledky.xsd", data, cutting)
        touched = {self._plan.councils[id].county for id in changed}
        for nuts, ids in self._plan.counties.items():
            if nuts in touched:
                data = b"".join(self._councils[id].element for id in ids)
                path = f"okresy/vysledky_obce_okres_{nuts}.xml"
                yield self._form.document(
                    path, "VYSLEDKY_OBCE_OKRES", "kv_vysledky_obce_okres.xsd", data, cutting
                )
        for id in sorted(changed):
            path = f"zastup/vysledky_obec_{id}.xml"
            yield self._form.document(
                path, "VYSLEDKY_OBEC", "kv_vysledky_obec.xsd", self._councils[id].element, cutting
            )
        if cutting.batch is not None:
            yield self._batch(tally, cutting.batch, cutting)

    def _batch(self, tally: Tally, number: int, cutting: Cutting) -> Document:
        counts = [kind.count for name, kind in tally.country.kinds.items() if name in TYPES]
        body = "".join(
            batch(
                number,
                self._date,
                published(cutting.arrivals, self._plan.councils),
                sum(count.expected for count in counts),
                sum(count.reported for count in counts),
                self._plan,
                self._index.precincts,
                self._turnout,
            )
        )
        path = f"okrsky/vysledky_okrsky_{number:05d}.xml"
        return self._form.document(
            path, "VYSLEDKY_OKRSKY", "kv_vysledky_okrsky.xsd", self._form.bytes_of(body), cutting
        )
