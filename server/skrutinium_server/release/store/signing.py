"""Ed25519 signatures over exact bytes (RFC 8032), one line each: ``ed25519 KEYID BASE64``.

A document that is rewritten in place carries its signature line as its own last line, so that the two can never
disagree. Source: design § 4.3.
"""

import base64
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from skrutinium_server.release.store.errors import StoreDamaged


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key in groups of four hexadecimal digits, as printed on paper."""
    digest = hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()
    return " ".join(digest[start : start + 4] for start in range(0, 64, 4))


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 digits of the fingerprint: names the key in signature lines and files."""
    return fingerprint(key).replace(" ", "")[:16]


class Signer:
    """Signs with one private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key()
        self.key_id = key_id(self.public)
        self.fingerprint = fingerprint(self.public)

    @classmethod
    def generate(cls, folder: Path) -> "Signer":
        """Make a new key in ``folder`` (created with mode 0700); the file can be read by its owner only."""
        return cls(Ed25519PrivateKey.generate()).keep(folder)

    def keep(self, folder: Path) -> "Signer":
        """Write this key into ``folder`` (created with mode 0700), where there is none yet; the file can be read by its owner only."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(folder / "signing.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        return self

    @classmethod
    def load(cls, folder: Path) -> "Signer":
        """Read the key that :meth:`generate` made; raises :class:`StoreDamaged` when it is not there or no Ed25519 key."""
        path = folder / "signing.pem"
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise StoreDamaged(path, f"cannot be read ({error.strerror or error})") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise StoreDamaged(path, "holds no private key that is usable") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise StoreDamaged(path, "is no Ed25519 private key")
        return cls(private)

    def line(self, data: bytes) -> bytes:
        """The signature line over ``data``, ending in a line feed."""
        signature = base64.b64encode(self._private.sign(data)).decode("ascii")
        return f"ed25519 {self.key_id} {signature}\n".encode("ascii")

    def public_pem(self) -> bytes:
        """The public key as PEM."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """Read a public key from PEM; raises ValueError when it is no Ed25519 key."""
    try:
        key = load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError(f"not an Ed25519 public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    return key


def signature_holds(key: Ed25519PublicKey, data: bytes, line: bytes) -> bool:
    """Whether ``line`` is a signature line of that key over ``data``: a signature has one spelling, line feeds at its end aside."""
    start = f"ed25519 {key_id(key)} ".encode("ascii")
    told = line.rstrip(b"\n").removeprefix(start)
    if not line.startswith(start):
        return False
    try:
        signature = base64.b64decode(told, validate=True)
        key.verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return base64.b64encode(signature) == told


def split_signed(data: bytes) -> tuple[bytes, bytes]:
    """Split a document that carries its signature line into document and line; raises ValueError without one."""
    body, separator, line = data.rstrip(b"\n").rpartition(b"\n")
    if not separator or not line.startswith(b"ed25519 "):
        raise ValueError("no signature line at the end")
    return body + b"\n", line + b"\n"
