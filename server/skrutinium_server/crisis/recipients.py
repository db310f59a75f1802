"""Who gets results by e-mail, which of them, and through which relay: ``recipients.toml``.

It is all that the crisis mail is told, so that it can be copied to another machine with the release store. Source: docs/crisis-mail.md.
"""

import hashlib
import re
import tomllib
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from skrutinium_server.crisis.errors import RecipientsError

Language = Literal["en", "cs", "pl"]
Security = Literal["starttls", "tls", "none"]
Releases = Literal["all", "newest"]

BASIC: Final = ("event.xml", "summary.xml", "corrections/*.xml")
"""The agreed documents of whoever agreed on nothing else: votes and seats of the whole event, lines for tickers, and why a figure went down."""

LARGEST_FILE: Final = 4 * 1024 * 1024
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
# What RFC 5321 calls a mailbox, without quoted local parts and address literals, which no newsroom has.
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*"
)
_PATTERN: Final = re.compile(r"[A-Za-z0-9.*-]{1,100}(/[A-Za-z0-9.*-]{1,100})?\.xml")
_UNIT: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_ADDRESS_OF_FEED: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")

Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class Relay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where mail is handed in.

    ``security``: ``starttls`` (refused without), ``tls`` from the first byte, or ``none`` for a relay on this machine. ``authority``: a file of
    certificates (PEM) to trust in place of the system's. ``password_file``: first line of a file that only its owner reads; ``connections``: so many at once.
    ``timeout``: seconds for one answer.
    """

    host: str = ""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    security: Security = "starttls"
    authority: str = ""
    user: str = ""
    password_file: str = ""
    connections: Annotated[int, msgspec.Meta(ge=1, le=32)] = 10
    timeout: Annotated[int, msgspec.Meta(ge=1, le=600)] = 30


class Sender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who writes: the e-mail ``address`` and ``name`` in From, whom to call, and the ``operators`` who learn of starts, ends and failures.

    ``timezone``: in which times are told; empty: that of the law.
    """

    address: str = ""
    name: str = ""
    contacts: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    timezone: str = ""


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the feed is looked at from outside: its public ``address``, looked at ``every`` so many seconds.

    Armed, the crisis begins when it ``failed`` for so long; a heartbeat older than ``stale`` is a failure. It ends, if it began by itself, when the feed was ``back``
    for so long. ``authority`` as at the relay.
    """

    address: str = ""
    every: Seconds = 15
    failed: Seconds = 120
    stale: Seconds = 60
    back: Seconds = 300
    authority: str = ""


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipient.

    ``documents`` are paths of a release, with ``*`` for any characters but ``/``; ``areas`` and ``contests`` add the documents of these;
    ``events``: only these, every event when empty. ``interval``: seconds from one message to the next. ``limit``: largest message in bytes, more goes in parts;
    files above ``zip_above`` bytes together are sent as one zip. ``releases``: ``all``, so that no release is missing, or ``newest``: only what fits beside it.
    """

    id: str
    name: str
    address: str
    language: Language = "en"
    documents: tuple[str, ...] = BASIC
    areas: tuple[str, ...] = ()
    contests: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    interval: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 600
    limit: Annotated[int, msgspec.Meta(ge=200_000, le=20_000_000)] = 10_000_000
    zip_above: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 20_000
    releases: Releases = "all"

    @property
    def mark(self) -> str:
        """What stands for the recipient in the ids of messages, where no name belongs."""
        return hashlib.sha256(self.id.encode()).hexdigest()[:16]


class Recipients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``recipients.toml``."""

    relay: Relay = Relay()
    sender: Sender = Sender()
    watch: Watch = Watch()
    recipient: tuple[Recipient, ...] = ()

    @property
    def domain(self) -> str:
        """The right side of the ids of messages."""
        return self.sender.address.rpartition("@")[2]


def read_recipients(path: Path) -> Recipients:
    """Read and examine a list of recipients; file names in it are taken as beside it. Raises :class:`RecipientsError` with place and reason."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise RecipientsError(path, "", f"cannot be read ({error.strerror or error})") from error
    if len(data) > LARGEST_FILE:
        raise RecipientsError(path, "", f"has more than {LARGEST_FILE} bytes")
    try:
        told = msgspec.convert(tomllib.loads(data.decode("utf-8")), Recipients)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise RecipientsError(path, "", f"{error}. docs/crisis-mail.md shows what is expected") from error
    for where, what in _faults(told):
        raise RecipientsError(path, where, what)
    return _below(told, path.parent)


def _below(told: Recipients, folder: Path) -> Recipients:
    def found(name: str) -> str:
        return str(folder / name) if name else ""

    replace = msgspec.structs.replace
    return replace(
        told,
        relay=replace(
            told.relay, authority=found(told.relay.authority), password_file=found(told.relay.password_file)
        ),
        watch=replace(told.watch, authority=found(told.watch.authority)),
    )


def _faults(told: Recipients) -> Iterator[tuple[str, str]]:
    """Place and reason of each fault."""
    yield from _faults_of_relay(told.relay)
    if not _ADDRESS.fullmatch(told.sender.address):
        yield (
            "[sender] address",
            f"{told.sender.address!r} is no e-mail address; recipients see it as the sender",
        )
    for operator in told.sender.operators:
        if not _ADDRESS.fullmatch(operator):
            yield "[sender] operators", f"{operator!r} is no e-mail address"
    if told.sender.timezone and told.sender.timezone not in zoneinfo.available_timezones():
        yield "[sender] timezone", f"{told.sender.timezone!r} is no time zone, such as Europe/Prague"
    if _unprintable(told.sender.name):
        yield "[sender] name", "control characters cannot be sent"
    if told.watch.address and not _ADDRESS_OF_FEED.fullmatch(told.watch.address):
        yield (
            "[watch] address",
            f"{told.watch.address!r} is no address of a feed, such as https://results.example",
        )
    if not told.recipient:
        yield "[[recipient]]", "nobody is on the list"
    seen: set[str] = set()
    for number, one in enumerate(told.recipient, 1):
        where = f"recipient {number} ({one.id!r})"
        yield from ((where, what) for what in _faults_of(one))
        if one.id in seen:
            yield where, "the id is there twice"
        seen.add(one.id)


def _faults_of_relay(relay: Relay) -> Iterator[tuple[str, str]]:
    if not _HOST.fullmatch(relay.host):
        yield "[relay] host", f"{relay.host!r} is no name of a host; without a relay nothing can be sent"
    if bool(relay.user) != bool(relay.password_file):
        yield "[relay] user", "user and password_file belong together"
    if relay.user and relay.security == "none":
        yield "[relay] security", "a password is not sent without TLS: choose starttls or tls"


def _faults_of(one: Recipient) -> Iterator[str]:
    if not _ID.fullmatch(one.id):
        yield "the id has small letters, digits and '-', at most 64"
    if not _ADDRESS.fullmatch(one.address):
        yield f"{one.address!r} is no e-mail address"
    if not one.name.strip() or _unprintable(one.name):
        yield "the name is empty or has control characters"
    if not (one.documents or one.areas or one.contests):
        yield "no documents are agreed: name documents, areas or contests"
    for document in one.documents:
        if not _PATTERN.fullmatch(document) or ".." in document:
            yield f"{document!r} is no path of a document, such as event.xml or contest/*.xml"
    for unit in (*one.areas, *one.contests, *one.events):
        if not _UNIT.fullmatch(unit):
            yield f"{unit!r} is no id of an area, contest or event"


def _unprintable(text: str) -> bool:
    return any(not letter.isprintable() for letter in text)
