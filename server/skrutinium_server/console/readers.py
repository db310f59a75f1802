"""What each subscriber is doing now, from the lines of the feed's access log. Pure: lines and times come in.

The log has a line an answer; answers 304 (and 204 of a wait) are summed up by subscriber and kind once a second.
Lines that are not understood are passed over, so that a newer feed does no harm. Source: ``feed/access_log``.
"""

import datetime
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

WINDOW: Final = datetime.timedelta(minutes=1)
"""What counts as now."""

QUIET: Final = datetime.timedelta(minutes=2)
"""Who has asked for nothing for so long is silent."""

ADDRESSES: Final = 4
"""Addresses that are remembered of a subscriber."""

HELD: Final = 2000
"""Subscribers that are remembered."""

RECENT: Final = 5000
"""Answers of the last minute that are remembered of a subscriber."""

_NEWS: Final = re.compile(r"/(?:newest/|changes\?|line\b|push\b|heartbeat\.xml)|^/(?:pls|appdata)/")


@dataclass(slots=True)
class Seen:
    """What was seen of one subscriber; ``news``: when it last got to know what is newest, ``run`` and ``release``: what it got last."""

    subscriber: str
    last: datetime.datetime
    line: str = ""
    addresses: list[str] = field(default_factory=list)
    recent: deque[tuple[datetime.datetime, int, int, int]] = field(
        default_factory=lambda: deque(maxlen=RECENT)
    )
    """Time, status, how many, bytes."""
    news: datetime.datetime | None = None
    run: str = ""
    release: int | None = None


@dataclass(frozen=True, slots=True)
class Doing:
    """What a subscriber does at a moment; counts are those of the last minute, ``refused`` by status."""

    seen: Seen
    answers: int
    unchanged: int
    bytes: int
    refused: Counter[int]
    silent: datetime.timedelta

    @property
    def words(self) -> str:
        """In words."""
        told = sum(self.refused.values())
        if self.silent > QUIET:
            return "silent"
        if told and not self.answers and not self.unchanged:
            return "is refused"
        if not self.answers and not self.unchanged:
            return "has just been here"
        return "reads, with refusals" if told else "reads"


class Readers:
    """All subscribers that the log told of."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def note(self, told: dict[str, Any]) -> None:
        """One line of the log."""
        match told:
            case {"time": str(time), "subscriber": str(subscriber), "status": int(status)}:
                pass
            case _:
                return
        moment = _moment(time)
        if moment is None:
            return
        seen = self._of(subscriber, moment)
        path, kind = told.get("path"), told.get("kind")
        count, size = _whole(told.get("count"), 1), _whole(told.get("bytes"), 0)
        if isinstance(path, str):
            seen.line = f"{str(told.get('method', 'GET'))[:8]} {path[:200]}: {status}"
            if status < 400:
                self._got(seen, path, told, moment)
        elif isinstance(kind, str) and kind in {"manifest", "changes", "push", "document", "pack", "volby"}:
            seen.news = moment
        address = told.get("address")
        if isinstance(address, str) and address not in seen.addresses:
            seen.addresses = [*seen.addresses, address][-ADDRESSES:]
        seen.recent.append((moment, status, count, size))

    def _got(self, seen: Seen, path: str, told: Mapping[str, Any], moment: datetime.datetime) -> None:
        if _NEWS.search(path):
            seen.news = moment
        release, run = told.get("release"), told.get("run")
        if isinstance(release, int) and isinstance(run, str):
            seen.release, seen.run = release, run

    def _of(self, subscriber: str, moment: datetime.datetime) -> Seen:
        seen = self._seen.get(subscriber)
        if seen is None:
            seen = self._seen[subscriber] = Seen(subscriber, moment)
            while len(self._seen) > HELD:
                self._seen.popitem(last=False)
        self._seen.move_to_end(subscriber)
        seen.last = max(seen.last, moment)
        return seen

    def doing(self, subscriber: str, now: datetime.datetime) -> Doing | None:
        """What a subscriber does at ``now`` (aware); None when it was never seen."""
        seen = self._seen.get(subscriber)
        if seen is None:
            return None
        while seen.recent and seen.recent[0][0] < now - WINDOW:
            seen.recent.popleft()
        refused: Counter[int] = Counter()
        answers = unchanged = size = 0
        for _, status, count, length in seen.recent:
            if status >= 400:
                refused[status] += count
            elif status in (204, 304):
                unchanged += count
            else:
                answers += count
                size += length
        return Doing(seen, answers, unchanged, size, refused, max(now - seen.last, datetime.timedelta()))

    def known(self) -> list[str]:
        """Ids of everybody who was seen."""
        return list(self._seen)


def _moment(time: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment if moment.utcoffset() is not None else None


def _whole(told: object, otherwise: int) -> int:
    return told if isinstance(told, int) and told >= 0 else otherwise
