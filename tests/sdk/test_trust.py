"""Which keys a reader trusts when no fingerprint was given."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skrutinium import SignatureError
from skrutinium.trust.signing import KeyRing
from tests.sdk.store_builder import fingerprint, public_pem, sign

DATA = b"<state/>\n"


async def test_only_a_key_that_signed_is_trusted_first() -> None:
    """A key that is named by a signature that does not hold is not trusted: the key of the next source, which holds, is."""
    named, true = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    ids = {fingerprint(key).replace(" ", "")[:16]: key for key in (named, true)}

    async def fetch(key_id: str) -> tuple[bytes, bytes | None]:
        return public_pem(ids[key_id]), None

    ring = KeyRing(fetch)
    with pytest.raises(SignatureError, match="does not hold"):
        await ring.check(b"<damaged/>\n", sign(named, DATA), "first")
    assert list(ring.trusted) == []
    await ring.check(DATA, sign(true, DATA), "second")
    assert list(ring.trusted) == [fingerprint(true).replace(" ", "")]
    with pytest.raises(SignatureError, match="not trusted"):
        await ring.check(DATA, sign(named, DATA), "first")
