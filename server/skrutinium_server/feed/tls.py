"""TLS straight from the server: certificate and key from PEM files, read again when they change.

Connections go on with the certificate they began with; each new handshake takes the newest good one. A pair that cannot be used
keeps the last good one and raises an alarm. TLS 1.2 and later, forward secrecy only. Source: issue "Who may read".
"""

import asyncio
import ssl
from pathlib import Path

from skrutinium_server.feed.errors import CertificateError

_Stamp = tuple[int, int, int]


def over_tls(transport: asyncio.BaseTransport) -> bool:
    """Whether a connection is over TLS: there the end of what comes in ends it both ways, and asyncio warns of any other wish."""
    return transport.get_extra_info("sslcontext") is not None


class Certificate:
    """The pair of files; :attr:`context` is the one to listen with. Raises :class:`CertificateError` when they cannot be used.

    :meth:`look` may be called from any thread.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._seen: tuple[_Stamp, _Stamp] | None = None
        self._failed = ""
        self.loaded = 0
        self.context = self._newest = self._load()
        self.context.sni_callback = self._choose

    def look(self) -> None:
        """Read the pair again if it changed; raises :class:`CertificateError` for as long as it cannot be used."""
        try:
            seen = _stamps(self._certificate, self._key)
        except OSError as error:
            raise CertificateError(self._certificate, self._key, error) from error
        if seen == self._seen:
            if self._failed:
                raise CertificateError(self._certificate, self._key, self._failed)
            return
        self._newest = self._load()

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        try:
            self._seen = _stamps(self._certificate, self._key)
            # An encrypted key must fail, not ask a terminal that nobody watches.
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ValueError) as error:
            self._failed = str(error) or type(error).__name__
            raise CertificateError(self._certificate, self._key, error) from error
        self._failed = ""
        self.loaded += 1
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        connection.context = self._newest


def _stamps(*paths: Path) -> tuple[_Stamp, _Stamp]:
    first, second = ((told.st_mtime_ns, told.st_ino, told.st_size) for told in map(Path.stat, paths))
    return first, second


def _no_password() -> str:
    raise ValueError("the key is encrypted; expected one without a passphrase, readable by the server only")
