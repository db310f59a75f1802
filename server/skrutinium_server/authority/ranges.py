"""Address ranges as people write them: read, put into one form, refused with the reason. Pure.

A range is CIDR or one address, IPv4 or IPv6. An IPv4-mapped IPv6 range (RFC 4291, 2.5.5.2) is the IPv4 range in it.
Source: M5.
"""

import ipaddress
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from skrutinium_server.authority.settings import SubscriberSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")

SPECIAL: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ipaddress.ip_network(text), why)
    for text, why in (
        ("0.0.0.0/8", "means no address at all (RFC 1122)"),
        ("10.0.0.0/8", "is private (RFC 1918): on the internet its holder is seen under another address"),
        ("100.64.0.0/10", "is shared by the customers of a provider (RFC 6598)"),
        ("127.0.0.0/8", "is the machine itself (loopback)"),
        ("169.254.0.0/16", "holds on one wire only (link-local)"),
        ("172.16.0.0/12", "is private (RFC 1918): on the internet its holder is seen under another address"),
        ("192.0.0.0/24", "is set aside for protocols (RFC 6890)"),
        ("192.0.2.0/24", "is for examples in documents (RFC 5737)"),
        ("192.168.0.0/16", "is private (RFC 1918): on the internet its holder is seen under another address"),
        ("198.18.0.0/15", "is for measurements (RFC 2544)"),
        ("198.51.100.0/24", "is for examples in documents (RFC 5737)"),
        ("203.0.113.0/24", "is for examples in documents (RFC 5737)"),
        ("224.0.0.0/4", "is multicast: nobody asks from it"),
        ("240.0.0.0/4", "is reserved (RFC 1112)"),
        ("::/128", "means no address at all (unspecified)"),
        ("::1/128", "is the machine itself (loopback)"),
        ("64:ff9b::/96", "stands for IPv4 addresses (RFC 6052); name those"),
        ("64:ff9b:1::/48", "stands for IPv4 addresses (RFC 8215); name those"),
        ("100::/64", "is for what is to be thrown away (RFC 6666)"),
        ("2001:db8::/32", "is for examples in documents (RFC 3849)"),
        ("3fff::/20", "is for examples in documents (RFC 9637)"),
        ("fc00::/7", "is private (RFC 4193)"),
        ("fe80::/10", "holds on one wire only (link-local)"),
        ("fec0::/10", "is site-local, which is no longer used (RFC 3879)"),
        ("ff00::/8", "is multicast: nobody asks from it"),
    )
)
"""Networks that a reader on the internet cannot come from, and why."""


class RangeRefused(ValueError):
    """A range that cannot be taken; the message names it and says why, and what was probably meant."""


def read_range(text: str, settings: SubscriberSettings) -> Network:
    """The range that ``text`` names; raises :class:`RangeRefused`."""
    network = _plain(_parsed(text.strip()))
    widest = settings.widest_v4 if network.version == 4 else settings.widest_v6
    if network.prefixlen < widest:
        raise RangeRefused(
            f"{network} is too wide: /{network.prefixlen}, at most /{widest} is taken "
            f"([subscribers] widest_v{network.version}). Name the part of it that really reads"
        )
    if not settings.special_addresses:
        for special, why in SPECIAL:
            if special.version == network.version and special.overlaps(network):
                raise RangeRefused(
                    f"{shown(network)} {why}. Name the address that the server sees (/access tells it); "
                    "for a test inside a house set [subscribers] special_addresses = true"
                )
    return network


def overlap(first: Network, second: Network) -> bool:
    """Whether two ranges share an address."""
    return first.version == second.version and first.overlaps(second)


def shown(network: Network) -> str:
    """A range for people: one address without the length of its prefix."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def networks(texts: tuple[str, ...]) -> Iterator[Network]:
    """The networks of a registration, which were read already."""
    return map(_network, texts)


@lru_cache(maxsize=16_384)
def _network(text: str) -> Network:
    return ipaddress.ip_network(text)


def _parsed(text: str) -> Network:
    if not text or len(text) > 64:
        raise RangeRefused(
            f"{text[:64]!r} is no range; expected CIDR such as 198.51.100.0/28, or one address"
        )
    if "%" in text:
        raise RangeRefused(f"{text!r} names a zone (%...), which holds on one machine only; leave it out")
    if "-" in text:
        raise RangeRefused(_from_to(text))
    address, slash, length = text.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise RangeRefused(_mask(text))
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise RangeRefused(_malformed(text, address, length, error)) from error


def _from_to(text: str) -> str:
    first, _, last = text.partition("-")
    try:
        found = list(
            ipaddress.summarize_address_range(
                ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
            )
        )
    except (ValueError, TypeError):
        return f"{text!r} is no range; expected CIDR such as 198.51.100.0/28, or one address"
    meant = ", ".join(map(str, found[:4])) + (", ..." if len(found) > 4 else "")
    return f"{text!r}: a range is written as CIDR. Probably meant: {meant}"


def _mask(text: str) -> str:
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is no range: what follows the stroke is the number of fixed bits, such as /28"
    return f"{text!r}: what follows the stroke is the number of fixed bits. Probably meant: {meant}"


def _malformed(text: str, address: str, length: str, error: ValueError) -> str:
    try:
        host = ipaddress.ip_address(address)
        around = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is no range ({error}); expected CIDR such as 198.51.100.0/28 or 2001:db8:1::/48, or one address"
    return (
        f"{text} has bits set behind the first {length}. Probably meant: "
        f"{around} (the whole range) or {host} (this one address)"
    )


def _plain(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(MAPPED):
        low = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((low, network.prefixlen - 96))
    return network
