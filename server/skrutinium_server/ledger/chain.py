"""The chain of the ledger: what is hashed, and what proves that nothing was changed. Pure.

The head of an entry is canonical JSON: UTF-8 without blanks, members of an object in the order of the struct (those of a
map sorted), times in UTC ending in ``Z``. Its SHA-256 is the entry's hash, which the next head names as ``previous``.
Sources: design § 4.1, requirement C18.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from skrutinium_server.ledger.errors import ChainError
from skrutinium_server.ledger.model import Accepted, Body, Entry

GENESIS: Final = "0" * 64
"""The hash before the first entry."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is hashed of an entry."""

    position: int
    previous: str
    body: Body


class Row(NamedTuple):
    """An entry as it lies in the store: ``hash`` is raw (32 bytes), ``data`` the bytes taken over, else empty."""

    position: int
    head: bytes
    data: bytes
    hash: bytes


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Head).decode


def head_bytes(position: int, previous: str, body: Body) -> bytes:
    """The canonical JSON of an entry's head."""
    return _encode(Head(position, previous, body))


def entry_hash(head: bytes) -> str:
    """SHA-256 of a head, 64 hexadecimal digits."""
    return hashlib.sha256(head).hexdigest()


def verify(entries: Iterable[Entry], after: int = 0, previous: str = GENESIS) -> Iterator[Entry]:
    """The same entries, each one proved to follow the one before; raises :class:`ChainError` naming the position.

    ``after`` and ``previous`` are position and hash of the entry that stands before the first one given.
    """
    for entry in entries:
        after += 1
        _check_link(after, previous, entry.position, entry.previous)
        if entry_hash(head_bytes(entry.position, entry.previous, entry.body)) != entry.hash:
            raise ChainError(after, "its content does not have the hash that is written beside it")
        previous = entry.hash
        yield entry


def read(rows: Iterable[Row], after: int = 0, previous: str = GENESIS) -> Iterator[tuple[Entry, bytes]]:
    """Entries and their bytes out of stored rows, proved like :func:`verify` and to have the bytes they name."""
    for row in rows:
        after += 1
        # The place first: a row that is missing shows as a gap, and the error names the missing position.
        if row.position != after:
            raise ChainError(after, f"expected position {after}, found {row.position}")
        entry = unpack(row)
        _check_link(after, previous, entry.position, entry.previous)
        previous = entry.hash
        yield entry, row.data


def unpack(row: Row) -> Entry:
    """One entry by itself: head and bytes have their hashes; whether it follows another is not looked at."""
    position = row.position
    found = hashlib.sha256(row.head).digest()
    if found != row.hash:
        raise ChainError(position, "its head does not have the hash that is written beside it")
    try:
        head = _decode(row.head)
    except msgspec.MsgspecError as error:
        raise ChainError(position, f"its head cannot be read ({error})") from error
    if isinstance(head.body, Accepted):
        if hashlib.sha256(row.data).hexdigest() != head.body.data_sha256:
            raise ChainError(position, "the bytes taken over do not have the hash that the entry names")
    elif row.data:
        raise ChainError(
            position,
            f"bytes lie beside an entry of the kind {type(head.body).__name__.lower()}; expected none",
        )
    return Entry(head.position, head.previous, head.body, found.hex())


def _check_link(position: int, previous: str, found: int, found_previous: str) -> None:
    if found != position:
        raise ChainError(position, f"expected position {position}, found {found}")
    if found_previous != previous:
        raise ChainError(position, f"it follows an entry with the hash {found_previous}, expected {previous}")
