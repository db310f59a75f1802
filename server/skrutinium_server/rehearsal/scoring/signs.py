"""From what was seen to signs: which releases a subscriber had taken, and when. Pure.

The access log names the address that was asked for and the release that was sent; sums of answers 304 say that a reader had what was
newest then; receipts say it themselves.
"""

import datetime
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from skrutinium_server.feed.addresses import (
    Address,
    Changes,
    Line,
    NewestDocument,
    NumberedDocument,
    Pack,
    VolbyFile,
    VolbyProcedure,
)
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.targets import asked_of
from skrutinium_server.rehearsal.scoring.model import Night, Read, Receipt, Series, Sign, Unchanged

MAIN: Final = "skrutinium"
VOLBY: Final = "volby"

SUMMED: Final = datetime.timedelta(milliseconds=1500)
"""Answers 304 are summed for a second or a little more: what was newest before is meant."""

_POLLED: Final = {"manifest": MAIN, "document": MAIN, "changes": MAIN, "volby": VOLBY}
"""Kinds of requests that ask for what is newest, with the series that they read as a rule."""


def good(read: Read) -> bool:
    """Whether a reader got what it asked for."""
    return read.status in (200, 206) and read.method == "GET"


def series_of(asked: Address | Refusal) -> str | None:
    """The series that an address reads, None when it reads none."""
    match asked:
        case VolbyFile() | VolbyProcedure():
            return VOLBY
        case NewestDocument() | NumberedDocument() | Changes() | Pack() | Line():
            return asked.place.series
        case _:
            return None


def sign_of(read: Read) -> tuple[str, Sign] | None:
    """The series that was read and what it says; None for what says nothing of releases."""
    asked = asked_of(read.path)
    series = series_of(asked)
    if series is None or not good(read):
        return None
    match asked:
        case NumberedDocument(number=number) | Pack(number=number):
            return series, Sign(read.time, number, number, read.where)
        case Changes(since=since) if read.release is not None:
            return series, Sign(read.time, since + 1, read.release, read.where)
        case _ if read.release is not None:
            return series, Sign(read.time, read.release, read.release, read.where)
        case _:
            return None


def newest_at(series: Series, time: datetime.datetime) -> int:
    """The newest release of a series at a time, 0 before the first; releases come one after the other."""
    return bisect_right(series.releases, time, key=lambda one: one.time)


def signs_of(
    night: Night, reads: Iterable[Read], unchanged: Iterable[Unchanged], receipts: Iterable[Receipt]
) -> dict[str, list[Sign]]:
    """The signs of one subscriber in each series, in the order of time."""
    found: dict[str, list[Sign]] = {id: [] for id in night.series}
    for read in reads:
        told = sign_of(read)
        if told is not None and told[0] in found:
            found[told[0]].append(told[1])
    for receipt in receipts:
        for done in receipt.done:
            low = done.release
            found.setdefault(MAIN, []).append(Sign(done.time, low, low, done.source, done.snapshot))
    # Answers 304 do not say of which run they are: they count once the run was read.
    first = {id: min((sign.time for sign in signs), default=None) for id, signs in found.items()}
    for one in unchanged:
        series = _POLLED.get(one.kind, "")
        began = first.get(series)
        if began is not None and one.time > began:
            number = newest_at(night.series[series], one.time - SUMMED)
            found[series].append(Sign(one.time, number + 1, number, one.where))
    return {id: sorted(signs, key=lambda sign: sign.time) for id, signs in found.items()}


def had_since(series: Series, signs: Sequence[Sign]) -> list[Sign | None]:
    """For each release of the series the first sign of it, or of a later one; ``signs`` in the order of time."""
    found: list[Sign | None] = [None] * len(series.releases)
    known = 0
    for sign in signs:
        for number in range(known + 1, min(sign.high, len(found)) + 1):
            found[number - 1] = sign
        known = max(known, sign.high)
    return found
