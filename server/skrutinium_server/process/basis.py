"""What a run rests on: its record, fixed when it opens, and the definition and law that the record names."""

import datetime
from dataclasses import dataclass

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law, law_sha256, load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.election.store import DefinitionStore
from skrutinium_server.ledger.model import Opened, Phase
from skrutinium_server.process.errors import RunError
from skrutinium_server.release.formats.volby.heading import Encoding


class RunRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``runs/RUN/run.json``: what the run rests on.

    ``persons`` opened it, two of them when it is live. ``not_before`` is the minute before which nothing of a live run may be read; ``not_before_reason`` says why it is not
    that of the law, None when it is. ``volby_encoding`` is that of all documents of the series ``volby``. ``begins`` is where the clock
    of a run starts into which a night is replayed, whatever the wall's time is; None where the run has no such night. ``before`` is the run in
    whose place this one stands for a while: when this one closes, that one is current again if it is open still; None: nothing changes then.
    """

    event: str
    run: str
    phase: Phase
    definition: int
    definition_sha256: str
    law: str
    law_sha256: str
    series: tuple[str, ...]
    not_before: datetime.datetime | None = None
    not_before_reason: str | None = None
    persons: tuple[str, ...] = ()
    volby_encoding: Encoding = "utf-8"
    begins: datetime.datetime | None = None
    before: str | None = None

    def opened(self, now: datetime.datetime) -> Opened:
        """The first entry of the run's ledger."""
        return Opened(
            event=self.event,
            run=self.run,
            phase=self.phase,
            definition=self.definition,
            definition_sha256=self.definition_sha256,
            law=self.law,
            law_sha256=self.law_sha256,
            time=now,
        )


@dataclass(frozen=True, slots=True)
class Basis:
    """A run's record with its definition, the look-ups in it, and the law: read and checked once, then shared."""

    record: RunRecord
    definition: Definition
    index: DefinitionIndex
    law: Law


def read_basis(record: RunRecord, definitions: DefinitionStore) -> Basis:
    """Read what a run rests on; raises :class:`RunError` unless it is still what the run was opened with.

    Raises the errors of the stage ``election`` for what cannot be read.
    """
    definition = definitions.load(record.definition)
    if definitions.sha256(record.definition) != record.definition_sha256:
        raise RunError(
            f"Definition {record.definition} is not the one that the run {record.run!r} was opened with. "
            "Restore the folder definition/ from a copy of the site."
        )
    law = load_law(record.law)
    if law_sha256(record.law) != record.law_sha256:
        raise RunError(
            f"The law {record.law} is not the one that the run {record.run!r} was opened with: the program was changed since. "
            "Go on with the version of the program that opened it."
        )
    return Basis(record, definition, DefinitionIndex(definition), law)
