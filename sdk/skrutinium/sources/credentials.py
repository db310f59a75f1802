"""User and password in an address: split off before anything else sees them, and sent where nobody can read along.

What is shown, logged or kept is :func:`plain_address`. Source: RFC 3986, 3.2.1; RFC 7617.
"""

import base64
import ipaddress
import re
from urllib.parse import unquote, urlsplit

from skrutinium.errors import AccessRefused

_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,2})(?:([^/?#]*)@)?([^/?#@]*)")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?")
_HOSTS = re.compile(r"(?:https?|socks[0-9a-z]*)://", re.IGNORECASE)
_FOLDERS = ("maildir:", "mbox:", "eml:")
"""What follows is a path, in which a colon or an @ is a letter like any other."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def plain_address(place: str, *, host: bool = False) -> str:
    """An address without its password (by HTTP without the user too); anything else as it is.

    Where a password that is not percent-encoded makes the rest unreadable, only the scheme is left. ``host``: it cannot be a folder, so that
    without a scheme it begins with user and password too (a proxy, as the environment names it).
    """
    if host and not _HOSTS.match(place):
        return place.rpartition("@")[2]
    found = _AUTHORITY.match(place)
    if found is None or place.lower().startswith(_FOLDERS):
        return place
    scheme, told, name = found.groups()
    if not _HOST.fullmatch(name):
        return f"{scheme}…" if "@" in place else place
    if told is None:
        return place
    user = "" if scheme.lower().startswith("http") else told.partition(":")[0] + "@"
    return f"{scheme}{user}{place[found.start(3) :]}"


def split_credentials(address: str) -> tuple[str, str | None]:
    """The address without user and password, and the header ``Authorization`` (Basic) that they make, None without any.

    Raises :class:`AccessRefused` when they would go over the network in the clear, or cannot be sent at all.
    """
    plain = plain_address(address)
    if plain == address:
        return address, None
    found = _AUTHORITY.match(address)
    if found is None or found[2] is None:
        raise AccessRefused(
            "no address: percent-encode what is special in user and password (/ as %2F, # as %23)",
            address=plain,
        )
    user, _, password = (unquote(part) for part in found[2].partition(":"))
    if ":" in user or _CONTROL.search(user + password):
        raise AccessRefused("user or password hold letters that cannot be sent (RFC 7617)", address=plain)
    if not plain.lower().startswith("https:") and not _loopback(plain):
        raise AccessRefused(
            "a password is sent over https:// only: over http:// anybody on the way could read it",
            address=plain,
        )
    return plain, "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _loopback(address: str) -> bool:
    """Whether it is this machine: what is sent never leaves it."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
