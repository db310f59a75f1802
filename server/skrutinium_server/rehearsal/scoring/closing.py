"""The closing report of a test or a rehearsal: who took part, with which software and which version of the definition. Source: C19."""

import datetime
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from skrutinium_server.ledger.model import Accepted, Body, Closed, Opened, Reopened
from skrutinium_server.rehearsal.scoring.model import Scorecard, Scores, ScoringError, Subscriber
from skrutinium_server.rehearsal.scoring.signs import MAIN

SDK: Final = "skrutinium-sdk"
"""What the SDK calls itself in requests."""
_LONGEST: Final = 100


class Brought(msgspec.Struct, frozen=True):
    """Protocols that one source brought; times are by the run's clock."""

    who: str
    path: str
    protocols: int
    corrections: int
    first: datetime.datetime
    last: datetime.datetime


class Used(msgspec.Struct, frozen=True):
    """Software with which a subscriber took part; ``readers``: by their receipts, 0 for what the access log alone tells."""

    name: str
    program: str | None
    readers: int


class Participant(msgspec.Struct, frozen=True):
    """One subscriber."""

    subscriber: Subscriber
    took_part: bool
    newest: int | None
    codebook: int | None
    software: tuple[Used, ...]


class Ledgered(msgspec.Struct, frozen=True):
    """What the ledger of a run says of it."""

    definition_sha256: str
    law_sha256: str
    brought: tuple[Brought, ...]
    closed: bool


class ClosingReport(msgspec.Struct, frozen=True):
    """The report; ``software`` is that which counted."""

    scores: Scores
    software: str
    ledgered: Ledgered
    participants: tuple[Participant, ...]
    state: str
    expected: int
    reported: int
    releases: int
    corrections: int


def ledgered(bodies: Iterable[Body]) -> Ledgered:
    """What the entries of a ledger say, in their order. Pure; raises :class:`ScoringError` for a ledger that begins with no run."""
    opened: Opened | None = None
    closed = False
    brought: dict[tuple[str, str], Brought] = {}
    for body in bodies:
        match body:
            case Opened():
                opened = body
            case Accepted(origin=origin, time=time):
                key = (origin.who, origin.path)
                one = brought.get(key) or Brought(*key, 0, 0, time, time)
                more = int(body.supersedes is not None)
                brought[key] = Brought(*key, one.protocols + 1, one.corrections + more, one.first, time)
            case Closed():
                closed = True
            case Reopened():
                closed = False
            case _:
                pass
    if opened is None:
        raise ScoringError("The ledger of the run holds no entry that opens it.")
    return Ledgered(
        opened.definition_sha256, opened.law_sha256, tuple(brought[key] for key in sorted(brought)), closed
    )


def closing_report(scores: Scores, told: Ledgered, software: str) -> ClosingReport:
    """The report of a run that was scored. Pure."""
    night = scores.night
    releases = night.series[MAIN].releases if MAIN in night.series else ()
    shown = releases or next(iter(night.series.values())).releases
    return ClosingReport(
        scores,
        software,
        told,
        tuple(_participant(card) for card in scores.cards),
        shown[-1].state,
        shown[-1].expected,
        shown[-1].reported,
        len(releases),
        sum(bool(one.correction) for one in releases),
    )


def _participant(card: Scorecard) -> Participant:
    used: dict[tuple[str, str], int] = Counter((one.software, one.program or "") for one in card.readers)
    for agent in card.agents if card.seen else ():
        plain = "".join(letter if letter.isprintable() else " " for letter in agent)
        name = " ".join(plain.split())[:_LONGEST]
        if name and not (used and name.startswith(SDK)):  # receipts tell more of it
            used[name, ""] = 0
    return Participant(
        card.subscriber,
        card.seen,
        card.releases.newest,
        card.codebooks.held,
        tuple(Used(name, program or None, count) for (name, program), count in sorted(used.items())),
    )
