"""Mails on an IMAP server (RFC 9051, RFC 3501): over TLS with its certificate checked, opened by EXAMINE, so that nothing is marked.

A mail is fetched once by its UID; the connection is kept, and made anew when it broke.
"""

import base64
import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from skrutinium.errors import AccessRefused, NetworkError, NoSuchPlace
from skrutinium.sources.mail.boxes import Found
from skrutinium.sources.mail.mime import LARGEST_MAIL

TLS_PORT = 993
PATIENCE = 30.0
"""Seconds for one answer."""
_SIZE = re.compile(
    rb"UID ([0-9]{1,10})\b.*RFC822\.SIZE ([0-9]{1,12})|RFC822\.SIZE ([0-9]{1,12}).*UID ([0-9]{1,10})\b"
)
_BROKEN = (imaplib.IMAP4.error, OSError, EOFError, ValueError, TypeError, IndexError, AttributeError)
"""What the library raises for a connection or an answer that is not as it should be."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where to log in and which folder to read; the password is never part of an address."""

    user: str
    host: str
    port: int
    folder: str

    def __str__(self) -> str:
        port = "" if self.port == TLS_PORT else f":{self.port}"
        return f"imaps://{self.user}@{self.host}{port}/{self.folder}"


class _Connection(imaplib.IMAP4_SSL):
    """The library takes whatever length a server tells; this one does not."""

    def read(self, size: int) -> bytes:
        if size > LARGEST_MAIL:
            raise self.abort(f"the server sends {size} bytes at once")
        return super().read(size)


class Imap:
    """A folder of an IMAP account; ``authority`` is a file with certificates to trust in place of the system's."""

    def __init__(
        self, account: Account, password: str, authority: str | None = None, patience: float = PATIENCE
    ) -> None:
        self.where = str(account)
        self._account = account
        self._password = password
        self._authority = authority
        self._patience = patience
        self._connection: _Connection | None = None
        self._validity: bytes | None = None
        self._next = 1

    def look(self) -> Iterator[Found]:
        """What came. Raises :class:`NetworkError`, :class:`AccessRefused`, :class:`NoSuchPlace`."""
        try:
            connection = self._opened()
            for uid, size in self._new(connection):
                name = f"mail {uid}"
                if size > LARGEST_MAIL:
                    yield Found(name, None, f"has {size} bytes; at most {LARGEST_MAIL} are read")
                else:
                    yield self._fetched(connection, uid, name)
                self._next = uid + 1
        except _BROKEN as error:
            self.close()
            told = str(error) or type(error).__name__
            raise NetworkError(f"the mail server cannot be read: {told}", address=self.where) from error

    def _opened(self) -> _Connection:
        """The connection, with what came in meanwhile known to it."""
        if self._connection is not None:
            try:
                if self._connection.noop()[0] == "OK":
                    return self._connection
            except _BROKEN:
                pass  # servers end what is idle; a new one tells what is wrong, if anything is
            self.close()
        context = ssl.create_default_context(cafile=self._authority)
        account = self._account
        connection = _Connection(account.host, account.port, ssl_context=context, timeout=self._patience)
        self._connection = connection
        try:
            if "AUTH=PLAIN" in connection.capabilities:  # in UTF-8; LOGIN knows ASCII only
                given = f"\0{account.user}\0{self._password}".encode()
                connection.authenticate("PLAIN", lambda _: given)
            else:
                connection.login(account.user, self._password)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            self.close()
            raise AccessRefused(
                "the mail server refuses name or password", address=self.where, words=_words(error)
            ) from error
        self._examine(connection)
        return connection

    def _examine(self, connection: _Connection) -> None:
        state, told = connection.select(_quoted(self._account.folder), readonly=True)
        if state != "OK":
            self.close()
            raise NoSuchPlace("there is no such folder", address=self.where, words=str(told[0])[:200])
        validity = connection.response("UIDVALIDITY")[1][0]
        if validity != self._validity:  # the numbers of before mean nothing any more
            self._validity, self._next = validity, 1

    def _new(self, connection: _Connection) -> list[tuple[int, int]]:
        """UID and size of the mails that were not read yet, in order."""
        state, rows = connection.uid("FETCH", f"{self._next}:*", "(RFC822.SIZE)")
        if state != "OK":
            raise imaplib.IMAP4.error(f"no list of mails: {rows!r}"[:200])
        found = [match for row in rows if isinstance(row, bytes) and (match := _SIZE.search(row))]
        sizes = {int(one[1] or one[4]): int(one[2] or one[3]) for one in found}
        return sorted((uid, size) for uid, size in sizes.items() if uid >= self._next)

    def _fetched(self, connection: _Connection, uid: int, name: str) -> Found:
        state, rows = connection.uid("FETCH", str(uid), "(BODY.PEEK[])")
        data = next((row[1] for row in rows if isinstance(row, tuple)), None)
        if state != "OK" or not isinstance(data, bytes):
            return Found(name, None, "is no longer there")
        return Found(name, data)

    def interrupt(self) -> None:
        """Break the connection, so that a call that waits for the server ends."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.socket().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*_BROKEN):
                connection.shutdown()


def _quoted(folder: str) -> str:
    """The name of a folder as the server wants it: modified UTF-7 (RFC 3501, 5.1.3), quoted."""

    def shifted(found: re.Match[str]) -> str:
        packed = base64.b64encode(found[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return f"&{packed.decode('ascii')}-"

    told = re.sub(r"[^ -~]+", shifted, folder.replace("&", "&-"))
    return '"' + told.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(error: Exception) -> str:
    """What the server said."""
    first = error.args[0] if error.args else ""
    return (first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first))[:200]
