"""Checks of the way to the feed: names, connections by IPv4 and IPv6, the certificate."""

import asyncio
import datetime
import os
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from skrutinium.errors import AccessRefused, NetworkError
from skrutinium.examining.finding import Asked, Finding, Machine
from skrutinium.sources.credentials import plain_address, split_credentials

_PATIENCE = 20.0
_SOON = datetime.timedelta(days=14)
_FAMILIES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


@dataclass(frozen=True, slots=True)
class Way:
    """Where the feed is: the parts of its address."""

    host: str
    port: int
    secure: bool


def way_to(asked: Asked) -> Way | Finding:
    """The parts of the address, or what is wrong with it."""
    shown = plain_address(asked.url, host=True)
    try:
        plain, _ = split_credentials(asked.url)
        parts = urlsplit(plain)
        port = parts.port
    except (ValueError, AccessRefused) as error:
        return Finding(
            "address", "bad", f"{shown}: {error}", "https://HOST", "Correct the address.", NetworkError
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Finding(
            "address",
            "bad",
            shown,
            "https://HOST or http://HOST",
            "Take the address from your letter.",
            NetworkError,
        )
    secure = parts.scheme == "https"
    return Way(parts.hostname, port or (443 if secure else 80), secure)


async def names(way: Way) -> tuple[Finding, list[tuple[int, str]]]:
    """What the name of the feed stands for: family and address."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_PATIENCE):
            told = await loop.getaddrinfo(way.host, way.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        words = f"{way.host} is not found: {getattr(error, 'strerror', None) or str(error) or 'no answer in time'}"
        advice = "Check the spelling, then the DNS server of this machine; ask your network people."
        return Finding("name", "bad", words, "one address or more", advice, NetworkError), []
    addresses = list(dict.fromkeys((int(one[0]), str(one[4][0])) for one in told))
    return Finding("name", "ok", f"{way.host} is {', '.join(address for _, address in addresses)}"), addresses


async def connections(way: Way, addresses: list[tuple[int, str]]) -> list[Finding]:
    """Whether each family of addresses can be reached."""
    results: dict[str, tuple[bool, str]] = {}
    for family, name in _FAMILIES.items():
        first = next((address for told, address in addresses if told == family), None)
        if first is not None:
            results[name] = await _connect(first, way.port)
    works = [name for name, (reached, _) in results.items() if reached]
    found = []
    for name, (reached, words) in results.items():
        if reached:
            found.append(Finding(name, "ok", words))
        elif works:
            advice = f"{works[0]} works, so the feed is reached, later than need be: repair or switch off {name} here."
            found.append(Finding(name, "warn", words, "a connection", advice, NetworkError))
        else:
            advice = f"Ask your network people to let this machine connect to {way.host}, port {way.port}."
            found.append(Finding(name, "bad", words, "a connection", advice, NetworkError))
    return found


async def _connect(address: str, port: int) -> tuple[bool, str]:
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return (
            False,
            f"{address} port {port}: no answer in {_PATIENCE:.0f} s (a firewall drops it, most often)",
        )
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else str(error)
        return False, f"{address} port {port}: {words}"
    taken = asyncio.get_running_loop().time() - began
    writer.close()
    return True, f"{address} port {port} answers in {taken * 1000:.0f} ms"


async def certificate(way: Way, machine: Machine) -> Finding:
    """Whether the certificate is good, for how long, and who issued it."""
    try:
        data, version = await _handshake(way, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return await _refused(way, error)
    except TimeoutError:
        return Finding(
            "TLS",
            "bad",
            "no answer in time",
            "TLS",
            "Something in between swallows TLS: ask your network people.",
            NetworkError,
        )
    except OSError as error:
        advice = "Check that this port speaks TLS: http:// and https:// are at different ports."
        return Finding("TLS", "bad", str(error), "TLS 1.2 or later", advice, NetworkError)
    held = x509.load_der_x509_certificate(data)
    left = held.not_valid_after_utc - machine.clock()
    seen = f"{version}, certificate for {_subject(held)} by {_issuer(held)}, valid for {left.days} more days"
    if left < _SOON:
        return Finding(
            "TLS",
            "warn",
            seen,
            "14 days or more",
            "Tell the publisher that the certificate ends soon.",
            NetworkError,
        )
    return Finding("TLS", "ok", seen)


async def _handshake(way: Way, context: ssl.SSLContext) -> tuple[bytes, str]:
    async with asyncio.timeout(_PATIENCE):
        _, writer = await asyncio.open_connection(way.host, way.port, ssl=context, server_hostname=way.host)
    try:
        held = writer.get_extra_info("ssl_object")
        return held.getpeercert(binary_form=True) or b"", str(held.version())
    finally:
        writer.close()


async def _refused(way: Way, error: ssl.SSLCertVerificationError) -> Finding:
    """What the certificate says that is not accepted: read once more without any trust in it, to be shown alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    shown = ""
    issuer = "its issuer"
    try:
        data, _ = await _handshake(way, context)
        held = x509.load_der_x509_certificate(data)
    except (OSError, TimeoutError, ValueError) as another:
        shown = f" ({another})"
    else:
        issuer = _issuer(held)
        shown = (
            f": for {_subject(held)}, by {issuer}, valid until {held.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )
    words = error.verify_message
    if "expired" in words or "not yet valid" in words:
        advice = "Check this machine's clock first; if it is right, tell the publisher that the certificate has ended."
    elif "match" in words:
        advice = (
            f"Use the name that stands in the certificate, or ask the publisher; {way.host} is not in it."
        )
    else:
        advice = (
            f"If {issuer} is a proxy of your house that opens TLS, let the feed pass unopened, or name the proxy's "
            "certificate in SSL_CERT_FILE; otherwise somebody sits in between: do not go on."
        )
    return Finding(
        "TLS", "bad", words + shown, "a certificate that this machine trusts", advice, NetworkError
    )


def _subject(held: x509.Certificate) -> str:
    try:
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return _name(held.subject)
    told = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return ", ".join(told[:4]) + (" …" if len(told) > 4 else "")


def _issuer(held: x509.Certificate) -> str:
    return _name(held.issuer)


def _name(name: x509.Name) -> str:
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        if told := name.get_attributes_for_oid(oid):
            return str(told[0].value)
    return name.rfc4514_string() or "nobody"
