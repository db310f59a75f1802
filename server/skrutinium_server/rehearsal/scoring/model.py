"""What scores are made of, and what they are. Times are aware, by the wall clock unless said otherwise.

Facts: the releases of a run, what went wrong on purpose, what a subscriber was seen to do. Scores: one card a subscriber, in which
what nobody saw is *unknown*, never a good or a bad mark. Sources: requirements M11, C19.
"""

import datetime
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from skrutinium_server.rehearsal.errors import RehearsalError

Outcome = Literal["yes", "no", "unknown", "not-applicable"]
"""Whether something was done; ``not-applicable``: there was nothing to do."""

Noticed = Literal["read", "received", "figures", "no", "unknown"]
"""How a correction was noticed: its record was read; it came along with other things; only the new figures were taken; not at all."""

Recovered = Literal["recovered", "went-on", "not-recovered", "not-there", "unknown"]
"""How a trouble ended for a subscriber; ``went-on``: it had what was new while the trouble lasted, by another way."""

Way = Literal["feed", "second-site", "mail", "files"]
"""How a release came."""

PROMPT: Final = datetime.timedelta(seconds=15)
"""So long a release may take to a reader that keeps up."""

MILLISECOND: Final = datetime.timedelta(milliseconds=1)


class ScoringError(RehearsalError):
    """What is to be scored cannot be read: a run, a log, receipts."""

    code = "scoring"


# ------------------------------------------------------------------------------------------------ facts
class Published(msgspec.Struct, frozen=True):
    """One release: ``time`` when it was written, ``cut`` by the run's clock, ``paths`` of its documents, ``correction``: hash of its correction records, empty without any."""

    number: int
    sha256: str
    time: datetime.datetime
    cut: datetime.datetime
    state: str
    reported: int
    expected: int
    paths: frozenset[str]
    correction: str = ""


class Series(msgspec.Struct, frozen=True):
    """The releases of one series, from number 1 on."""

    id: str
    releases: tuple[Published, ...]


class Trouble(msgspec.Struct, frozen=True):
    """Something that went wrong on purpose, from ``begun`` until ``ended`` (None: it was not ended); ``what``: the act, ``which``: the site."""

    what: str
    which: str
    begun: datetime.datetime
    ended: datetime.datetime | None


class Mailing(msgspec.Struct, frozen=True):
    """A time in which crisis mail was sent."""

    begun: datetime.datetime
    ended: datetime.datetime | None


class Night(msgspec.Struct, frozen=True):
    """The run that is scored: ``definition`` with which it was opened, ``registers``: newest version that was published, ``zone`` in which people read times."""

    event: str
    run: str
    phase: str
    name: str
    law: str
    zone: str
    definition: int
    definition_sha256: str
    registers: int
    series: Mapping[str, Series]
    troubles: tuple[Trouble, ...]
    mailings: tuple[Mailing, ...]
    begun: datetime.datetime
    ended: datetime.datetime


class Read(msgspec.Struct, frozen=True):
    """One answer of the feed with something in it (or a refusal), from the access log; ``where``: the feed that gave it.

    ``release`` and ``registers``: of which version it was, None for what is of none. ``run`` None: of no run. ``agent``: what the
    program calls itself, where it is another one than before at this address.
    """

    time: datetime.datetime
    subscriber: str
    address: str
    event: str | None
    run: str | None
    method: str
    path: str
    status: int
    bytes: int
    release: int | None
    registers: int | None
    where: Way
    agent: str | None = None


class Unchanged(msgspec.Struct, frozen=True):
    """So many answers 304 to requests of one kind within the second before ``time``."""

    time: datetime.datetime
    subscriber: str
    kind: str
    count: int
    where: Way


class Done(msgspec.Struct, frozen=True):
    """One release that a reader says it has done; ``time`` is by the feed's clock, as well as it can be told."""

    release: Annotated[int, msgspec.Meta(ge=1)]
    manifest: str
    time: datetime.datetime
    source: Way
    snapshot: bool = False
    corrections: Annotated[int, msgspec.Meta(ge=0)] = 0


