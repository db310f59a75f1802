"""Checking Ed25519 signatures (RFC 8032) and deciding which keys to trust.

A signature is one line, ``ed25519 KEYID BASE64``, over the exact bytes of the signed file. The reader pins the
fingerprint it was given on paper; without one the first key met is trusted and kept, which is said as ``unpinned``. A
new key is trusted when the key before it signed it. Source: design section 4.3.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from skrutinium.errors import DamagedError, NotYet, SignatureError

FetchKey = Callable[[str], Awaitable[tuple[bytes, bytes | None]]]
"""Gets a key by id: its PEM and the signature line beside it (None when there is none); raises :class:`NotYet`."""

_LINE = re.compile(rb"ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\n?")
_LONGEST_ROTATION = 16


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key in groups of four hexadecimal digits, as printed on paper."""
    digest = hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()
    return " ".join(digest[start : start + 4] for start in range(0, 64, 4))


def plain_fingerprint(text: str) -> str:
    """A fingerprint as typed from paper, without spaces, colons and capitals; raises :class:`SignatureError`."""
    plain = re.sub(r"[\s:.-]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise SignatureError(f"{text!r} is no fingerprint; expected 64 hexadecimal digits, in any groups")
    return plain


def read_key(pem: bytes, where: str) -> Ed25519PublicKey:
    """Read a public key; raises :class:`SignatureError` when it is no Ed25519 key."""
    try:
        key = load_pem_public_key(pem)
    except Exception as error:  # the library raises several unrelated classes for malformed keys
        raise SignatureError(f"no public key: {error}", address=where) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError("not an Ed25519 key", address=where)
    return key


def split_line(line: bytes, where: str) -> tuple[str, bytes]:
    """Key id and signature of a signature line; raises :class:`SignatureError`."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise SignatureError("not a signature line; expected 'ed25519 KEYID BASE64'", address=where)
    try:
        signature = base64.b64decode(found[2], validate=True)
    except binascii.Error as error:
        raise SignatureError(f"the signature is no Base64: {error}", address=where) from error
    if base64.b64encode(signature) != found[2]:  # the bits that padding leaves over have one spelling
        raise SignatureError("the signature is no Base64 as it is written", address=where)
    return found[1].decode("ascii"), signature


def split_signed(data: bytes, where: str) -> tuple[bytes, bytes]:
    """Split a file that carries its own signature line into document and line; raises :class:`SignatureError`."""
    at = data.rstrip(b"\n").rfind(b"\n") + 1
    if at == 0 or not data[at:].startswith(b"ed25519 "):
        raise SignatureError("has no signature line at its end", address=where)
    return data[:at], data[at:]


def check_whole(data: bytes, where: str) -> None:
    """Raise :class:`DamagedError` when a signed file was cut off: that is to be fetched again, and nobody's forgery."""
    if not data.endswith(b"\n"):
        raise DamagedError("was cut off: what is signed ends with a line end", address=where)


class KeyRing:
    """The keys a reader trusts.

    ``pinned`` is the fingerprint given on paper, ``known`` are those trusted before (from a state file). A pinned
    fingerprint always wins: what was known without it does not count.
    """

    def __init__(self, fetch: FetchKey, *, pinned: str | None = None, known: tuple[str, ...] = ()) -> None:
        self._fetch = fetch
        self._trusted = {plain_fingerprint(pinned)} if pinned else {plain_fingerprint(one) for one in known}
        self._keys: dict[str, Ed25519PublicKey] = {}
        self.unpinned = pinned is None
        self.newest: str | None = None

    @property
    def trusted(self) -> tuple[str, ...]:
        """The fingerprints trusted so far, without spaces, sorted."""
        return tuple(sorted(self._trusted))

    def holds(self, key_id: str, pem: bytes) -> bool:
        """Whether that is the file of a key that is trusted."""
        key = self._keys.get(key_id)
        try:
            return key is not None and fingerprint(read_key(pem, key_id)) == fingerprint(key)
        except SignatureError:
            return False

    def vouched(self, pem: bytes, line: bytes) -> bool:
        """Whether ``line`` is a trusted key's signature over the file of a key."""
        try:
            key_id, signature = split_line(line, "")
            self._keys[key_id].verify(signature, pem)
        except (SignatureError, KeyError, InvalidSignature):
            return False
        return True

    async def check(self, data: bytes, line: bytes, where: str) -> None:
        """Raise :class:`SignatureError` unless ``line`` is a trusted key's signature over ``data``."""
        key_id, signature = split_line(line, where)
        key = self._keys.get(key_id) or await self._trust(key_id, where, _LONGEST_ROTATION)
        try:
            key.verify(signature, data)
        except InvalidSignature:
            raise SignatureError(
                f"the signature of key {key_id} does not hold over these bytes", address=where
            ) from None
        if not self._trusted:  # the first key met, now that it has shown to sign
            self._trusted.add(fingerprint(key).replace(" ", ""))
            self._keys[key_id] = key
        self.newest = fingerprint(key)

    async def signed(self, data: bytes, where: str) -> bytes:
        """The document of a file that carries its own signature line, checked; raises DamagedError when it is cut off."""
        check_whole(data, where)
        body, line = split_signed(data, where)
        await self.check(body, line, where)
        return body

    async def _trust(self, key_id: str, where: str, depth: int) -> Ed25519PublicKey:
        if key_id in self._keys:
            return self._keys[key_id]
        try:
            pem, rotation = await self._fetch(key_id)
        except NotYet as error:
            raise SignatureError(
                f"signed by key {key_id}, which the source does not hold", address=where
            ) from error
        key = read_key(pem, f"key {key_id}")
        plain = fingerprint(key).replace(" ", "")
        if plain[:16] != key_id:
            raise SignatureError(f"key file {key_id} holds another key, {fingerprint(key)}", address=where)
        if not self._trusted:
            return key
        if plain not in self._trusted:
            await self._check_rotation(key_id, pem, rotation, fingerprint(key), where, depth)
            self._trusted.add(plain)
        self._keys[key_id] = key
        return key

    async def _check_rotation(
        self, key_id: str, pem: bytes, rotation: bytes | None, shown: str, where: str, depth: int
    ) -> None:
        if rotation is None or depth == 0:
            raise SignatureError(
                f"signed by a key that is not trusted: its fingerprint is {shown}; compare it with the one on paper",
                address=where,
            )
        older_id, signature = split_line(rotation, f"signature of key {key_id}")
        older = await self._trust(older_id, where, depth - 1)
        try:
            older.verify(signature, pem)
        except InvalidSignature:
            raise SignatureError(
                f"key {key_id} is not signed by the key before it, {older_id}", address=where
            ) from None
