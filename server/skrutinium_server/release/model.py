"""What a writer is given and what it returns.

Sources: design § 4.2, § 4.3, § 4.6 and § 6.
"""

import datetime
from collections.abc import Iterator, Mapping
from typing import Literal
from typing import Protocol as Interface

import msgspec

from skrutinium_server.ledger.model import Accepted, Phase
from skrutinium_server.tally.model import Changes
from skrutinium_server.tally.tally import Tally

State = Literal["interim", "complete", "final", "certified", "corrected"]


class Arrival(msgspec.Struct, frozen=True):
    """An accepted protocol of this release: its ledger position, body, exact bytes, and the one it replaced.

    ``replaced`` is the protocol that counted before with its position, None when this one is the first of its precinct
    and contest, or when it changes nothing because a newer one counts.
    """

    position: int
    body: Accepted
    data: bytes
    replaced: tuple[int, Accepted] | None = None


class Cutting(msgspec.Struct, frozen=True):
    """The circumstances of one release. ``arrivals`` are in the order of the ledger.

    In the series ``volby`` the arrivals are those since the last batch, and ``batch`` is the number of the batch to write,
    None when only aggregates are due. ``state`` is that of the whole event; ``held`` tells, by contest, why its publication
    is held.
    """

    event: str
    run: str
    phase: Phase
    number: int
    time: datetime.datetime
    codebook: int
    state: State
    arrivals: tuple[Arrival, ...]
    batch: int | None = None
    held: Mapping[str, str] = msgspec.field(default_factory=dict)


class Document(msgspec.Struct, frozen=True):
    """One document: path below the release, uncompressed bytes, and the schema it must be valid against.

    ``schema`` is a path below ``xsd/``, for instance ``skrutinium/1.0/skrutinium.xsd``.
    """

    path: str
    data: bytes
    schema: str


class Writer(Interface):
    """A format: turns the changed part of a tally into documents. Pure: same input, same bytes on any machine.

    ``by_batch`` says that single protocols go out in numbered batches, not with every release.
    """

    series: str
    by_batch: bool

    def documents(self, tally: Tally, changes: Changes, cutting: Cutting) -> Iterator[Document]:
        """Write every document that changed (all of them when ``changes.everything``), each path once."""
