"""Mails on an IMAP server (RFC 9051, RFC 3501): over TLS with its certificate checked, opened by EXAMINE, so that nothing is marked.

A mail is fetched once by its UID; the connection is kept, and made anew when it broke.
"""

import base64
import contextlib
import imaplib
import re
import selectors
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from skrutinium.errors import AccessRefused, NetworkError, NoSuchPlace
from skrutinium.sources.mail.access import Secret, log_in
from skrutinium.sources.mail.boxes import Found
from skrutinium.sources.mail.idling import Connection
from skrutinium.sources.mail.mime import LARGEST_MAIL

TLS_PORT = 993
PATIENCE = 30.0
"""Seconds for one answer."""
SILENCE = 30.0
"""Seconds for which a server that tells is believed to have nothing: a line that is cut says nothing either."""
_IDLE_AGAIN = 1500.0
"""Servers may end what idles for half an hour (RFC 2177)."""
_UID = re.compile(rb"\bUID ([0-9]{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE ([0-9]{1,12})\b")
_TOLD_AT = 2
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


@dataclass(frozen=True, slots=True)
class _Again:
    """A mail that could not be read so often; it is tried at that look."""

    tries: int
    look: int


class Imap:
    """A folder of an IMAP account; ``authority`` is a file with certificates to trust in place of the system's."""

    def __init__(
        self, account: Account, secret: Secret, authority: str | None = None, patience: float = PATIENCE
    ) -> None:
        self.where = str(account)
        self._account = account
        self._secret = secret
        self._authority = authority
        self._patience = patience
        self._connection: Connection | None = None
        self._waking: tuple[socket.socket, socket.socket] | None = None
        self._validity: bytes | None = None
        self._next = 1
        self._looks = 0
        self._reading = 0  # the mail that is asked for; 0: none
        self._again: dict[int, _Again] = {}
        self._careful = False

    def look(self) -> Iterator[Found]:
        """What came. Raises :class:`NetworkError`, :class:`AccessRefused`, :class:`NoSuchPlace`."""
        self._looks += 1
        self._reading = 0
        try:
            connection = self._opened()
            for uid, size in self._new(connection):
                yield self._read(connection, uid, size)
                self._next = uid + 1
            for uid in [uid for uid, one in self._again.items() if one.look <= self._looks]:
                yield self._read(connection, uid, None)
                del self._again[uid]
        except _BROKEN as error:
            self._disconnect()
            told = str(error) or type(error).__name__
            if not self._reading or not self._put_off(self._reading):
                raise NetworkError(f"the mail server cannot be read: {told}", address=self.where) from error
            yield Found(
                f"mail {self._reading}", None, f"cannot be read: {told}; tried again now and then", again=True
            )

    def _put_off(self, uid: int) -> bool:
        """Let a mail that the server could not give wait, the longer the more often; whether it is one to be told of.

        The first time the connection may be to blame. A server may end it because of one mail: the others must come all the same.
        """
        self._next = max(self._next, uid + 1)
        tries = self._again[uid].tries + 1 if uid in self._again else 1
        self._again[uid] = _Again(tries, self._looks + (1 << min(tries - 1, 6)))
        return tries == _TOLD_AT

    def _opened(self) -> Connection:
        """The connection, with what came in meanwhile known to it."""
        if self._connection is not None:
            try:
                if self._connection.noop()[0] == "OK":
                    return self._connection
            except _BROKEN:
                pass  # servers end what is idle; a new one tells what is wrong, if anything is
            self._disconnect()
        if self._waking is None:
            self._waking = socket.socketpair()
            for end in self._waking:
                end.setblocking(False)
        context = ssl.create_default_context(cafile=self._authority)
        account = self._account
        connection = Connection(account.host, account.port, context, self._patience)
        self._connection = connection
        try:
            log_in(connection, account.user, self._secret)
        except imaplib.IMAP4.abort:
            raise
        except AccessRefused:
            self._disconnect()
            raise
        except imaplib.IMAP4.error as error:
            self._disconnect()
            raise AccessRefused(
                "the mail server refuses name or password (or token)", address=self.where, words=_words(error)
            ) from error
        self._examine(connection)
        connection.capabilities = tuple(  # servers tell more after the login
            connection.capability()[1][-1].decode("ascii", "replace").upper().split()
        )
        return connection

    def _examine(self, connection: Connection) -> None:
        state, told = connection.select(_quoted(self._account.folder), readonly=True)
        if state != "OK":
            self._disconnect()
            raise NoSuchPlace("there is no such folder", address=self.where, words=str(told[0])[:200])
        validity = connection.response("UIDVALIDITY")[1][0]
        if validity != self._validity:  # the numbers of before mean nothing any more
            self._validity, self._next = validity, 1
            self._again.clear()

    def _new(self, connection: Connection) -> list[tuple[int, int | None]]:
        """UID and size (None: to be asked for) of the mails that were not read yet, in order."""
        ask, self._careful = "(UID)" if self._careful else "(RFC822.SIZE)", True
        state, rows = connection.uid("FETCH", f"{self._next}:*", ask)
        if state != "OK":  # a mail whose size the server cannot tell is enough for that
            raise imaplib.IMAP4.error(f"no list of mails: {rows!r}"[:200])
        self._careful = ask == "(UID)" and bool(self._again)
        lines = [row for row in rows if isinstance(row, bytes)]
        found = [(match, _SIZE.search(row)) for row in lines if (match := _UID.search(row))]
        sizes = {int(uid[1]): int(size[1]) if size else None for uid, size in found}
        return sorted((uid, size) for uid, size in sizes.items() if uid >= self._next)

    def _read(self, connection: Connection, uid: int, size: int | None) -> Found:
        self._reading = uid
        if size is None:
            size = _size(self._asked(connection, uid, "(RFC822.SIZE)"))
        name = f"mail {uid}"
        if size > LARGEST_MAIL:
            found = Found(name, None, f"has {size} bytes; at most {LARGEST_MAIL} are read")
        else:
            rows = self._asked(connection, uid, "(BODY.PEEK[])")
            data = next((row[1] for row in rows if isinstance(row, tuple)), None)
            found = Found(name, data) if isinstance(data, bytes) else Found(name, None, "is no longer there")
        self._reading = 0
        return found

    def _asked(self, connection: Connection, uid: int, what: str) -> list[object]:
        state, rows = connection.uid("FETCH", str(uid), what)
        if state != "OK":
            raise imaplib.IMAP4.error(f"mail {uid} is not given: {rows!r}"[:200])
        return list(rows)

    @property
    def tells(self) -> bool:
        """Whether the server is connected and offers to tell."""
        connection = self._connection
        return connection is not None and "IDLE" in connection.capabilities

    def wait(self, seconds: float) -> None:
        """Wait for the server to tell; one that refuses or breaks is a reason to look later, no error."""
        if self._connection is None or self._waking is None:
            return
        woken = self._waking[0]
        try:
            self._connection.idle_until_news(min(max(seconds, SILENCE), _IDLE_AGAIN), woken)
        except _BROKEN:
            self._disconnect()
            with selectors.DefaultSelector() as one:
                one.register(woken, selectors.EVENT_READ)
                one.select(seconds)
        with contextlib.suppress(BlockingIOError):
            woken.recv(4096)

    def wake(self) -> None:
        """Make a wait end."""
        if (waking := self._waking) is not None:
            with contextlib.suppress(OSError):  # it is full of them, or closed
                waking[1].send(b"w")

    def interrupt(self) -> None:
        """Break the connection, so that a call that waits for the server ends."""
        self.wake()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.socket().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, for good."""
        self._disconnect()
        for end in self._waking or ():
            end.close()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*_BROKEN):
                connection.shutdown()


def _size(rows: list[object]) -> int:
    """The size in an answer; 0 when the mail is no longer there."""
    sizes = [found for row in rows if isinstance(row, bytes) and (found := _SIZE.search(row))]
    return int(sizes[0][1]) if sizes else 0


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
