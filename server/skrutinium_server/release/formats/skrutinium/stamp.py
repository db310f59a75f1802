"""What every root element carries: event, run, phase, release, time, schema and codebook version (design § 4.6)."""

import datetime
from typing import Final

import msgspec

from skrutinium_server.ledger.model import Phase
from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.escaping import attribute

SCHEMA: Final = "skrutinium/1.0/skrutinium.xsd"
"""The schema of every document here, a path below ``xsd/``."""

VERSION: Final = "1.0"
NAMESPACE: Final = "urn:skrutinium:1"
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Stamp(msgspec.Struct, frozen=True):
    """The circumstances that a document names at its root.

    ``release`` is the number of the release that writes it, ``time`` when that was cut (aware; the run's clock),
    ``codebook`` the version of the definition.
    """

    event: str
    run: str
    phase: Phase
    release: int
    time: datetime.datetime
    codebook: int

    def attributes(self) -> str:
        """The stamp as attributes, namespace first, ready to stand behind the name of the root element."""
        return (
            f'xmlns="{NAMESPACE}" event="{attribute(self.event)}" run="{attribute(self.run)}" '
            f'phase="{attribute(self.phase)}" release="{self.release}" time="{utc(self.time)}" schema="{VERSION}" '
            f'codebook="{self.codebook}"'
        )


def utc(time: datetime.datetime) -> str:
    """An aware time as ``YYYY-MM-DDTHH:MM:SSZ`` (RFC 3339); parts of a second are left off.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` for a time without an offset.
    """
    if time.tzinfo is not datetime.UTC:
        if time.utcoffset() is None:
            raise NotIssuable(
                f"time {time.isoformat()} has no offset; expected an aware time such as 2018-10-06T14:03:00Z"
            )
        time = time.astimezone(datetime.UTC)
    return time.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
