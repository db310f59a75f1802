"""Receipts: telling a feed what was done with its releases, when that was asked for and the run is no live one.

They are sent beside following and never hold it up: at most one in some seconds, tried again later when they fail, and not at
all to a feed that takes none. What is in them: docs/newsroom.md, receipts; ``xsd/skrutinium/1.0/rehearsal.xsd``.
"""

import asyncio
import contextlib
import datetime
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from xml.sax.saxutils import quoteattr

from skrutinium.documents.series import Run
from skrutinium.errors import SkrutiniumError
from skrutinium.following.followed import Followed
from skrutinium.following.listening import ended, utc_now
from skrutinium.following.release import Release
from skrutinium.sources.address import Address
from skrutinium.sources.mail.source import MailSource
from skrutinium.sources.transport import spread

_log = logging.getLogger("skrutinium")

EVERY: Final = 5.0
"""Seconds between two receipts, spread by a quarter more or less."""

MOST: Final = 64
"""Releases that one receipt tells, the newest ones."""

LATEST: Final = 2.0
"""Seconds that the end waits for the last receipt."""

_PATIENCE: Final = 5.0
_LONGEST_NAME: Final = 100

Kind = Literal["feed", "second-site", "mail", "files"]


@dataclass(frozen=True, slots=True)
class Done:
    """One release that was done: when by this machine's clock, and what brought it."""

    release: int
    manifest: str
    time: datetime.datetime
    source: Kind
    snapshot: bool


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: a name drawn at random, the library, and the program that uses it, None when it is not told."""

    client: str
    software: str
    program: str | None


def sender_of(receipts: bool | str, version: str, drawn: Callable[[int], str] = secrets.token_hex) -> Sender:
    """The sender by what ``connect`` was told; raises ValueError for a name that is empty, too long or of several lines."""
    program = receipts if isinstance(receipts, str) else None
    if program is not None and (not 0 < len(program) <= _LONGEST_NAME or not program.isprintable()):
        raise ValueError(
            f"receipts: a program is named by 1 to {_LONGEST_NAME} printable characters, not {program!r:.120}"
        )
    return Sender(drawn(8), f"skrutinium {version}", program)


class Receipts:
    """What is to be told of one run; ``noticed`` has the number of correction records read, by release, ``held`` the newest version of the registers.

    The run is no live one. :meth:`run` sends until it is cancelled.
    """

    def __init__(
        self,
        run: Run,
        sender: Sender,
        followed: Sequence[Followed],
        noticed: Mapping[int, int],
        held: Callable[[], int | None],
        pick: Callable[[], float],
        clock: Callable[[], datetime.datetime] = utc_now,
        every: float = EVERY,
    ) -> None:
        assert run.phase != "live", "receipts are never sent in a live run"
        self._run = run
        self._sender = sender
        self._followed = followed
        self._noticed = noticed
        self._held = held
        self._pick = pick
        self._clock = clock
        self._every = every
        self._waiting: list[Done] = []
        self._by_mail = 0
        self._more = asyncio.Event()
        self._unwilling: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        if self._task is None:
            self._task = asyncio.create_task(self.run())

    def note(self, release: Release) -> None:
        """A release is done."""
        source = self._kind(release.source)
        self._by_mail += source == "mail"
        done = Done(release.number, release.sha256, self._clock(), source, release.snapshot)
        self._waiting = [*self._waiting[1 - MOST :], done]
        self._more.set()

    async def run(self) -> None:
        """Send what is new, again and again, with pauses."""
        while True:
            await self._more.wait()
            await self.send(_PATIENCE)
            await asyncio.sleep(spread(self._every, self._pick))

    async def stop(self) -> None:
        """Send what is left, when that takes no more than a moment, and end."""
        if self._task is not None:
            await ended(self._task)
        if self._waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATEST):
                    await self.send(LATEST)

    async def send(self, seconds: float) -> None:
        """Send one receipt to the first feed that takes it; what nobody took stays for the next time."""
        self._more.clear()
        told = list(self._waiting)
        for one, feed in self._feeds() if told else ():
            path = f"/event/{self._run.event}/receipt"
            try:
                status = await feed.transport.post(path, self._document(told), seconds=seconds)
            except SkrutiniumError as error:
                _log.debug("receipt: %s", error)
                continue
            if status == 204:
                self._waiting = [done for done in self._waiting if done not in told]
                return
            _log.debug("receipt: %s answers with status %d", one.where, status)
            if (
                status != 429 and status < 500
            ):  # it takes none, or not this one: asking again would not change that
                self._unwilling.add(one.where)
        if self._waiting and self._feeds():
            self._more.set()

    def _feeds(self) -> list[tuple[Followed, Address]]:
        """The feeds that may take a receipt, those that work first."""
        there = sorted(self._followed, key=lambda one: (one.error is not None, not one.working))
        return [
            (one, address)
            for one in there
            if (address := one.address) is not None and one.where not in self._unwilling
        ]

    def _kind(self, where: str) -> Kind:
        """What a source is, by the place that a release came from."""
        first: Followed | None = None
        for one in self._followed:
            feed = one.address is not None
            if feed and first is None:
                first = one
            if one.where == where:
                if feed:
                    return "feed" if one is first else "second-site"
                return "mail" if isinstance(one.source, MailSource) else "files"
        return "second-site"  # one that notices named once, and no more

    def _mails(self) -> int | None:
        """How many mails were read, None without a mailbox."""
        boxes = [one.source for one in self._followed if isinstance(one.source, MailSource)]
        return sum(box.mails for box in boxes) if boxes else None

    # ---------------------------------------------------------------- the document
    def _document(self, told: Sequence[Done]) -> bytes:
        """The receipt."""
        sender = self._sender
        head = {
            "event": self._run.event,
            "run": self._run.id,
            "schema": "1.0",
            "client": sender.client,
            "software": sender.software,
            "program": sender.program,
            "sent": _moment(self._clock()),
            "codebook": self._held(),
            "by-mail": self._by_mail,
            "mails": self._mails(),
            "corrections": sum(self._noticed.values()),
        }
        rows = "".join(f" <done{_attributes(self._row(one))}/>\n" for one in told)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<receipt xmlns="urn:skrutinium:1"{_attributes(head)}>\n{rows}</receipt>\n'
        ).encode()

    def _row(self, done: Done) -> dict[str, object]:
        return {
            "release": done.release,
            "manifest": done.manifest,
            "time": _moment(done.time),
            "source": done.source,
            "snapshot": "true" if done.snapshot else None,
            "corrections": self._noticed.get(done.release) or None,
        }


def _attributes(told: Mapping[str, object]) -> str:
    """Attributes of an element; what is None is left out."""
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in told.items() if value is not None)


def _moment(time: datetime.datetime) -> str:
    """A moment as receipts write it: UTC, with milliseconds."""
    told = time.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")
