"""Who may read: subscribers with their ranges from a TOML file, looked up by bisection.

The file holds ``number`` (it counts the versions) and ``[[subscriber]]`` tables: ``id``, ``name``, ``events`` (absent: all), ``live``
and ``test`` (networks: CIDR or one address, IPv4 or IPv6), ``until`` (a time with its offset; absent: no end). An IPv4-mapped
IPv6 address (RFC 4291, 2.5.5.2) is the IPv4 address in it. No range, nobody. Sources: M5, design § 4.8.
"""

import datetime
import ipaddress
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from skrutinium_server.feed.errors import AccessError

LARGEST: Final = 4 * 1024 * 1024
"""No access list is larger, in bytes."""

SUBSCRIBERS: Final = 10_000
"""No access list names more of them."""

NETWORKS: Final = 1_000
"""No subscriber has more live networks, nor more test networks."""

EVENTS: Final = 1_000
"""No subscriber names more events."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["live", "test"]

_KINDS: Final[tuple[Kind, Kind]] = ("live", "test")
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_FIELDS: Final = ("id", "name", "events", "live", "test", "until")
_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Grant:
    """One network of a subscriber and what it is for; ``events``: None for every one, ``until``: aware, None for no end."""

    subscriber: str
    name: str
    network: Network
    kind: Kind
    events: frozenset[str] | None = None
    until: datetime.datetime | None = None


class _Intervals:
    """Where along the numbers of one IP version the holder changes; networks nest or are apart, the innermost holds."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._starts: list[int] = []
        self._grants: list[Grant | None] = []
        around: list[tuple[int, Grant]] = []
        spans = (
            (int(grant.network.network_address), int(grant.network.broadcast_address), grant)
            for grant in grants
        )
        for first, last, grant in sorted(spans, key=lambda span: (span[0], -span[1])):
            while around and around[-1][0] < first:
                self._leave(around)
            self._step(first, grant)
            around.append((last, grant))
        while around:
            self._leave(around)

    def find(self, number: int) -> Grant | None:
        at = bisect_right(self._starts, number) - 1
        return self._grants[at] if at >= 0 else None

    def _leave(self, around: list[tuple[int, Grant]]) -> None:
        last, _ = around.pop()
        self._step(last + 1, around[-1][1] if around else None)

    def _step(self, at: int, grant: Grant | None) -> None:
        if self._starts and self._starts[-1] == at:
            self._grants[-1] = grant
        else:
            self._starts.append(at)
            self._grants.append(grant)


class AccessList:
    """The ranges that may read; never changed once made. ``number``: its version, ``size``: how many ranges."""

    def __init__(self, grants: Iterable[Grant] = (), number: int = 0) -> None:
        known = list(grants)
        self.number = number
        self.size = len(known)
        self._v4 = _Intervals(grant for grant in known if grant.network.version == 4)
        self._v6 = _Intervals(grant for grant in known if grant.network.version == 6)

    def find(self, address: str) -> Grant | None:
        """The innermost range that holds the address, None when no range does or it is no address."""
        found = plain_address(address)
        if found is None:
            return None
        return (self._v4 if found.version == 4 else self._v6).find(int(found))


def plain_address(address: str) -> Address | None:
    """The address as the list knows it: without a zone, and IPv4 when it is IPv4-mapped; None when it is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def seen_as(address: str) -> str:
    """The text of an address as the list knows it; what is none stays as it is."""
    found = plain_address(address)
    return address if found is None else str(found)


def plain_network(text: str) -> Network:
    """The network that CIDR or one address names, IPv4 when it is IPv4-mapped; raises ValueError."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        low = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((low, network.prefixlen - 96))
    return network


