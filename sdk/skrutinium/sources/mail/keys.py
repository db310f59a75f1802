"""The public keys that mails brought, and which of them are to be trusted, given the fingerprints that are. No input, no output."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from skrutinium.errors import SignatureError
from skrutinium.trust.signing import fingerprint, read_key, split_line

MOST = 1000
"""Keys that are kept of those that nobody trusts: anybody can send some."""


@dataclass(slots=True)
class _Held:
    key: Ed25519PublicKey
    pem: bytes
    plain: str
    signed_by: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """By the id of an older key: the file of this key as that one signed it, and the line. Others may send it written otherwise."""


class Keys:
    """Keys by their id; of the lines beside a key those are kept that hold."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def add(self, pem: bytes, trusted: Collection[str]) -> None:
        """Take in a key. Raises :class:`SignatureError` when it is none, or there are too many."""
        key = read_key(pem, "a mail")
        plain = fingerprint(key).replace(" ", "")
        if plain[:16] in self._held:
            return
        if len(self._held) >= MOST and plain not in trusted:
            raise SignatureError(f"holds key {plain[:16]}: {MOST} are known already, no more are taken")
        self._held[plain[:16]] = _Held(key, pem, plain)

    def rotated(self, pem: bytes, lines: Iterable[bytes]) -> None:
        """Take in the lines by which older keys signed a key that was added, as far as they hold."""
        held = self._held.get(fingerprint(read_key(pem, "a mail")).replace(" ", "")[:16])
        if held is None:
            return
        for line in lines:
            if self.holds(pem, line):
                held.signed_by.setdefault(split_line(line, "a mail")[0], (pem, line))

    def holds(self, data: bytes, line: bytes) -> bool:
        """Whether a line is the signature over ``data`` by the key that it names, and that key is here."""
        try:
            id, signature = split_line(line, "a mail")
            if (held := self._held.get(id)) is None:
                return False
            held.key.verify(signature, data)
        except (SignatureError, InvalidSignature):
            return False
        return True

    def file(self, id: str, trusted: Collection[str]) -> tuple[bytes, bytes | None] | None:
        """A key (PEM) and the line of a trusted key over it, as far as there is one; None when the key is not here."""
        held = self._held.get(id)
        if held is None:
            return None
        ids = self.trusted(trusted)
        signed = (told for older, told in held.signed_by.items() if older in ids)
        return next(signed, (held.pem, None))

    def trusted(self, fingerprints: Collection[str]) -> frozenset[str]:
        """Ids of the keys with these fingerprints (plain), and of those that they signed, one after another."""
        found = {id for id, held in self._held.items() if held.plain in fingerprints}
        while more := {
            id for id, held in self._held.items() if id not in found and not found.isdisjoint(held.signed_by)
        }:
            found |= more
        return frozenset(found)

    def only(self, signers: Collection[str]) -> frozenset[str]:
        """The keys to trust when no fingerprint is given: those of the only publisher that signed anything here.

        Raises :class:`SignatureError` when several did, and neither vouches for the other.
        """
        for held in self._held.values():
            family = self.trusted((held.plain,))
            if family.issuperset(signers):
                return family
        named = "; ".join(sorted(fingerprint(self._held[id].key) for id in signers)[:5])
        raise SignatureError(
            f"these mails are signed by {len(signers)} keys that do not know each other: {named}. "
            "Say which fingerprint is the one on paper"
        )