class Receipt(msgspec.Struct, frozen=True):
    """One receipt as the feed took it at ``received``."""

    received: datetime.datetime
    subscriber: str
    address: str
    event: str
    run: str
    client: str
    software: str
    program: str | None
    codebook: int | None
    by_mail: int
    mails: int | None
    corrections: int
    done: tuple[Done, ...]


class Subscriber(msgspec.Struct, frozen=True):
    """Who may read, by the access list; ``name`` is its id where the list does not know it."""

    id: str
    name: str


class Sign(msgspec.Struct, frozen=True):
    """Evidence that a subscriber had taken the releases ``low`` to ``high`` at ``time``; ``low`` above ``high``: it had what was newest then, and took nothing.

    ``document``: the reader asked for a document as of that release, which holds the whole state of its part.
    """

    time: datetime.datetime
    low: int
    high: int
    way: Way
    snapshot: bool = False


# ------------------------------------------------------------------------------------------------ scores
class Codebooks(msgspec.Struct, frozen=True):
    """Codebooks and registers: the newest version that was fetched (None: unknown, or none), of the newest that there was."""

    outcome: Outcome
    held: int | None
    wanted: int


class Conditional(msgspec.Struct, frozen=True):
    """Answers 304 of all that could have been: those, and documents that were sent again although they had not changed."""

    unchanged: int
    possible: int

    @property
    def hundredths(self) -> int | None:
        """The share in hundredths of a percent, halves up; None where nothing could have been 304."""
        if not self.possible:
            return None
        return (20_000 * self.unchanged + self.possible) // (2 * self.possible)


class Taken(msgspec.Struct, frozen=True):
    """Releases: the first and the newest one seen; how many since then were taken one by one, passed over for later ones, and missed for good."""

    first: int | None = None
    newest: int | None = None
    taken: int = 0
    passed_over: int = 0
    missed: tuple[int, ...] = ()


class Stale(msgspec.Struct, frozen=True):
    """The longest time without a release that was there: ``release`` is the one that was lacking, ``since`` when it came out."""

    milliseconds: int
    release: int
    since: datetime.datetime
    ended: bool


class Recovery(msgspec.Struct, frozen=True):
    """How one trouble ended: ``milliseconds`` from its end until the subscriber had what was newest then; ``way`` by which it went on."""

    trouble: Trouble
    outcome: Recovered
    milliseconds: int | None = None
    way: Way | None = None


class NoticedCorrection(msgspec.Struct, frozen=True):
    """How one correction was noticed."""

    release: int
    outcome: Noticed


class Mail(msgspec.Struct, frozen=True):
    """Whether crisis mail was read, how many mails, and how many releases they brought before anything else did."""

    outcome: Outcome
    mails: int = 0
    releases: int = 0


class Reader(msgspec.Struct, frozen=True):
    """One program of a subscriber, by its receipts; ``agrees``: all its manifests are those of the store, ``stale`` in milliseconds."""

    client: str
    software: str
    program: str | None
    newest: int
    agrees: bool
    stale: int
    by_mail: int


class Behind(msgspec.Struct, frozen=True):
    """A time in which a release was there and the subscriber did not have it; ``until`` None: to the end."""

    since: datetime.datetime
    until: datetime.datetime | None


class Scorecard(msgspec.Struct, frozen=True):
    """One subscriber's card; ``seen``: anything was seen of it in this run; ``agents``: what its programs call themselves. ``signs`` and ``behind`` are for the picture."""

    subscriber: Subscriber
    seen: bool
    series: str
    requests: int
    bytes: int
    refused: int
    receipts: int
    agents: tuple[str, ...]
    codebooks: Codebooks
    conditional: Conditional
    releases: Taken
    stale: Stale | None
    recoveries: tuple[Recovery, ...]
    corrections: tuple[NoticedCorrection, ...]
    mail: Mail
    readers: tuple[Reader, ...]
    signs: tuple[Sign, ...]
    behind: tuple[Behind, ...]


class Scores(msgspec.Struct, frozen=True):
    """The cards of all subscribers of a run, by their ids."""

    night: Night
    cards: tuple[Scorecard, ...]
