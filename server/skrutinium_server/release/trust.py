"""Whose signatures hold in a release store: the keys that lie in it, and how each vouches for the next.

Source: design § 4.3.
"""

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from skrutinium_server.release.findings import Findings
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.layout import Layout
from skrutinium_server.release.store.signing import key_id, read_public_key, signature_holds, split_signed


def trusted_keys(
    layout: Layout, own: Ed25519PublicKey | None, findings: Findings
) -> dict[str, Ed25519PublicKey]:
    """The keys that signatures may be made with: ``own`` and those before it that vouch for one another; all without ``own``.

    A key after a rotation has a line beside it, signed by the key before.
    """
    known: dict[str, Ed25519PublicKey] = {}
    for path in sorted(layout.keys.glob("*.pem")):
        try:
            key = read_public_key(path.read_bytes())
        except ValueError as error:
            findings.fault(path, f"is no public key ({error})")
            continue
        findings.count("keys")
        if key_id(key) != path.stem:
            findings.fault(path, f"holds the key {key_id(key)}, not the one that its name says")
        known[key_id(key)] = key
    if own is None:
        return known
    trusted = {key_id(own): own}
    if key_id(own) not in known:
        findings.fault(layout.key(key_id(own)), "is missing: the site signs with this key")
    newest = own
    while True:
        path = layout.key(key_id(newest))
        line = path.with_name(f"{path.name}.sig")
        if not line.is_file():
            return trusted
        told = line.read_bytes()
        signers = [
            key
            for id, key in known.items()
            if id not in trusted and path.is_file() and signature_holds(key, path.read_bytes(), told)
        ]
        if not signers:
            findings.fault(line, "is not signed by a key before it")
            return trusted
        newest = signers[0]
        trusted[key_id(newest)] = newest


def check_signed(layout: Layout, own: Ed25519PublicKey, path: Path, data: bytes, line: bytes) -> None:
    """Raise :class:`StoreDamaged` unless ``line`` signs ``data`` with ``own``, or with a key that it goes back to.

    For what is going to be continued and signed anew: a store that was tampered with must not get our signature.
    """
    findings = Findings()
    Signatures(trusted_keys(layout, own, Findings()), findings).apart(path, data, line)
    for fault in findings.faults:
        raise StoreDamaged(path, fault.what)


class Signatures:
    """Checks signatures with the keys that are trusted; what is wrong goes into the findings."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], findings: Findings) -> None:
        self._keys = keys
        self._findings = findings

    def whole(self, path: Path, data: bytes) -> bytes | None:
        """Check a document that carries its signature line; the document without it, None when there is no line."""
        try:
            body, line = split_signed(data)
        except ValueError as error:
            self._findings.fault(path, str(error))
            return None
        self.apart(path, body, line)
        return body

    def apart(self, path: Path, data: bytes, line: bytes) -> None:
        """Check a document and the signature line that lies beside it."""
        self._findings.count("signatures")
        told = line.decode("ascii", "replace").split()
        key = self._keys.get(told[1]) if len(told) == 3 else None
        if key is None:
            self._findings.fault(
                path, f"is signed with a key that is not trusted here ({' '.join(told[:2])[:60]})"
            )
        elif not signature_holds(key, data, line):
            self._findings.fault(
                path, "has a signature that does not hold: it was changed after it was signed"
            )
