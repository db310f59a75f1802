"""Who is elected where single persons stand, decided again from the votes added up here.

More than half of the valid votes elects; else the two with the most votes go into a second round, in which most votes
elect. Equal votes that leave the answer open need a lot. Source: act 247/1995, §§ 75 and 76.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LAWS = frozenset({"cz-senate-2018"})
"""The laws that elect so."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome word, who is elected or goes into the second round for certain, and who is tied for how many places."""

    outcome: str
    elected: frozenset[int] = frozenset()
    runoff: frozenset[int] = frozenset()
    tied: frozenset[int] = frozenset()
    places: int = 0


def decide(votes: Mapping[int, int], turn: int) -> Verdict | None:
    """The verdict of round ``turn`` over those who stand, when every protocol is in; None where the law has no answer."""
    if not sum(votes.values()) or (turn > 1 and len(votes) < 2):
        return None
    best = sorted(votes.values(), reverse=True)
    first = frozenset(who for who, value in votes.items() if value == best[0])
    if turn > 1:
        if len(first) == 1:
            return Verdict("decided", elected=first)
        return Verdict("lot", tied=first, places=1)
    if best[0] > sum(best[1:]):
        return Verdict("decided", elected=first)
    if len(first) > 2:
        return Verdict("lot", tied=first, places=2)
    if len(first) == 2:
        return Verdict("runoff", runoff=first)
    second = frozenset(who for who, value in votes.items() if value == best[1])
    if len(second) == 1:
        return Verdict("runoff", runoff=first | second)
    return Verdict("lot", runoff=first, tied=second, places=1)
