"""From when on results may be read: the ``[publication]`` table of a law file."""

import datetime
import re
from typing import Final

import msgspec

from skrutinium_server.election.errors import ElectionError

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class PublicationError(ElectionError):
    """A ``[publication]`` table that names no moment."""

    code = "publication"


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing of a live run may be read before ``time`` (local, ``14:00``) of the ``day`` of voting, counted from 1.

    Raises :class:`PublicationError`; when the struct is read from a file, msgspec reports it as
    ``msgspec.ValidationError`` with the same text.
    """

    day: int
    time: str

    def __post_init__(self) -> None:
        if self.day not in (1, 2):
            raise PublicationError(f"publication.day is {self.day}, expected 1 or 2")
        if not _TIME.fullmatch(self.time):
            raise PublicationError(
                f"publication.time is {self.time!r}, expected a time of day such as '14:00'"
            )

    def moment(self, first_day: datetime.date, zone: datetime.tzinfo) -> datetime.datetime:
        """That moment in UTC; ``first_day`` is the first day of voting."""
        day = first_day + datetime.timedelta(days=self.day - 1)
        time = datetime.time.fromisoformat(self.time)
        return datetime.datetime.combine(day, time, zone).astimezone(datetime.UTC)