def load_access(path: Path) -> AccessList:
    """Read the list at ``path``; raises :class:`AccessError`, also when there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise AccessError(path, f"cannot be read ({error.strerror or error})") from error
    return parse_access(path, data)


def parse_access(path: Path, data: bytes) -> AccessList:
    """Read an access list from bytes; raises :class:`AccessError` (``path`` is only for its message)."""
    if len(data) > LARGEST:
        raise AccessError(path, f"is too large; at most {LARGEST} bytes are read")
    try:
        told = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise AccessError(path, f"is not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise AccessError(path, f"is not TOML: {error}") from error
    strange = sorted(set(told) - {"number", "subscriber"})
    if strange:
        raise AccessError(path, f"holds {strange[0]!r}; expected only number and [[subscriber]] tables")
    number = told.get("number", 0)
    if type(number) is not int or number < 0:
        raise AccessError(path, "number is no whole number from 0; it counts the versions of the list")
    entries = told.get("subscriber", [])
    if not isinstance(entries, list):
        raise AccessError(path, "'subscriber' is one table; expected [[subscriber]], with two brackets")
    if len(entries) > SUBSCRIBERS:
        raise AccessError(path, f"names {len(entries)} subscribers; at most {SUBSCRIBERS} are read")
    return AccessList(_grants(path, entries), number)


def _grants(path: Path, entries: list[Any]) -> Iterator[Grant]:
    """The ranges of all subscribers; no id and no network may stand twice, for nothing would decide between them."""
    ids: set[str] = set()
    holders: dict[Network, Grant] = {}
    for position, entry in enumerate(entries, 1):
        reading = _Subscriber(path, position, entry)
        if reading.id in ids:
            raise reading.wrong("id", "stands in the list already; expected one table for each subscriber")
        ids.add(reading.id)
        for grant in reading.grants():
            other = holders.setdefault(grant.network, grant)
            if other is not grant:
                raise reading.wrong(
                    grant.kind,
                    f"{grant.network} stands in the list already ({other.kind} of {other.subscriber})",
                )
            yield grant


class _Subscriber:
    """Reads one ``[[subscriber]]`` table; what is wrong names the subscriber and the field."""

    def __init__(self, path: Path, position: int, entry: Any) -> None:
        self._path = path
        self._where = f"[[subscriber]] {position}"
        if not isinstance(entry, dict):
            raise AccessError(path, f"{self._where} is no table; expected id, name, and live or test")
        self._entry = entry
        id = entry.get("id")
        if not isinstance(id, str) or not _IDENTIFIER.fullmatch(id):
            raise self.wrong("id", "expected 1 to 64 letters, digits, '.' and '-' in quotes")
        self.id = id
        self._where += f" ({id})"
        strange = sorted(set(entry) - set(_FIELDS))
        if strange:
            raise self.wrong(repr(strange[0]), f"is no field; expected {', '.join(_FIELDS)}")

    def wrong(self, field: str, what: str) -> AccessError:
        """The error for one field."""
        return AccessError(self._path, f"{self._where}, {field}: {what}")

    def grants(self) -> Iterator[Grant]:
        """The live ranges, then the test ranges."""
        name, events, until = self._name(), self._events(), self._until()
        if "live" not in self._entry and "test" not in self._entry:
            raise self.wrong("live", "neither live nor test is given; expected at least one list of networks")
        for kind in _KINDS:
            for network in self._networks(kind):
                yield Grant(self.id, name, network, kind, events, until)

    def _name(self) -> str:
        name = self._entry.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > _NAME or not name.isprintable():
            raise self.wrong("name", f"expected who this is, in quotes: at most {_NAME} printable characters")
        return name

    def _events(self) -> frozenset[str] | None:
        if "events" not in self._entry:
            return None
        events = self._entry["events"]
        if not isinstance(events, list) or not events or len(events) > EVENTS:
            raise self.wrong("events", 'expected a list such as ["kv2018"]; leave it out for every event')
        for event in events:
            if not isinstance(event, str) or not _IDENTIFIER.fullmatch(event):
                raise self.wrong("events", f"{event!r} is no id of an event")
        return frozenset(events)

    def _until(self) -> datetime.datetime | None:
        if "until" not in self._entry:
            return None
        until = self._entry["until"]
        if not isinstance(until, datetime.datetime) or until.tzinfo is None:
            raise self.wrong(
                "until", "expected a time with its offset and no quotes, such as 2030-12-31T00:00:00Z"
            )
        try:
            return until.astimezone(datetime.UTC)
        except OverflowError as error:
            raise self.wrong("until", "this time does not exist in UTC") from error

    def _networks(self, kind: Kind) -> list[Network]:
        told = self._entry.get(kind, [])
        if not isinstance(told, list) or len(told) > NETWORKS:
            raise self.wrong(kind, f'expected a list such as ["192.0.2.0/28"] of at most {NETWORKS} networks')
        networks = []
        for text in told:
            if not isinstance(text, str):
                raise self.wrong(kind, f"{text!r} is no text; expected CIDR or one address in quotes")
            try:
                networks.append(plain_network(text))
            except ValueError as error:
                raise self.wrong(
                    kind, f"{error}; expected CIDR such as 192.0.2.0/24, or one address"
                ) from error
        return networks
