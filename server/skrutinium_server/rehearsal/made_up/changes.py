"""What goes wrong with a protocol: slips that the door refuses, odd figures that the law warns of, and mistakes nobody sees.

Each is a small function from the right protocol to another one, None where the protocol has no room for it. They
fit every law with the fields eligible, issued, returned and valid-votes.
"""

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.errors import RefusedError
from skrutinium_server.intake.formats.csv_set import FORMAT, PROTOCOLS
from skrutinium_server.intake.model import ListVotes, Origin, Protocol, TakenOver
from skrutinium_server.rehearsal.made_up.chance import below, between, pick, several
from skrutinium_server.rehearsal.made_up.errors import GeneratorError
from skrutinium_server.rehearsal.made_up.generator import Change, Generator

_NOWHERE = TakenOver(b"", FORMAT, "UTF-8", PROTOCOLS, hashlib.sha256().hexdigest(), 0)
_ORIGIN = Origin("made-up", "replay")


# ------------------------------------------------------------------ slips
def columns_swapped(protocol: Protocol, _chance: Random) -> Protocol | None:
    """Voters on the roll and envelopes issued stand in each other's place."""
    figures = protocol.figures
    if figures["issued"] == figures["eligible"]:
        return None
    return _with(protocol, eligible=figures["issued"], issued=figures["eligible"])


def typed_twice(protocol: Protocol, _chance: Random) -> Protocol | None:
    """The voters on the roll were typed twice in a row."""
    eligible = int(2 * str(protocol.figures["eligible"]))
    return None if len(str(eligible)) > 9 else _with(protocol, eligible=eligible)


def digits_swapped(protocol: Protocol, chance: Random) -> Protocol | None:
    """Two neighbouring digits of the valid votes stand in each other's place."""
    digits = str(protocol.figures["valid-votes"])
    places = [place for place in range(len(digits) - 1) if digits[place] != digits[place + 1] != "0"]
    if not places:
        return None
    place = pick(chance, places)
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    return _with(protocol, **{"valid-votes": int(swapped)})


def candidate_misread(protocol: Protocol, chance: Random) -> Protocol | None:
    """One candidate's votes were read wrongly, and do not add up any more."""
    told = [row for row in protocol.lists if row.candidates]
    if not told:
        return None
    row = pick(chance, told)
    candidates = list(row.candidates or ())
    place = below(chance, len(candidates))
    number, votes = candidates[place]
    candidates[place] = (number, votes + pick(chance, (1, 10, 100)))
    changed = msgspec.structs.replace(row, candidates=tuple(candidates))
    return _with_lists(protocol, tuple(changed if other is row else other for other in protocol.lists))


def not_on_the_ballot(protocol: Protocol, _chance: Random) -> Protocol | None:
    """Votes of a candidate whose number is one too high for this ballot."""
    row = protocol.lists[-1]
    if not row.candidates:
        return None
    number, votes = row.candidates[-1]
    changed = msgspec.structs.replace(row, candidates=(*row.candidates[:-1], (number + 1, votes)))
    return _with_lists(protocol, (*protocol.lists[:-1], changed))


# ------------------------------------------------------------------ oddities
def envelopes_too_many(protocol: Protocol, chance: Random) -> Protocol | None:
    """There were one or two envelopes more in the box than were issued."""
    return _with(protocol, returned=protocol.figures["issued"] + between(chance, 1, 2))


def envelopes_taken_home(protocol: Protocol, chance: Random) -> Protocol | None:
    """More than a tenth of those who took an envelope left with it."""
    issued = protocol.figures["returned"] * 10 // 9 + between(chance, 1, 9)
    return None if issued > protocol.figures["eligible"] else _with(protocol, issued=issued)


