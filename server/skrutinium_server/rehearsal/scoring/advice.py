"""What a scorecard says in marks, and what its subscriber may do better. Pure.

A mark is ``good``, ``bad``, ``unknown`` or ``none`` (there was nothing to do); what is unknown is never bad.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from skrutinium_server.rehearsal.scoring.model import (
    MILLISECOND,
    PROMPT,
    Noticed,
    Outcome,
    Recovered,
    Scorecard,
)

Mark = Literal["good", "bad", "unknown", "none"]

CONDITIONAL: Final = 9_000
"""Of all answers that could have been 304 so many hundredths of a percent should have been."""

_FEW: Final = 20
"""So few answers that could have been 304 say nothing of how a program asks."""
_FROM_WORST: Final[tuple[Mark, ...]] = ("bad", "unknown", "good")
_OUTCOMES: Final[Mapping[Outcome, Mark]] = {
    "yes": "good",
    "no": "bad",
    "unknown": "unknown",
    "not-applicable": "none",
}
_RECOVERED: Final[Mapping[Recovered, Mark]] = {
    "recovered": "good",
    "went-on": "good",
    "not-recovered": "bad",
    "not-there": "none",
    "unknown": "unknown",
}
_NOTICED: Final[Mapping[Noticed, Mark]] = {
    "read": "good",
    "received": "good",
    "figures": "bad",
    "no": "bad",
    "unknown": "unknown",
}


def marks(card: Scorecard) -> Mapping[str, Mark]:
    """The marks of a card: codebooks, conditional, releases, stale, recovered, corrections, mail."""
    if not card.seen:
        names = ("codebooks", "conditional", "releases", "stale", "recovered", "corrections", "mail")
        return dict.fromkeys(names, "unknown")
    return {
        "codebooks": _of(card.codebooks.outcome),
        "conditional": _conditional(card),
        "releases": "unknown" if card.releases.newest is None else _good(not card.releases.missed),
        "stale": "unknown"
        if card.stale is None
        else _good(card.stale.ended and card.stale.milliseconds <= _patience(card)),
        "recovered": _worst([_RECOVERED[one.outcome] for one in card.recoveries]),
        "corrections": _worst([_NOTICED[one.outcome] for one in card.corrections]),
        "mail": _of(card.mail.outcome),
    }


def _good(is_so: bool) -> Mark:
    return "good" if is_so else "bad"


def _of(outcome: Outcome) -> Mark:
    return _OUTCOMES[outcome]


def _worst(several: list[Mark]) -> Mark:
    return next((one for one in _FROM_WORST if one in several), "none")


def _conditional(card: Scorecard) -> Mark:
    share = card.conditional.hundredths
    return "none" if share is None or card.conditional.possible < _FEW else _good(share >= CONDITIONAL)


def _patience(card: Scorecard) -> int:
    """Milliseconds that it may have been behind: nobody gets anything from a feed that is gone."""
    lasted = [
        one.trouble.ended - one.trouble.begun for one in card.recoveries if one.trouble.ended is not None
    ]
    return sum(lasted, PROMPT) // MILLISECOND


def advice(card: Scorecard) -> tuple[str, ...]:
    """What the subscriber may do better, in sentences."""
    return tuple(_advice(card, marks(card)))


def _advice(card: Scorecard, told: Mapping[str, Mark]) -> Iterator[str]:
    if not card.seen:
        yield "Nothing was seen of your programs in this run. Does your address lie in your registered range? The address /access of the feed tells it."
        return
    if told["codebooks"] == "bad":
        yield "Fetch codebooks and registers before the night: /event/EVENT/registers/newest/registers.xml lists them. Without them codes have no names."
    if told["conditional"] == "bad":
        yield "Send If-None-Match with the ETag of the answer before (or If-Modified-Since): an answer 304 costs neither side anything, and is never limited."
    if told["releases"] == "bad":
        count = len(card.releases.missed)
        last = "last release was" if count == 1 else f"last {count} releases were"
        yield f"The {last} never asked for. Go on reading until the results are declared final: corrections come late."
    if told["stale"] == "bad":
        yield "Ask more often, wait for news (push, or Prefer: wait at the newest manifest), and try again soon after an error."
    if told["recovered"] == "bad":
        yield "Come back by yourselves after an outage: try again after seconds, not minutes, with a pause that grows and is spread; know the second site and the crisis mail."
    if told["corrections"] == "bad":
        yield "Read corrections/N.xml whenever a manifest names it: figures can go down, and your audience should hear why."
    if told["mail"] == "bad" and not card.mail.mails:
        yield "Crisis mail was sent and not used. Give your program the mailbox as a further source, or have somebody who knows what to do with the files."
    if any(not reader.agrees for reader in card.readers):
        yield "A program told of releases that are not the published ones: check signatures and the chain of manifests."
    if not card.receipts and told["mail"] == "unknown":
        yield "Whether crisis mail was read is unknown: programs that send receipts tell it."
