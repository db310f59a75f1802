"""What may be asked of the feed: a type for each kind of address of ``docs/architecture.md``."""

import datetime
from dataclasses import dataclass

from skrutinium_server.feed.choosing import Choice


@dataclass(frozen=True, slots=True)
class Place:
    """A series as an address names it; without ``run`` it is that of the event's current run."""

    event: str
    run: str | None
    series: str


@dataclass(frozen=True, slots=True)
class NewestDocument:
    """``newest/PATH``; ``after``: only when the newest release is later than that one (``newest/manifest.xml?after=N``)."""

    place: Place
    path: str
    after: int | None = None


@dataclass(frozen=True, slots=True)
class NumberedDocument:
    """``release/N/PATH``."""

    place: Place
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class DocumentAt:
    """``at/TIME/PATH``."""

    place: Place
    time: datetime.datetime
    path: str


@dataclass(frozen=True, slots=True)
class Changes:
    """``changes?since=N``, limited to ``choice`` (``&area=``, ``&contest=``, ``&kind=``, ``&only=``)."""

    place: Place
    since: int
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Pack:
    """``pack/N``."""

    place: Place
    number: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``checkpoint/N.xml``, or the newest without ``number``; ``signature``: the line beside it."""

    place: Place
    number: int | None
    signature: bool


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """``heartbeat.xml``."""

    place: Place


@dataclass(frozen=True, slots=True)
class Push:
    """``push``, of releases that touch ``choice`` (``?area=``, ``?contest=``, ``?kind=``)."""

    place: Place
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """``line``: the newest release in a line or a few, for tickers."""

    place: Place


@dataclass(frozen=True, slots=True)
class Archive:
    """``archive/N.zip``, ``N-csv.zip``, or the newest without ``number``."""

    place: Place
    number: int | None
    tables: bool


@dataclass(frozen=True, slots=True)
class RegistersFile:
    """``registers/N/PATH``, ``registers/at/TIME/PATH``; ``version`` None: the newest.

    ``registers/N.E/PATH``: ``edition`` E of version N, None: its newest.
    """

    event: str
    version: int | datetime.datetime | None
    path: str
    edition: int | None = None


@dataclass(frozen=True, slots=True)
class ReceiptsOf:
    """``/event/EVENT/receipt``, to which readers send receipts."""

    event: str


@dataclass(frozen=True, slots=True)
class NoticesFile:
    """``/notices.xml``."""


@dataclass(frozen=True, slots=True)
class StateFile:
    """``/state.xml``."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """``/keys/KEYID.pem`` or its signature."""

    key_id: str
    signature: bool


@dataclass(frozen=True, slots=True)
class ObjectByHash:
    """``/object/SHA256``."""

    sha256: str


@dataclass(frozen=True, slots=True)
class ContractFile:
    """``/xsd/…``, ``/codebooks/…``, ``/samples/…``."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """``/`` (named ``addresses``), ``/access``, ``/status``, ``/status.xml``, ``/status.atom`` or ``/health``."""

    name: str


@dataclass(frozen=True, slots=True)
class VolbyProcedure:
    """``/pls/kvYYYY/NAME?…`` or, without a year, ``/pls/kvmedia/…`` and ``/pls/senat/…``; the keys of ``query`` are in lower case."""

    election: str
    year: int | None
    name: str
    query: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class VolbyFile:
    """``/appdata/kvYYYY/YYYYMMDD/odata/PATH`` or ``/appdata/senat/YYYYMMDD/odata/PATH``; ``round``: only of that one."""

    election: str
    year: int | None
    date: str
    path: str
    round: int | None = None


Address = (
    NewestDocument
    | NumberedDocument
    | DocumentAt
    | Changes
    | Pack
    | Checkpoint
    | Heartbeat
    | Push
    | Line
    | Archive
    | RegistersFile
    | ReceiptsOf
    | NoticesFile
    | StateFile
    | KeyFile
    | ObjectByHash
    | ContractFile
    | Page
    | VolbyProcedure
    | VolbyFile
)