# ------------------------------------------------------------------ mistakes
def mistaken(lists: tuple[ListVotes, ...], times: int) -> tuple[ListVotes, ...] | None:
    """The votes with a quarter (two, three) of the best candidate's left out, as a commission may miss a heap of ballots.

    None when that candidate has fewer than four votes.
    """
    count, row, number = max(
        ((count, row, number) for row in lists for number, count in row.candidates or ()),
        key=lambda found: (found[0], -found[1].number, -found[2]),
        default=(0, None, 0),
    )
    if row is None or count < 4:
        return None
    missed = count * min(times, 3) // 4
    wrong = tuple((place, had - missed if place == number else had) for place, had in row.candidates or ())
    changed = msgspec.structs.replace(row, votes=row.votes - missed, candidates=wrong)
    return tuple(changed if other is row else other for other in lists)


def made_up_correction(protocol: Protocol, sequence: int) -> Protocol:
    """Another version of a protocol: some ballots of its best candidate had been counted twice.

    ``sequence`` has to be above those of the versions before. The later version always has fewer votes, or where there are
    hardly any, one voter more on the roll.
    """
    lists = mistaken(protocol.lists, 1)
    figures = dict(protocol.figures)
    if lists is None:
        figures["eligible"] += 1
    else:
        figures["valid-votes"] = sum(row.votes for row in lists)
    return replacing(protocol, sequence, figures, lists or protocol.lists)


def replacing(
    protocol: Protocol, sequence: int, figures: dict[str, int], lists: tuple[ListVotes, ...]
) -> Protocol:
    """The version of a protocol that follows a minute later with these figures and votes."""
    return msgspec.structs.replace(
        protocol,
        sequence=sequence,
        established=protocol.established + datetime.timedelta(minutes=1),
        figures=figures,
        lists=lists,
        repeated=True,
    )


class Changing:
    """Applies changes to protocols of one definition, by what its law says of the outcome."""

    def __init__(self, index: DefinitionIndex, law: Law, generator: Generator) -> None:
        self._index = index
        self._law = law
        self._generator = generator

    def severities(self, protocol: Protocol) -> frozenset[str] | None:
        """Of the findings at the door; None when it is refused."""
        try:
            admission = admit(protocol, _NOWHERE, _ORIGIN, self._index, self._law)
        except RefusedError:
            return None
        return frozenset(finding.severity for finding in admission.findings)

    def slipped(self, protocol: Protocol, chance: Random) -> Protocol:
        """The protocol with the first slip, in an order by chance, that the door refuses; raises ``GeneratorError``."""
        changed = self._changed(protocol, self._generator.slips, chance)
        found = next((one for one in changed if self.severities(one) is None), None)
        if found is None:
            raise GeneratorError(
                f"Precinct {protocol.precinct}, contest {protocol.contest}: no slip of the law {self._law.id} is refused; "
                "expected one for every protocol"
            )
        return found

    def odd(self, protocol: Protocol, chance: Random) -> Protocol:
        """The protocol with the first oddity that the law takes over with warnings, as it is where there is none."""
        changed = self._changed(protocol, self._generator.oddities, chance)
        warned = frozenset({"warning"})
        return next((one for one in changed if self.severities(one) == warned), protocol)

    def _changed(self, protocol: Protocol, changes: Sequence[Change], chance: Random) -> Iterator[Protocol]:
        for change in several(chance, changes, len(changes)):
            changed = change(protocol, chance)
            if changed is not None:
                yield changed

    def mistaken(self, protocol: Protocol, times: int) -> Protocol:
        """An earlier version, wrong in a way that nobody sees: it has no finding that the right one does not have.

        With too few votes for a mistake among them, it is the roll that was read wrong.
        """
        lists = mistaken(protocol.lists, times)
        if lists is not None:
            changed = _with_lists(protocol, lists)
            changed = _with(changed, **{"valid-votes": sum(row.votes for row in lists)})
            if self.severities(changed) == self.severities(protocol):
                return changed
        return _with(protocol, eligible=protocol.figures["eligible"] + times)


def _with(protocol: Protocol, **figures: int) -> Protocol:
    return msgspec.structs.replace(protocol, figures={**protocol.figures, **figures})


def _with_lists(protocol: Protocol, lists: tuple[ListVotes, ...]) -> Protocol:
    return msgspec.structs.replace(protocol, lists=lists)
