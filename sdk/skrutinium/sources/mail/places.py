"""Telling by its name which mails a place means: ``maildir:PATH``, ``mbox:PATH``, ``eml:PATH``, ``imaps://USER@HOST[:PORT]/FOLDER``."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from skrutinium.errors import NoSuchPlace
from skrutinium.sources.credentials import plain_address
from skrutinium.sources.mail.access import PASSWORD, PASSWORD_FILE, secret_of
from skrutinium.sources.mail.boxes import Box, Letters, Maildir, Mbox
from skrutinium.sources.mail.imap import TLS_PORT, Account, Imap

_KINDS: dict[str, Callable[[Path], Box]] = {"maildir:": Maildir, "mbox:": Mbox, "eml:": Letters}

_BEYOND = re.compile(r"[A-Za-z0-9+.-]+://[^/?#]*(.*)", re.DOTALL)
"""What comes after host and port; an ``@`` there may end a password that was not percent-encoded."""


def is_mail(place: object) -> bool:
    """Whether a place names mails."""
    return isinstance(place, str) and place.lower().startswith((*_KINDS, "imaps:", "imap:"))


def box_of(
    place: str,
    *,
    password_file: str | Path | None = None,
    token_file: str | Path | None = None,
    authority: str | Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Box:
    """The box that a place names; the password or token of an account is the first line of a file, or told by the environment.

    It reads files. Raises :class:`NoSuchPlace` for what is no place of mails, :class:`AccessRefused` when there is no password.
    """
    for kind, box in _KINDS.items():
        if place.lower().startswith(kind):
            return box(Path(place[len(kind) :]))
    account = account_of(place)
    secret = secret_of(str(account), password_file, token_file, environment)
    return Imap(account, secret, str(authority) if authority else None)


def account_of(place: str) -> Account:
    """The account and folder of an address; raises :class:`NoSuchPlace`."""
    try:
        told = urlsplit(place)
        port = told.port
    except ValueError:  # whose words quote what may be a part of a password
        raise NoSuchPlace(
            "is no address: expected imaps://USER@HOST[:PORT]/FOLDER, the port a number up to 65535",
            address=shown(place),
        ) from None
    if told.scheme != "imaps":
        raise NoSuchPlace(
            "no place of mails; expected maildir:PATH, mbox:PATH, eml:PATH or imaps://USER@HOST/FOLDER",
            address=shown(place),
        )
    if told.password is not None:
        raise NoSuchPlace(
            f"an address holds no password: put it into a file ({PASSWORD_FILE} names it) or into {PASSWORD}",
            address=f"imaps://{told.hostname}",
        )
    if not told.username or not told.hostname:
        raise NoSuchPlace("expected imaps://USER@HOST[:PORT]/FOLDER", address=shown(place))
    folder = unquote(told.path.strip("/")) or "INBOX"
    if any(ord(one) < 32 or ord(one) == 127 for one in folder + unquote(told.username)):
        raise NoSuchPlace("a name with control characters", address=f"imaps://{told.hostname}")
    return Account(unquote(told.username), told.hostname, port or TLS_PORT, folder)


def shown(place: str) -> str:
    """A place as people are told it: an address without its password, and no more than its scheme where that cannot be told apart."""
    if "@" not in place or (not place.lower().startswith(("imap:", "imaps:")) and "://" not in place):
        return place
    plain = plain_address(place)
    beyond = _BEYOND.match(plain)
    return f"{place.partition(':')[0]}:…" if beyond is None or "@" in beyond[1] else plain


def guessed(path: str) -> str:
    """A plain path as a place: by what lies there. It reads files; raises :class:`NoSuchPlace`."""
    if is_mail(path):
        return path
    there = Path(path)
    try:
        if (there / "new").is_dir() or (there / "cur").is_dir():
            return f"maildir:{path}"
        if there.is_dir():
            return f"eml:{path}"
        with there.open("rb") as file:
            return f"mbox:{path}" if file.read(5) == b"From " else f"eml:{path}"
    except OSError as error:
        raise NoSuchPlace(f"no mails there: {error.strerror or error}", address=shown(path)) from error
