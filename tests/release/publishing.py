"""Nights on their way through the writer, for its tests: protocols in, documents of each release out."""

import datetime
import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import Protocol
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.release.formats.skrutinium.writer import SkrutiniumWriter
from skrutinium_server.release.model import Arrival, Cutting, Document
from skrutinium_server.tally.model import Changes
from skrutinium_server.tally.tally import Tally
from tests.tally.made import LAW, TIME, accepted

Documents = dict[str, bytes]
_STAMP = re.compile(rb' release="\d+" time="[^"]+"')


class Night:
    """One run: ``take`` appends protocols, ``cut`` makes a release; ``snapshot`` is what a follower holds after it."""

    def __init__(self, definition: Definition, law: Law = LAW) -> None:
        self.index = DefinitionIndex(definition)
        self.law = law
        self.writer = SkrutiniumWriter(self.index, law)
        self.tally = Tally(self.index, law)
        self.snapshot: Documents = {}
        self._position = 1
        self._number = 0
        self._arrivals: list[Arrival] = []

    def take(self, protocol: Protocol) -> None:
        """Accept one protocol; its bytes taken over are a made-up record of it."""
        self._position += 1
        data = msgspec.json.encode(protocol)
        body = msgspec.structs.replace(accepted(protocol), data_sha256=hashlib.sha256(data).hexdigest())
        before = self.tally.current(protocol.precinct, protocol.contest)
        if before is not None and protocol.sequence > before[1].protocol.sequence:
            body = _replacing(body, before)
        applied = self.tally.apply(self._position, body)
        self._arrivals.append(Arrival(self._position, body, data, applied.replaced))

    def cut(self) -> Documents:
        """Make the next release of what changed."""
        self._number += 1
        written = _by_path(self.writer.documents(self.tally, self.tally.take_changes(), self.cutting()))
        self._arrivals = []
        self.snapshot |= written
        return written

    def cutting(self) -> Cutting:
        """The circumstances of the release that is made now."""
        return Cutting(
            event=self.index.definition.event,
            run="night",
            phase="test",
            number=self._number,
            time=TIME + datetime.timedelta(seconds=self._number),
            codebook=1,
            state="complete" if self.tally.complete else "interim",
            arrivals=tuple(self._arrivals),
        )

    def whole(self) -> Documents:
        """Every document of results and precincts as a writer that knows nothing of earlier releases makes it."""
        writer = SkrutiniumWriter(self.index, self.law)
        cutting = msgspec.structs.replace(self.cutting(), arrivals=())
        return _by_path(writer.documents(self.tally, Changes(everything=True), cutting))


def unstamped(documents: Documents) -> Documents:
    """The documents of results and precincts without number and time of the release that wrote them."""
    kept = (path for path in documents if not path.startswith(("batch/", "corrections/")))
    return {path: _STAMP.sub(b"", documents[path], count=1) for path in kept}


def halves(protocols: Sequence[Protocol], cuts: Iterable[int]) -> list[Sequence[Protocol]]:
    """The protocols in runs, ended by the places in ``cuts`` (any order, any number)."""
    places = sorted({place % (len(protocols) + 1) for place in cuts} | {len(protocols)})
    return [protocols[start:end] for start, end in zip([0, *places], places, strict=False)]


def _replacing(body: Accepted, before: tuple[int, Accepted]) -> Accepted:
    return msgspec.structs.replace(
        body,
        supersedes=before[0],
        version=before[1].version + 1,
        reason="source-resend",
        authority="source",
    )


def _by_path(documents: Iterable[Document]) -> Documents:
    written: Documents = {}
    for document in documents:
        assert document.path not in written
        written[document.path] = document.data
    return written
