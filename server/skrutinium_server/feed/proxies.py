"""Who asks when a proxy stands in front: the forwarded header of a named proxy, of nobody else.

The proxies write one header, ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239), which is a setting: a proxy that writes one of them passes on
the other as the client sent it. Read from its end, the first address that is no named proxy is the client's; what stands
before it may have been made up by the client and is not looked at.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from skrutinium_server.feed.access import AccessList, Grant, plain_address, plain_network
from skrutinium_server.feed.errors import ProxyError
from skrutinium_server.feed.refusals import BAD_FORWARDED, Refusal

Header = Literal["x-forwarded-for", "forwarded"]

_V4_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}")
_V6: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR: Final = re.compile(rf'({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*")')


class Proxies:
    """The named proxies and the header that they write; raises :class:`ProxyError` for a network that is none."""

    def __init__(self, networks: Iterable[str] = (), header: Header = "x-forwarded-for") -> None:
        self.header = header
        grants = []
        for text in networks:
            try:
                grants.append(Grant("proxy", "proxy", plain_network(text), "live"))
            except ValueError as error:
                raise ProxyError(
                    f"{error}: expected the network or address of a proxy, such as 10.0.0.1"
                ) from error
        self._named = AccessList(grants)

    def trusts(self, address: str) -> bool:
        """Whether this is the address of a named proxy."""
        return self._named.size > 0 and self._named.find(address) is not None

    def client(self, proxy: str, lines: Sequence[str]) -> str | Refusal:
        """Whose request a proxy passes on, from all lines of the header; the proxy's own when there is none."""
        if not lines:
            return proxy
        told = ",".join(lines)
        hops = _forwarded(told) if self.header == "forwarded" else told.split(",")
        if hops is None:
            return BAD_FORWARDED
        address = proxy
        for hop in reversed(hops):
            found = _node(hop.strip(" \t"))
            if found is None:
                return BAD_FORWARDED
            address = found
            if not self.trusts(address):
                break
        return address


def _node(text: str) -> str | None:
    """An address, with or without a port; None for what is none, such as ``unknown``."""
    found = _V6.fullmatch(text) or _V4_PORT.fullmatch(text)
    plain = plain_address(found[1] if found else text)
    return None if plain is None or "%" in text else str(plain)


def _forwarded(text: str) -> list[str] | None:
    """The nodes named by ``for`` in each element (RFC 7239, 4), None when it is malformed."""
    hops: list[str] = []
    at, node = 0, None
    while True:
        while text[at : at + 1] in (" ", "\t"):
            at += 1
        pair = _PAIR.match(text, at)
        if pair is None:
            return None
        if pair[1].lower() == "for":
            if node is not None:
                return None
            node = re.sub(r"\\(.)", r"\1", pair[2][1:-1]) if pair[2].startswith('"') else pair[2]
        at = pair.end()
        while text[at : at + 1] in (" ", "\t"):
            at += 1
        end = text[at : at + 1]
        if end not in ("", ",", ";"):
            return None
        if end != ";":
            if node is None:
                return None
            hops.append(node)
            node = None
        if not end:
            return hops
        at += 1
