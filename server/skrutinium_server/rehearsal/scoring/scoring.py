"""From facts to scorecards. Pure: the same facts give the same cards.

Whatever nobody saw is unknown: a reader without receipts has more of it, and no worse mark for it.
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeVar

import msgspec

from skrutinium_server.feed.addresses import (
    Address,
    Changes,
    ContractFile,
    NewestDocument,
    NumberedDocument,
    ObjectByHash,
    Pack,
    RegistersFile,
    VolbyFile,
)
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.targets import asked_of
from skrutinium_server.rehearsal.scoring.model import (
    MILLISECOND,
    PROMPT,
    Behind,
    Codebooks,
    Conditional,
    Mail,
    Night,
    Noticed,
    NoticedCorrection,
    Outcome,
    Published,
    Read,
    Reader,
    Receipt,
    Recovery,
    Scorecard,
    Scores,
    Series,
    Sign,
    Stale,
    Subscriber,
    Taken,
    Trouble,
    Unchanged,
    Way,
)
from skrutinium_server.rehearsal.scoring.signs import MAIN, good, had_since, newest_at, series_of, signs_of

Told = TypeVar("Told", Read, Unchanged, Receipt)

_NO_FAULT: Final = frozenset({404, 410, 412, 416})
"""Refusals that say that something is not there (yet): to ask for it is nothing wrong."""
_AHEAD: Final = datetime.timedelta(hours=12)
"""A program tells once what it calls itself: it may have been running for hours when the run begins."""
_NOTHING: Final = Series("", ())


def score(
    night: Night,
    subscribers: Iterable[Subscriber],
    reads: Iterable[Read],
    unchanged: Iterable[Unchanged],
    receipts: Iterable[Receipt],
) -> Scores:
    """The cards of all who may read and of all who were seen. ``reads`` may begin before the run: registers are fetched ahead."""
    known = {one.id: one for one in subscribers}
    by_reads, by_unchanged, by_receipts = _by(reads), _by(unchanged), _by(receipts)
    for id in {*by_reads, *by_unchanged, *by_receipts} - set(known):
        known[id] = Subscriber(id, id)
    cards = tuple(
        _card(night, known[id], by_reads.get(id, []), by_unchanged.get(id, []), by_receipts.get(id, []))
        for id in sorted(known)
    )
    ended = max([night.ended, *(sign.time for card in cards for sign in card.signs if sign.high >= sign.low)])
    return Scores(msgspec.structs.replace(night, ended=ended), cards)


def _by(told: Iterable[Told]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = {}
    for one in told:
        found.setdefault(one.subscriber, []).append(one)
    return found


def _card(
    night: Night,
    subscriber: Subscriber,
    reads: Sequence[Read],
    unchanged: Sequence[Unchanged],
    receipts: Sequence[Receipt],
) -> Scorecard:
    own = [one for one in reads if (one.event, one.run) == (night.event, night.run)]
    signs = signs_of(night, own, unchanged, receipts)
    name = MAIN if signs.get(MAIN) or not any(signs.values()) else max(signs, key=lambda id: len(signs[id]))
    series, shown = night.series.get(name, _NOTHING), signs.get(name, [])
    had = had_since(series, shown)
    seen = bool(own or receipts or shown)
    contacts = sorted(
        [one.time for one in own if one.status < 400]
        + [one.time for one in unchanged if shown]
        + [one.received for one in receipts]
    )
    behind = _behind(series, shown, had)
    asked = [(asked_of(one.path), one.release or 0) for one in own if good(one)]
    return Scorecard(
        subscriber,
        seen,
        name,
        len(own) + sum(one.count for one in unchanged if shown),
        sum(one.bytes for one in own),
        sum(one.status >= 400 and one.status not in _NO_FAULT for one in own),
        len(receipts),
        tuple(sorted({one.agent for one in reads if one.agent and one.time >= night.begun - _AHEAD})),
        _codebooks(night, reads, unchanged, receipts),
        _conditional(night, own, unchanged if shown else ()),
        _taken(series, shown),
        _stale(night, series, shown, had),
        tuple(_recovery(series, trouble, shown, had, contacts) for trouble in night.troubles),
        tuple(
            NoticedCorrection(one.number, _noticed(night, one, asked, receipts, signs, seen=seen))
            for one in night.series.get(MAIN, _NOTHING).releases
            if one.correction
        ),
        _mail(night, receipts),
        _readers(night, receipts),
        tuple(shown),
        behind,
    )


# ------------------------------------------------------------------------------------------------ releases
def _joined(shown: Sequence[Sign]) -> Sign | None:
    """The first sign: what was out before it is not missed, the reader began with what it stands for."""
    return shown[0] if shown else None


def _due(series: Series, shown: Sequence[Sign]) -> list[Published]:
    """The releases that came out after the reader had begun, and after the one that it began with."""
    joined = _joined(shown)
    if joined is None:
        return []
    return [one for one in series.releases if one.time > joined.time and one.number > joined.high]


def _taken(series: Series, shown: Sequence[Sign]) -> Taken:
    joined = _joined(shown)
    if joined is None:
        return Taken()
    covered = {number for sign in shown for number in range(sign.low, sign.high + 1)}
    newest = min(max(sign.high for sign in shown), len(series.releases))
    due = [one.number for one in _due(series, shown)]
    return Taken(
        joined.high,
        newest,
        sum(number in covered for number in due),
        sum(number not in covered and number <= newest for number in due),
        tuple(number for number in due if number > newest),
    )


def _behind(series: Series, shown: Sequence[Sign], had: Sequence[Sign | None]) -> tuple[Behind, ...]:
    """The times in which something newer was there than the subscriber had, one after the other."""
    found: list[Behind] = []
    for one in _due(series, shown):
        sign = had[one.number - 1]
        until = None if sign is None else max(sign.time, one.time)
        last = found[-1] if found else None
        if last is not None and (last.until is None or last.until >= one.time):
            longer = None if last.until is None or until is None else max(last.until, until)
            found[-1] = Behind(last.since, longer)
        elif until is None or until > one.time:
            found.append(Behind(one.time, until))
    return tuple(found)


def _stale(night: Night, series: Series, shown: Sequence[Sign], had: Sequence[Sign | None]) -> Stale | None:
    """The release for which the subscriber waited the longest, None when nothing was seen."""
    joined = _joined(shown)
    if joined is None:
        return None
    longest = Stale(0, joined.high, joined.time, ended=True)
    for one in _due(series, shown):
        sign = had[one.number - 1]
        until = max(night.ended, shown[-1].time) if sign is None else sign.time
        lasted = _milliseconds(until - one.time)
        if lasted > longest.milliseconds:
            longest = Stale(lasted, one.number, one.time, ended=sign is not None)
    return longest


def _milliseconds(lasted: datetime.timedelta) -> int:
    return max(0, lasted // MILLISECOND)


# ------------------------------------------------------------------------------------------------ troubles
def _recovery(
    series: Series,
    trouble: Trouble,
    shown: Sequence[Sign],
    had: Sequence[Sign | None],
    contacts: Sequence[datetime.datetime],
) -> Recovery:
    """How a trouble ended for a subscriber: when it had again what was newest at the end of it."""
    if not shown:
        return Recovery(trouble, "unknown")
    if contacts[0] > trouble.begun:
        return Recovery(trouble, "not-there")
    if trouble.ended is None:
        return Recovery(trouble, "unknown")
    newest = newest_at(series, trouble.ended)
    sign = had[newest - 1] if newest else None
    if sign is not None and trouble.begun < sign.time <= trouble.ended:
        return Recovery(trouble, "went-on", 0, sign.way)
    settled = newest_at(
        series, trouble.ended - PROMPT
    )  # what came out just before the end may still be on its way
    kept_up = had[settled - 1] if settled > newest_at(series, trouble.begun) else None
    if kept_up is not None and trouble.begun < kept_up.time <= trouble.ended:
        return Recovery(trouble, "went-on", 0, kept_up.way)
    if newest and sign is None:
        return Recovery(trouble, "not-recovered")
    back = sign.time if sign is not None and sign.time > trouble.ended else None
    if back is None:  # nothing new came out meanwhile: any sign of life will do
        back = next((time for time in contacts if time > trouble.ended), None)
    if back is None:
        return Recovery(trouble, "not-recovered")
    return Recovery(trouble, "recovered", _milliseconds(back - trouble.ended), sign.way if sign else None)


# ------------------------------------------------------------------------------------------------ corrections
def _noticed(
    night: Night,
    correction: Published,
    asked: Iterable[tuple[Address | Refusal, int]],
    receipts: Sequence[Receipt],
    signs: Mapping[str, Sequence[Sign]],
    *,
    seen: bool,
) -> Noticed:
    """``asked``: addresses of which something came, and of which release it was."""
    number, along = correction.number, False
    if any(done.release == number and done.corrections for one in receipts for done in one.done):
        return "read"
    for address, release in asked:
        match address:
            case ObjectByHash(sha256=sha256) if sha256 == correction.correction:
                return "read"
            case NewestDocument(path=path) | NumberedDocument(path=path) if (
                path == f"corrections/{number}.xml"
            ):
                return "read"
            case Changes(since=since, choice=None) if since < number <= release:
                along = True
            case Pack(number=pack) if pack == number:
                along = True
            case _:
                pass
    if along:
        return "received"
    if not seen:
        return "unknown"
    for id, shown in signs.items():
        series = night.series.get(id, _NOTHING)
        first = next((one.number for one in series.releases if one.time >= correction.time), None)
        if first is not None and any(sign.high >= first for sign in shown):
            return "figures"
    return "no"


# ------------------------------------------------------------------------------------------------ the rest
def _codebooks(
    night: Night, reads: Sequence[Read], unchanged: Sequence[Unchanged], receipts: Sequence[Receipt]
) -> Codebooks:
    held = [one.codebook for one in receipts if one.codebook is not None]
    fetched = any(one.kind == "registers" for one in unchanged)
    for read in reads:
        asked = asked_of(read.path)
        if good(read) and isinstance(asked, RegistersFile) and asked.event == night.event:
            fetched = True
            if read.registers is not None:
                held.append(read.registers)
        elif good(read) and isinstance(asked, ContractFile) and asked.segments[0] == "codebooks":
            fetched = True
    newest = max(held, default=None)
    outcome: Outcome
    if newest is not None:
        outcome = "yes" if newest >= night.definition else "no"
    elif not reads and not unchanged and not receipts:
        outcome = "unknown"
    else:
        outcome = "yes" if fetched else "no"
    return Codebooks(outcome, newest, night.registers)


def _conditional(night: Night, reads: Sequence[Read], unchanged: Sequence[Unchanged]) -> Conditional:
    """Answers 304, and documents that were sent again to the same address although they had not changed."""
    same = sum(one.count for one in unchanged)
    of: dict[tuple[str, str], list[Read]] = {}
    for read in reads:
        if good(read) and series_of(asked_of(read.path)) is not None:
            of.setdefault((read.address, read.path), []).append(read)
    again = 0
    for (_, path), several in of.items():
        ordered = sorted(several, key=lambda one: one.time)
        again += sum(not _changed(night, path, before, after) for before, after in pairwise(ordered))
    return Conditional(same, same + again)


def _changed(night: Night, path: str, before: Read, after: Read) -> bool:
    """Whether what lies at an address changed between two answers."""
    asked = asked_of(path)
    if before.release is None or after.release is None or isinstance(asked, NumberedDocument | Pack):
        return False
    if isinstance(asked, NewestDocument | VolbyFile) and asked.path not in (
        "manifest.xml",
        "manifest.xml.sig",
    ):
        series = night.series.get(series_of(asked) or "", _NOTHING)
        between = series.releases[before.release : after.release]
        return any(asked.path in one.paths for one in between)
    return before.release != after.release


def _mail(night: Night, receipts: Sequence[Receipt]) -> Mail:
    if not night.mailings:
        return Mail("not-applicable")
    if not receipts:
        return Mail("unknown")
    mails, releases = max(one.mails or 0 for one in receipts), max(one.by_mail for one in receipts)
    return Mail("yes" if mails or releases else "no", mails, releases)


def _readers(night: Night, receipts: Sequence[Receipt]) -> tuple[Reader, ...]:
    """Each program that sent receipts, by the name that it drew."""
    series = night.series.get(MAIN, _NOTHING)
    hashes = {one.number: one.sha256 for one in series.releases}
    of: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        of.setdefault(receipt.client, []).append(receipt)
    found = []
    for client, several in sorted(of.items()):
        last = max(several, key=lambda one: one.received)
        done = [one for receipt in several for one in receipt.done]
        way: Way = "feed"
        shown = sorted(
            (Sign(one.time, one.release, one.release, way) for one in done), key=lambda one: one.time
        )
        stale = _stale(night, series, shown, had_since(series, shown))
        found.append(
            Reader(
                client,
                last.software,
                last.program,
                max(one.release for one in done),
                all(hashes.get(one.release) == one.manifest for one in done),
                stale.milliseconds if stale else 0,
                last.by_mail,
            )
        )
    return tuple(found)
