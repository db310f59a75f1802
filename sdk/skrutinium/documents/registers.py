"""What there is to read before the election: the index that names and hashes it, and where it comes from.

What the documents say is in :mod:`skrutinium.documents.registered`.

Source: ``xsd/skrutinium/1.0/registers.xsd``; ``docs/architecture.md``, the release store.
"""

from dataclasses import dataclass
from typing import Protocol

SCHEMA = "skrutinium/1.0/registers.xsd"


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One document as an index lists it: ``size`` in bytes and ``sha256``, both of the uncompressed bytes.

    ``schema`` is None for what is no XML; ``definition`` and its hash say with which version it was written last.
    """

    path: str
    size: int
    sha256: str
    schema: str | None
    definition: int
    definition_sha256: str


@dataclass(frozen=True, slots=True)
class RegistersIndex:
    """``registers.xml``: all documents of one version of the definition; a results document names it in ``codebook``.

    ``additions`` as in a :class:`~skrutinium.documents.stamp.Stamp`.
    """

    event: str
    definition: int
    definition_sha256: str
    edition: int
    previous: str
    made_up: bool
    documents: tuple[RegisterRow, ...]
    additions: tuple[str, ...] = ()


class RegistersSource(Protocol):
    """The registers of one event at a feed or in a store; nothing of it is trusted."""

    @property
    def where(self) -> str:
        """Address or path, for people."""

    async def newest(self) -> tuple[int, str]:
        """Number and hash of the newest index; raises :class:`NotYet` when there are no registers."""

    async def index(self, number: int, edition: int | None = None) -> tuple[bytes, bytes]:
        """An index of one version of the definition, the newest edition unless told, and its signature line.

        Raises :class:`NotYet` when there is none.
        """

    async def document(self, number: int, row: RegisterRow, /) -> bytes:
        """A document of that index, not yet checked."""
