"""A connection to an IMAP server over TLS that waits for what the server tells (IDLE, RFC 2177), and bounds what a server sends.

The library's own buffer hides whether something came; this one reads for itself.
"""

import imaplib
import re
import selectors
import socket
import ssl
import time

from skrutinium.sources.mail.mime import LARGEST_MAIL

_LONGEST_LINE = 1_000_000
_CHUNK = 64 * 1024
_TAG = b"IDLE1"
_NEWS = re.compile(rb"\* [0-9]{1,10} (EXISTS|RECENT)\b", re.IGNORECASE)


class Connection(imaplib.IMAP4_SSL):
    """Raises what the library raises: ``IMAP4.error`` and OSError."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, patience: float) -> None:
        self._received = bytearray()
        super().__init__(host, port, ssl_context=context, timeout=patience)

    def read(self, size: int) -> bytes:
        """So many bytes; the library takes whatever length a server tells, this does not."""
        if size > LARGEST_MAIL:
            raise self.abort(f"the server sends {size} bytes at once")
        while len(self._received) < size:
            if not self._receive():
                raise self.abort("the connection ends within an answer")
        return self._taken(size)

    def readline(self) -> bytes:
        """One line; empty at the end of the connection."""
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > _LONGEST_LINE:
                raise self.abort(f"the server sends a line of more than {_LONGEST_LINE} bytes")
            if not self._receive():
                return b""
        return self._taken(end + 1)

    def _receive(self) -> bool:
        got: bytes = self.socket().recv(_CHUNK)
        self._received += got
        return bool(got)

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def idle_until_news(self, seconds: float, woken: socket.socket) -> None:
        """Wait until the server tells that mails came, ``woken`` can be read, or so many seconds are over."""
        self.send(_TAG + b" IDLE\r\n")
        news = False
        while not (line := self._told()).startswith(b"+"):
            if line.startswith(_TAG):
                raise self.error("the server does not let wait")
            news = news or _NEWS.match(line) is not None
        end = time.monotonic() + seconds
        while not news and self._comes(end - time.monotonic(), woken):
            news = _NEWS.match(self._told()) is not None
        self.send(b"DONE\r\n")
        while not self._told().startswith(_TAG):
            pass  # what else it tells is asked for by whoever looks

    def _told(self) -> bytes:
        line = self.readline()
        if not line or line[:5].upper() == b"* BYE":
            raise self.abort("the server ended the connection")
        return line

    def _comes(self, seconds: float, woken: socket.socket) -> bool:
        """Whether the server says something within that time, and nobody wakes this before."""
        tls = self.socket()
        if b"\n" in self._received or (isinstance(tls, ssl.SSLSocket) and tls.pending()):
            return True
        with selectors.DefaultSelector() as both:
            both.register(tls, selectors.EVENT_READ)
            both.register(woken, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in both.select(max(0.0, seconds))]
        return tls in ready and woken not in ready
