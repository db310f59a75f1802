"""The tally of one run: totals and outcomes at one point of the ledger, kept up to date entry by entry.

Sources: requirements M1, C9, X5; design § 4.1, § 4.2, § 4.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.intake.model import Protocol
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.tally.decision import decide
from skrutinium_server.tally.errors import EntryError
from skrutinium_server.tally.frame import OPEN, Frame
from skrutinium_server.tally.model import AreaTally, Changes, ContestTally
from skrutinium_server.tally.outcome import outcome
from skrutinium_server.tally.totals import PollTotals, count

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Accepted)


class Applied(msgspec.Struct, frozen=True):
    """What became of an entry: whether it ``counts`` now, and the entry that counted before with its position."""

    counts: bool
    replaced: tuple[int, Accepted] | None


@dataclass(frozen=True, slots=True)
class _Version:
    """The entry that counts, packed: a night's candidates as objects would take hundreds of megabytes."""

    position: int
    sequence: int
    packed: bytes

    def unpacked(self) -> tuple[int, Accepted]:
        return self.position, _DECODER.decode(self.packed)


class Tally:
    """Totals for contests, districts and areas, and outcomes, after all entries up to :attr:`position`.

    Of the versions of one precinct and contest the one with the highest ``sequence`` counts; of equal ones the one
    that came first, as in the ledger. So the tally depends only on which entries were applied, and, where the
    sequences of each precinct and contest differ, not on the order in which the protocols arrived either.

    The mappings and their tallies are the tally's own: read them, never change them, and take a copy of what is to
    stay as it is. Raises :class:`~.errors.TallyError` when the definition has not exactly one country.
    """

    def __init__(self, index: DefinitionIndex, law: Law) -> None:
        self.index = index
        self.law = law
        self.position = 0
        self.reported = 0
        self._frame = Frame(index)
        self._versions: dict[tuple[str, str], _Version] = {}
        self.expected = len(self._frame.polls)
        self.contests: Mapping[str, ContestTally] = {
            id: row.tally for id, row in self._frame.contests.items()
        }
        self.areas: Mapping[str, AreaTally] = self._frame.areas
        self.country: AreaTally = self._frame.country
        self._changes = Changes(everything=True)

    @property
    def complete(self) -> bool:
        """Every expected protocol is in."""
        return self.reported >= self.expected

    def apply(self, position: int, body: Accepted, *, set_aside: bool = False) -> Applied:
        """Count the entry at ``position``, in place of the one of its precinct and contest that counted before.

        One that was ``set_aside`` while its contest was held comes after later entries of other contests.

        Raises :class:`~.errors.EntryError` and changes nothing when the position is not after the last one or when
        the definition has no such poll.
        """
        protocol = body.protocol
        poll = self._poll(position, protocol, set_aside=set_aside)
        self.position = max(self.position, position)
        key = (protocol.precinct, protocol.contest)
        before = self._versions.get(key)
        if before is not None and protocol.sequence <= before.sequence:
            return Applied(False, None)
        replaced = None
        if before is None:
            self.reported += 1
            self._frame.out[protocol.precinct].report()
        else:
            replaced = before.unpacked()
            count(poll, replaced[1].protocol, -1)
        count(poll, protocol, 1)
        self._versions[key] = _Version(position, protocol.sequence, _ENCODER.encode(body))
        self._changes.precincts.add(protocol.precinct)
        self._changes.contests.add(protocol.contest)
        self._changes.areas.update(area.area.id for area in poll.areas)
        self._settle(poll)
        return Applied(True, replaced)

    def current(self, precinct: str, contest: str) -> tuple[int, Accepted] | None:
        """The entry that counts for this precinct and contest with its position, None when there is none."""
        version = self._versions.get((precinct, contest))
        return None if version is None else version.unpacked()

    def take_changes(self) -> Changes:
        """The units whose figures may differ since this was last asked; everything when it is asked first."""
        changes, self._changes = self._changes, Changes(everything=False)
        return changes

    def _poll(self, position: int, protocol: Protocol, *, set_aside: bool) -> PollTotals:
        if position <= self.position and not set_aside:
            raise EntryError(
                "tally-order",
                f"entry {position} comes after entry {self.position}; apply every entry once, in the order of the ledger",
            )
        poll = self._frame.polls.get((protocol.precinct, protocol.contest))
        if poll is None:
            raise EntryError(
                "tally-poll",
                f"entry {position} is a protocol of precinct {protocol.precinct} for contest {protocol.contest}, "
                "which does not vote in it by the definition; is this the definition that the run opened with?",
            )
        if protocol.district != poll.poll.district:
            raise EntryError(
                "tally-district",
                f"entry {position} is a protocol of precinct {protocol.precinct} for district {protocol.district}, "
                f"expected district {poll.poll.district}; is this the definition that the run opened with?",
            )
        return poll

    def _settle(self, poll: PollTotals) -> None:
        """Bring the outcome of the poll's district up to date once all its protocols are in."""
        tally = poll.district.tally
        whole = tally.count.reported >= tally.count.expected
        now = outcome(self.index, self.law, poll.district.ballot, tally) if whole else OPEN
        if now == tally.outcome:
            return
        tally.outcome = now
        contest = self._frame.contests[poll.poll.contest]
        if decide(contest):
            self._changes.areas.update(area.area.id for area in contest.areas)
