"""What a passphrase is compared with: Argon2id (RFC 9106); scrypt (RFC 7914) of older sites is still understood.

Pure but for the time and memory that one comparison costs on purpose. Sources: design § 3, C18.
"""

import hashlib
import hmac
import unicodedata
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id as _Argon2id

SHORTEST: Final = 12
"""Characters that a passphrase has at least: a few words, not a password."""

LONGEST: Final = 1024
"""Characters that a passphrase has at most."""

LENGTH: Final = 32
"""Bytes of what is derived."""

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Argon2id(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cost of one comparison: ``memory`` in KiB, gone over ``iterations`` times in ``lanes``; the second choice of RFC 9106, section 4."""

    iterations: Positive = 3
    lanes: Positive = 4
    memory: Positive = 2**16

    def derive(self, passphrase: bytes, salt: bytes) -> bytes:
        """32 bytes."""
        derivation = _Argon2id(
            salt=salt,
            length=LENGTH,
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory,
        )
        return derivation.derive(passphrase)


class Scrypt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cost of one comparison: ``cost`` is N (a power of two), ``block`` r, ``parallel`` p; about 128·N·r bytes of memory."""

    cost: Positive = 2**16
    block: Positive = 8
    parallel: Positive = 1

    def derive(self, passphrase: bytes, salt: bytes) -> bytes:
        """32 bytes."""
        return hashlib.scrypt(
            passphrase,
            salt=salt,
            n=self.cost,
            r=self.block,
            p=self.parallel,
            maxmem=2 * 128 * self.cost * self.block * self.parallel + 2**20,
            dklen=LENGTH,
        )


Method = Argon2id | Scrypt


class Verifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a passphrase is compared with: the method with its cost (one of the two), salt (16 bytes) and derived value (32 bytes).

    Raises ValueError unless there is exactly one method.
    """

    name: str
    salt: bytes
    value: bytes
    argon2id: Argon2id | None = None
    scrypt: Scrypt | None = None

    def __post_init__(self) -> None:
        if (self.argon2id is None) is (self.scrypt is None):
            raise ValueError("a verifier has one method: argon2id or scrypt")

    @property
    def method(self) -> Method:
        """How it is derived, with its cost."""
        method = self.argon2id or self.scrypt
        assert method is not None
        return method

    def fits(self, passphrase: str) -> bool:
        """Whether this is the passphrase; takes as long whatever it is."""
        return hmac.compare_digest(self.method.derive(_bytes(passphrase), self.salt), self.value)

    def encoded(self) -> bytes:
        """The file of it."""
        return msgspec.json.encode(self) + b"\n"


def verifier(name: str, passphrase: str, salt: bytes, method: Method) -> Verifier:
    """What the passphrase of a person is compared with from now on."""
    value = method.derive(_bytes(passphrase), salt)
    if isinstance(method, Argon2id):
        return Verifier(name, salt, value, argon2id=method)
    return Verifier(name, salt, value, scrypt=method)


def nobody(method: Method) -> Verifier:
    """What the passphrase of a name that nobody has is compared with, so that it takes as long; nothing fits."""
    salt, value = bytes(16), bytes(LENGTH)
    if isinstance(method, Argon2id):
        return Verifier("", salt, value, argon2id=method)
    return Verifier("", salt, value, scrypt=method)


def _bytes(passphrase: str) -> bytes:
    # NFKC: the same keys pressed on another keyboard driver give the same passphrase. One that is too long is cut where it
    # cannot fit any more.
    return unicodedata.normalize("NFKC", passphrase[: LONGEST + 1]).encode("utf-8", "surrogatepass")
