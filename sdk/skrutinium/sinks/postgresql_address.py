"""The address of a database, taken apart so that its password stands in no message: not here, not in what a driver says of it."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_FORM = "expected postgresql://USER@HOST/DATABASE, with @, /, ?, # and % in names and passwords as %40, %2F, %3F, %23, %25"
_SCHEMES = ("postgresql", "postgres")
_HOST = re.compile(r"(?:[A-Za-z0-9._\-%]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """``plain`` is the address without its password, ``shown`` no more of it than host and database."""

    plain: str
    shown: str
    password: str | None = field(repr=False)


def postgres_address(text: str) -> PostgresAddress:
    """Take an address apart; raises ValueError, which repeats nothing of it, where it could be read in two ways."""
    try:
        parts = urlsplit(text)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(f"this is no address of a database: {_FORM}") from None
    who, _, hosts = parts.netloc.rpartition("@")
    database = parts.path.removeprefix("/")
    # What is not written as %40 and so on would be taken for a part of host or database, and be repeated as such.
    if (
        parts.scheme not in _SCHEMES
        or not text.startswith(f"{parts.scheme}://")
        or "#" in text
        or "@" in who + parts.path + parts.query
        or "/" in database
        or not all(map(_HOST.fullmatch, hosts.split(",")))
    ):
        raise ValueError(f"this is no address of a database: {_FORM}")
    user, _, own = who.partition(":")
    told = [value for name, value in query if name == "password"]
    rest = urlencode([(name, value) for name, value in query if name != "password"])
    netloc = f"{user}@{hosts}" if user else hosts
    plain = urlunsplit((parts.scheme, netloc, parts.path, rest, ""))
    if not netloc:  # the host stands in the query: urlunsplit leaves out the slashes
        plain = f"{parts.scheme}://{parts.path}" + (f"?{rest}" if rest else "")
    where = dict(query)
    shown = f"postgresql://{hosts or where.get('host', '')}/{unquote(database) or where.get('dbname', '')}"
    return PostgresAddress(plain, shown, unquote(own) or (told[-1] if told else None))
