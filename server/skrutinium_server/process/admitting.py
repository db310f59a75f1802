"""What of protocols that are brought to a run is admitted: past the door of intake, and by what counts there already. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.errors import IntakeError, NumberError
from skrutinium_server.intake.model import Admission, Origin, TakenOver
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.ledger.standing import COUNTED, Standing


class Cause(NamedTuple):
    """Why protocols that count are changed, and who says so."""

    reason: str
    authority: str


def admitted(
    brought: Iterable[TakenOver],
    origin: Origin,
    index: DefinitionIndex,
    law: Law,
    sequences: Mapping[tuple[str, str], int],
    standing: Standing,
    cause: Cause | None,
) -> tuple[list[Admission], list[str]]:
    """What passes, and why the rest does not. ``sequences``: that of each protocol that counts, by precinct and contest.

    With a ``cause`` each has to change one that counts; without it none may change results that people declared.
    """
    admissions: list[Admission] = []
    refused: list[str] = []
    for taken_over in brought:
        try:
            admission = admit(read_protocol(taken_over, law), taken_over, origin, index, law)
            key = (admission.protocol.precinct, admission.protocol.contest)
            if cause is None:
                _check_undeclared(admission, sequences.get(key, -1), standing)
            else:
                admission = _changed(admission, sequences.get(key), cause)
            admissions.append(admission)
        except IntakeError as error:
            refused.append(str(error))
    return admissions, refused


def _check_undeclared(admission: Admission, current: int, standing: Standing) -> None:
    """Raise :class:`IntakeError` when an admission as its source sends it would change declared results."""
    protocol = admission.protocol
    if standing != COUNTED and protocol.sequence > current:
        raise IntakeError(
            f"Precinct {protocol.precinct}, contest {protocol.contest}",
            "the results are declared, and this would change them",
            "what is there already, or a correction with its reason and authority",
            "It was not taken over; bring it by protocols correct.",
            code="results-declared",
        )


def _changed(admission: Admission, current: int | None, cause: Cause) -> Admission:
    """The admission as a change of what counts; raises :class:`NumberError` for one that would change nothing."""
    protocol = admission.protocol
    where = f"Precinct {protocol.precinct}, contest {protocol.contest}"
    if current is None:
        raise NumberError(
            where,
            "there is no protocol yet that could be changed",
            "one that is taken over",
            code="nothing-to-correct",
        )
    if protocol.sequence <= current:
        raise NumberError(
            where,
            f"the sequence is {protocol.sequence}",
            f"one above {current}, that of the protocol that counts",
            code="sequence-not-later",
        )
    return msgspec.structs.replace(admission, reason=cause.reason, authority=cause.authority)
