"""Who may read: address ranges from a TOML file, looked up by bisection.

The file holds ``[[range]]`` tables with ``network`` (CIDR or one address, IPv4 or IPv6) and ``name``. An IPv4-mapped
IPv6 address (RFC 4291, 2.5.5.2) is the IPv4 address in it. No range, nobody. Sources: M5, design § 4.8.
"""

import ipaddress
import tomllib
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from skrutinium_server.feed.errors import AccessError

LARGEST: Final = 4 * 1024 * 1024
"""No access list is larger, in bytes."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


class _Intervals:
    """Where along the numbers of one IP version the holder changes; networks nest or are apart, the innermost holds."""

    def __init__(self, networks: Iterable[tuple[_Network, str]]) -> None:
        self._starts: list[int] = []
        self._names: list[str | None] = []
        around: list[tuple[int, str]] = []
        spans = ((int(net.network_address), int(net.broadcast_address), name) for net, name in networks)
        for first, last, name in sorted(spans, key=lambda span: (span[0], -span[1])):
            while around and around[-1][0] < first:
                self._leave(around)
            self._step(first, name)
            around.append((last, name))
        while around:
            self._leave(around)

    def find(self, number: int) -> str | None:
        at = bisect_right(self._starts, number) - 1
        return self._names[at] if at >= 0 else None

    def _leave(self, around: list[tuple[int, str]]) -> None:
        last, _ = around.pop()
        self._step(last + 1, around[-1][1] if around else None)

    def _step(self, at: int, name: str | None) -> None:
        if self._starts and self._starts[-1] == at:
            self._names[-1] = name
        else:
            self._starts.append(at)
            self._names.append(name)


class AccessList:
    """The ranges that may read; never changed once made."""

    def __init__(self, ranges: Iterable[tuple[_Network, str]] = ()) -> None:
        known = list(ranges)
        self.size = len(known)
        self._v4 = _Intervals((net, name) for net, name in known if net.version == 4)
        self._v6 = _Intervals((net, name) for net, name in known if net.version == 6)

    def find(self, address: str) -> str | None:
        """The name of the range that holds the address, None when no range does or it is no address."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(found, ipaddress.IPv6Address):
            if found.ipv4_mapped is None:
                return self._v6.find(int(found))
            found = found.ipv4_mapped
        return self._v4.find(int(found))


def seen_as(address: str) -> str:
    """The address as the list knows it: without a zone, and IPv4 when it is IPv4-mapped."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def parse_access(path: Path, data: bytes) -> AccessList:
    """Read an access list from bytes; raises :class:`AccessError` (``path`` is only for its message)."""
    if len(data) > LARGEST:
        raise AccessError(path, f"has {len(data)} bytes; at most {LARGEST} are read")
    try:
        told = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise AccessError(path, f"is not UTF-8 (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise AccessError(path, f"is not TOML: {error}") from error
    strange = sorted(set(told) - {"range"})
    if strange:
        raise AccessError(path, f"holds {strange[0]!r}; expected only [[range]] tables")
    entries = told.get("range", [])
    if not isinstance(entries, list):
        raise AccessError(path, "'range' is one table; expected [[range]], with two brackets")
    return AccessList(_entry(path, number, entry) for number, entry in enumerate(entries, 1))


def load_access(path: Path) -> AccessList:
    """Read the list at ``path``; raises :class:`AccessError`, also when there is none."""
    try:
        return parse_access(path, path.read_bytes())
    except OSError as error:
        raise AccessError(path, f"cannot be read ({error.strerror or error})") from error


def _entry(path: Path, number: int, entry: Any) -> tuple[_Network, str]:
    where = f"[[range]] entry {number}"
    if not isinstance(entry, dict):
        raise AccessError(path, f'{where} is no table; expected network = "..." and name = "..."')
    strange = sorted(set(entry) - {"network", "name"})
    if strange:
        raise AccessError(path, f"{where} holds {strange[0]!r}; expected only network and name")
    network, name = entry.get("network"), entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise AccessError(path, f'{where} has no name; expected name = "...", who this range is')
    if not isinstance(network, str):
        raise AccessError(path, f"{where} ({name}) has no network; expected CIDR or one address in quotes")
    try:
        return _plain(ipaddress.ip_network(network)), name
    except ValueError as error:
        raise AccessError(
            path, f"{where} ({name}): {error}; expected CIDR such as 192.0.2.0/24, or one address"
        ) from error


def _plain(network: _Network) -> _Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        low = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((low, network.prefixlen - 96))
    return network
