"""A message as bytes (RFC 5322, MIME): one body for all who get the same, and a head for each recipient. Pure."""

import base64
import datetime
import hashlib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import msgspec

from skrutinium_server.crisis.model import Kind, Package
from skrutinium_server.crisis.packing import make_zip
from skrutinium_server.crisis.recipients import Recipient, Sender

_LONGEST_LINE: Final = 900
"""Letters of a line that stays below the limit of 998 (RFC 5322)."""
_WORD: Final = 45
"""Bytes of text in one encoded word."""
_TYPES: Final = {
    ".xml": ("application", "xml"),
    ".txt": ("text", "plain"),
    ".pem": ("application", "x-pem-file"),
}


class Content(msgspec.Struct, frozen=True):
    """What all who get the same share: the MIME headers, ending without an empty line, and what comes after it."""

    headers: bytes
    body: bytes


class Identity(msgspec.Struct, frozen=True):
    """What fixes the id of a message: it is the same after a crash, so that readers count it once.

    ``repeat`` is 0 for the first message of a release, then 1, 2, …; ``part`` counts from 1.
    """

    event: str
    run: str
    number: int
    part: int
    repeat: int
    recipient: str
    domain: str

    def __str__(self) -> str:
        return (
            f"<skrutinium.{self.event}.{self.run}.{self.number}.{self.part}.{self.repeat}.{self.recipient}"
            f"@{self.domain}>"
        )


def content(text: str, package: Package | None) -> Content:
    """A text and its files, attached singly or as one zip; the same bytes for the same input."""
    message = EmailMessage(policy=SMTP)
    message.set_content(text, cte="quoted-printable")
    if package is not None and package.zipped is not None:
        message.add_attachment(
            make_zip(package.files), maintype="application", subtype="zip", filename=package.zipped
        )
    elif package is not None:
        for file in package.files:
            kind = _TYPES.get(file.name[file.name.rfind(".") :], ("application", "octet-stream"))
            params = {"charset": "utf-8"} if kind[0] == "text" else {}
            message.add_attachment(
                file.data, maintype=kind[0], subtype=kind[1], filename=file.name, params=params
            )
    if message.is_multipart():
        # A boundary by chance would make other bytes after a crash; no file can hold the hash of all of them.
        digest = hashlib.sha256(text.encode())
        for file in package.files if package is not None else ():
            digest.update(file.data)
        message.set_boundary(f"=_{digest.hexdigest()[:40]}")
    headers, separator, body = message.as_bytes().partition(b"\r\n\r\n")
    assert separator
    return Content(headers, body)


def head(
    recipient: Recipient,
    sender: Sender,
    identity: Identity,
    *,
    subject: str,
    kind: Kind,
    phase: str,
    part: tuple[int, int],
    now: datetime.datetime,
) -> bytes:
    """The headers that are one recipient's own, ending with a line end; ``now`` is aware."""
    hints = {
        "Kind": kind,
        "Event": identity.event,
        "Run": identity.run,
        "Phase": phase,
        "Release": str(identity.number),
        "Part": f"{part[0]}/{part[1]}",
    }
    named = {f"Skrutinium-{name}": value for name, value in hints.items()}
    to = _mailbox(recipient.name, recipient.address)
    return _headers(to, sender, str(identity), subject, now, named)


def operators_message(
    address: str, sender: Sender, id: str, subject: str, text: str, now: datetime.datetime
) -> tuple[bytes, Content]:
    """A message to an operator of the system: head and content."""
    return _headers(address, sender, id, subject, now, {}), content(text, None)


def _headers(
    to: str, sender: Sender, id: str, subject: str, now: datetime.datetime, more: dict[str, str]
) -> bytes:
    """By hand: the library breaks lines before a long id, and moves blanks about in a text of several encoded words."""
    headers = {
        "From": _mailbox(sender.name, sender.address),
        "To": to,
        "Subject": _encoded(subject),
        "Date": format_datetime(now.astimezone(datetime.UTC)),
        "Message-ID": id,
        # RFC 3834; the second header is what Exchange heeds: no answers of people on holiday.
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        **more,
    }
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")


def _mailbox(name: str, address: str) -> str:
    if not name:
        return address
    quoted = (
        f'"{name}"'
        if name.isascii() and '"' not in name and "\\" not in name
        else _encoded(name, always=True)
    )
    return f"{quoted} <{address}>"


def _encoded(text: str, *, always: bool = False) -> str:
    """A text as it may stand in a header: itself, or encoded words (RFC 2047), none of them longer than 75 letters."""
    if (
        not always
        and text.isascii()
        and text.isprintable()
        and len(text) <= _LONGEST_LINE
        and "=?" not in text
    ):
        return text
    chunks = [b""]
    for letter in text:
        encoded = letter.encode()
        if len(chunks[-1]) + len(encoded) > _WORD:
            chunks.append(b"")
        chunks[-1] += encoded
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(chunk).decode('ascii')}?=" for chunk in chunks)


def whole(head: bytes, content: Content) -> bytes:
    """The message as it is handed to the relay."""
    return head + content.headers + b"\r\n\r\n" + content.body
