"""How far a count is and the sums of the protocol's fields, in the order of the law."""

from collections.abc import Mapping

from skrutinium_server.election.law import Law
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.tally.model import Count


class Figures:
    """Writes figures by field id: the law's fields in the law's order, any others behind them by id."""

    def __init__(self, law: Law) -> None:
        self._fields = tuple((field.id, _head(field.id)) for field in law.fields)
        self._known = frozenset(field.id for field in law.fields)

    def rows(self, figures: Mapping[str, int], pad: str) -> str:
        """One element a line; a field that ``figures`` lacks is left out."""
        return "".join([f'{pad}{head}{figures[field]}"/>\n' for field, head in self._heads(figures)])

    def _heads(self, figures: Mapping[str, int]) -> list[tuple[str, str]]:
        heads = [row for row in self._fields if row[0] in figures]
        if len(heads) < len(figures):
            heads += [(field, _head(field)) for field in sorted(figures.keys() - self._known)]
        return heads

    def _sums(self, count: Count, pad: str) -> str:
        figures, told = count.figures, count.told
        rows = []
        for field, head in self._heads(figures):
            protocols = told.get(field, count.reported)
            part = "" if protocols == count.reported else f' protocols="{protocols}"'
            rows.append(f'{pad}{head}{figures[field]}"{part}/>\n')
        return "".join(rows)

    def count(self, count: Count, pad: str) -> str:
        """The element ``count``; without sums while nothing is reported."""
        out = "" if count.eligible_out is None else f' eligible-out="{count.eligible_out}"'
        head = f'{pad}<count reporting="{count.reporting}" expected="{count.expected}" reported="{count.reported}"{out}'
        sums = self._sums(count, pad + " ") if count.reported else ""
        return f"{head}>\n{sums}{pad}</count>\n" if sums else f"{head}/>\n"

    def order(self, *figures: Mapping[str, int]) -> list[str]:
        """The fields that any of ``figures`` has, in the order of :meth:`rows`."""
        present = set[str]().union(*figures)
        return [field for field, _ in self._fields if field in present] + sorted(present - self._known)


def _head(field: str) -> str:
    return f'<figure field="{attribute(field)}" value="'
