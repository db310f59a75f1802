"""A scorecard in words: one line for a terminal, and the words of its marks for pages. Pure."""

from collections.abc import Mapping
from typing import Final

from skrutinium_server.rehearsal.scoring.model import Noticed, Outcome, Recovered, Recovery, Scorecard, Way

OUTCOMES: Final[Mapping[Outcome, str]] = {
    "yes": "yes",
    "no": "no",
    "unknown": "unknown",
    "not-applicable": "–",
}
NOTICED: Final[Mapping[Noticed, str]] = {
    "read": "read the record",
    "received": "received it",
    "figures": "new figures only",
    "no": "no",
    "unknown": "unknown",
}
RECOVERED: Final[Mapping[Recovered, str]] = {
    "recovered": "back after",
    "went-on": "went on",
    "not-recovered": "did not come back",
    "not-there": "was not there",
    "unknown": "unknown",
}
WAYS: Final[Mapping[Way, str]] = {
    "feed": "the feed",
    "second-site": "the second site",
    "mail": "crisis mail",
    "files": "files",
}
WHAT: Final[Mapping[str, str]] = {
    "outage": "Outage",
    "second_site_only": "Second site only",
    "stale": "Stale cache",
    "refuse": "Refusals",
    "slow": "Slow line",
    "truncate": "Truncated files",
    "break_off": "Broken connections",
    "wrong_signature": "Wrong signatures",
    "skew": "Wrong clock",
}
"""Troubles by their acts."""


def seconds(milliseconds: int) -> str:
    """A time in words: ``0.4 s``, ``17 s``, ``3 min 05 s``."""
    if milliseconds < 10_000:
        tenths = (milliseconds + 50) // 100
        return f"{tenths // 10}.{tenths % 10} s"
    whole = (milliseconds + 500) // 1000
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s"


def percent(hundredths: int | None) -> str:
    """A share with one decimal, halves up; a dash where there is none."""
    if hundredths is None:
        return "–"
    tenths = (hundredths + 5) // 10
    return f"{tenths // 10}.{tenths % 10} %"


def recovery(one: Recovery) -> str:
    """How a trouble ended."""
    words = RECOVERED[one.outcome]
    if one.outcome == "recovered" and one.milliseconds is not None:
        return f"{words} {seconds(one.milliseconds)}"
    if one.outcome == "went-on" and one.way is not None:
        return f"{words} by {WAYS[one.way]}"
    return words


def corrections(card: Scorecard) -> str:
    """How many corrections were noticed, by the weakest of them."""
    if not card.corrections:
        return "–"
    weakest = max((one.outcome for one in card.corrections), key=tuple(NOTICED).index)
    return NOTICED[weakest]


def line_of(card: Scorecard) -> str:
    """One line for a terminal."""
    if not card.seen:
        return f"{card.subscriber.id}: nothing was seen of it"
    missed = len(card.releases.missed)
    parts = [
        f"release {card.releases.newest if card.releases.newest is not None else '?'}, {missed} missed",
        f"at most {seconds(card.stale.milliseconds)} behind" if card.stale else "staleness unknown",
        f"codebooks {OUTCOMES[card.codebooks.outcome]}",
        f"304 {percent(card.conditional.hundredths)}",
    ]
    if card.corrections:
        parts.append(f"corrections: {corrections(card)}")
    parts += [
        f"{WHAT.get(one.trouble.what, one.trouble.what).lower()}: {recovery(one)}" for one in card.recoveries
    ]
    if card.mail.outcome != "not-applicable":
        parts.append(f"mail {OUTCOMES[card.mail.outcome]}")
    return f"{card.subscriber.id}: {', '.join(parts)}"
