"""The element ``UCAST``: how far a unit is and who took part."""

from typing import Final

from skrutinium_server.election.law import Law
from skrutinium_server.release.formats.volby.errors import NotExpressible
from skrutinium_server.release.formats.volby.rounding import half_up
from skrutinium_server.tally.model import Count

_NEEDED: Final = ("ZAPSANI_VOLICI", "VYDANE_OBALKY", "ODEVZDANE_OBALKY", "PLATNE_HLASY")


class Turnout:
    """Writes ``UCAST`` and ``UCAST_OKRSEK`` from figures; which figure is which attribute is told by the law.

    Raises :class:`~.errors.NotExpressible` when the law has no figure for one of the four attributes.
    """

    def __init__(self, law: Law) -> None:
        self._attributes = tuple((field.id, field.volby) for field in law.fields if field.volby is not None)
        by_attribute = {volby: id for id, volby in self._attributes}
        for name in _NEEDED:
            if name not in by_attribute:
                raise NotExpressible(f"The law {law.id}", f"one of its fields to be {name}")
        self._eligible, self._issued, self._returned, self._valid = (by_attribute[name] for name in _NEEDED)

    def element(self, count: Count, line_break: str) -> str:
        """``UCAST``; ``line_break`` stands before ``PLATNE_HLASY``. A figure is left out when a protocol lacks it."""
        return f"<UCAST{self._attributes_of(count, line_break)}/>\n"

    def of_round(self, count: Count, number: int) -> str:
        """``UCAST`` of one round of an election of persons, where a voter has one vote: the share of valid ones is told too."""
        returned, valid = self._figure(count, self._returned), self._figure(count, self._valid)
        share = None if returned is None or valid is None else half_up(valid, returned)
        return (
            f'<UCAST KOLO="{number}"{self._attributes_of(count, " ")}{_told(" PLATNE_HLASY_PROC", share)}/>\n'
        )

    def _attributes_of(self, count: Count, line_break: str) -> str:
        eligible, issued, returned, valid = (
            self._figure(count, id) for id in (self._eligible, self._issued, self._returned, self._valid)
        )
        share = None if eligible is None or issued is None else half_up(issued, eligible)
        return (
            f' OKRSKY_CELKEM="{count.expected}" OKRSKY_ZPRAC="{count.reported}"'
            f' OKRSKY_ZPRAC_PROC="{half_up(count.reported, count.expected)}"'
            f"{_told(' ZAPSANI_VOLICI', eligible)}{_told(' VYDANE_OBALKY', issued)}{_told(' UCAST_PROC', share)}"
            f"{_told(' ODEVZDANE_OBALKY', returned)}{_told(line_break + 'PLATNE_HLASY', valid)}"
        )

    def precinct(self, figures: dict[str, int]) -> str:
        """``UCAST_OKRSEK``: the figures of one protocol as they were taken over, in the order of the law."""
        told = "".join(f' {volby}="{figures[id]}"' for id, volby in self._attributes if id in figures)
        return f"<UCAST_OKRSEK{told}/>\n"

    def valid_votes(self, count: Count, votes: int) -> int:
        """The base of the lists' percentages: the valid votes, or the sum of the lists' ``votes`` where not known."""
        valid = self._figure(count, self._valid)
        return votes if valid is None else valid

    @staticmethod
    def _figure(count: Count, id: str) -> int | None:
        """The sum, if every reported protocol told the figure; otherwise it is unknown. Of no protocols it is zero."""
        return count.figures.get(id, 0) if count.told.get(id, 0) == count.reported else None


def _told(name: str, value: int | str | None) -> str:
    return "" if value is None else f'{name}="{value}"'
