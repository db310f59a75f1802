"""TLS straight from the feed, with real certificates; they change while it runs."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from skrutinium_server.feed.errors import CertificateError
from skrutinium_server.feed.settings import FeedSettings, write_settings
from skrutinium_server.feed.tls import Certificate
from tests.feed.made import MadeStore, document
from tests.feed.test_process import DOCUMENT, Process, nothing_left_running, start

__all__ = ["nothing_left_running"]


class Pair:
    """A certificate and its key as files that are written again."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"

    def write(self, number: int, *, passphrase: bytes | None = None) -> None:
        """A new pair whose certificate has this serial number; the key comes last, as with most programs."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(number)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        encryption = (
            serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        )
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A pair with the number 1."""
    made = Pair(tmp_path)
    made.write(1)
    return made


def connect(process: Process, version: ssl.TLSVersion | None = None) -> ssl.SSLSocket:
    """A new TLS connection; the certificate is looked at, not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context.wrap_socket(socket.create_connection(("127.0.0.1", process.port), timeout=60))


def number(connection: ssl.SSLSocket) -> int:
    """The serial number of the certificate of the other side."""
    data = connection.getpeercert(binary_form=True)
    assert data is not None
    return x509.load_der_x509_certificate(data).serial_number


def ask(connection: ssl.SSLSocket, target: str = DOCUMENT) -> bytes:
    """One request on a connection that stays open."""
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


def served(store: MadeStore, pair: Pair, loop: str = "uvloop") -> Process:
    """A feed that speaks TLS."""
    settings = FeedSettings(
        certificate=str(pair.certificate), key=str(pair.key), requests_per_second=0, connections=0
    )
    return start(store, "--loop", loop, "--settings", write_settings(settings))


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_certificate_changes_while_connections_go_on(night_store: MadeStore, pair: Pair, loop: str) -> None:
    """A new pair is taken by new handshakes; connections go on; a broken pair keeps the last one and raises an alarm until it is mended."""
    process = served(night_store, pair, loop)
    first = connect(process)
    assert (number(first), ask(first)) == (1, document("event night", 3))
    pair.write(2)
    while number(again := connect(process)) == 1:
        again.close()
    assert (number(again), ask(again), ask(first)) == (
        2,
        document("event night", 3),
        document("event night", 3),
    )
    pair.key.write_text("no key")
    while b'"certificate"' not in ask(first, "/status"):
        pass
    broken = connect(process)
    assert number(broken) == 2
    pair.write(3)
    while b'"certificate"' in ask(first, "/status"):
        pass
    mended = connect(process)
    assert number(mended) == 3
    assert ask(broken) == document("event night", 3)
    for connection in (first, again, broken, mended):
        connection.close()
    assert process.end() == 0
    assert "Traceback" not in process.errors.read_text()


@pytest.mark.parametrize(
    ("version", "spoken"),
    [(ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_1_2_and_later(night_store: MadeStore, pair: Pair, version: ssl.TLSVersion, spoken: bool) -> None:
    """TLS 1.2 and 1.3 are spoken, nothing older, and plain HTTP gets no answer."""
    process = served(night_store, pair)
    if spoken:
        with connect(process, version) as connection:
            assert ask(connection) == document("event night", 3)
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(process, version)
    assert b"HTTP" not in process.get(DOCUMENT)


def test_access_withdrawn_cuts_off_tls_too(night_store: MadeStore, pair: Pair) -> None:
    """A connection with TLS ends when its range is struck off the list."""
    process = served(night_store, pair)
    with connect(process) as connection:
        assert ask(connection) == document("event night", 3)
        night_store.access.write_text("")
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            assert connection.recv(1) == b""


def test_pair_that_cannot_be_used_stops_the_start(night_store: MadeStore, pair: Pair, tmp_path: Path) -> None:
    """A missing file, a key of another certificate and an encrypted key are each told."""
    with pytest.raises(CertificateError, match="No such file"):
        Certificate(tmp_path / "none.pem", pair.key)
    other = Pair(tmp_path / "other")
    (tmp_path / "other").mkdir()
    other.write(9)
    with pytest.raises(CertificateError, match=r"(?i)mismatch"):
        Certificate(pair.certificate, other.key)
    pair.write(1, passphrase=b"secret")
    with pytest.raises(CertificateError, match="passphrase"):
        Certificate(pair.certificate, pair.key)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_readers_who_take_their_leave_are_no_trouble(night_store: MadeStore, pair: Pair, loop: str) -> None:
    """A connection that its reader closes in order is closed, wherever it was answered, and the log has no line about it."""
    process = served(night_store, pair, loop)
    for target in (DOCUMENT, "/status"):
        with connect(process) as connection:
            assert ask(connection, target)
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                connection.unwrap()
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                assert connection.recv(1) == b""
    assert process.end() == 0
    assert "eof_received" not in process.errors.read_text()
