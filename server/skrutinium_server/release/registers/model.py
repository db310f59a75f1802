"""A document of the registers, apart from the few words at its root that say with which definition it was written.

So what did not change from one definition to the next keeps its bytes, and an index can say what changed.
"""

import datetime
from collections.abc import Callable
from typing import Final

import msgspec

from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.stamp import DECLARATION, NAMESPACE, VERSION, utc

SCHEMA: Final = "skrutinium/1.0/registers.xsd"
"""The schema of our own documents here, a path below ``xsd/``."""


class Edition(msgspec.Struct, frozen=True):
    """With what a document was written: version and hash of the definition, and when (aware, UTC)."""

    definition: int
    sha256: str
    time: datetime.datetime


class Paper(msgspec.Struct, frozen=True):
    """A document without its edition: ``head`` makes its beginning, ``body`` is all that follows.

    ``schema`` is a path below ``xsd/``, None for what is no XML.
    """

    path: str
    schema: str | None
    head: Callable[[Edition], bytes]
    body: bytes

    def written(self, edition: Edition) -> bytes:
        """The whole document."""
        return self.head(edition) + self.body


def root(name: str, event: str, *, made_up: bool, more: str = "") -> Callable[[Edition], bytes]:
    """How the root element of a document of ours begins; ``more`` are further attributes, ready to write."""
    mark = ' made-up="true"' if made_up else ""

    def head(edition: Edition) -> bytes:
        return (
            f'{DECLARATION}<{name} xmlns="{NAMESPACE}" event="{attribute(event)}" definition="{edition.definition}" '
            f'definition-sha256="{edition.sha256}" time="{utc(edition.time)}" schema="{VERSION}"{mark}{more}>\n'
        ).encode()

    return head


def plain(path: str, data: bytes) -> Paper:
    """A document that carries no edition."""
    return Paper(path, None, lambda _: b"", data)
