"""The sample crisis mails: one of each kind, the first in all languages, of a made-up night. Run as a program it writes them."""

import datetime
import hashlib
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skrutinium_server.crisis.composing import Wanted, compose
from skrutinium_server.crisis.model import Kind
from skrutinium_server.release.store.signing import Signer
from tests.crisis.night import MadeNight, as_sent, listed, read, recipients

FOLDER = Path(__file__).resolve().parents[2] / "samples" / "crisis"
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key for samples only").digest()))
TIME = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)

STEPS: tuple[tuple[Kind, int, int, int], ...] = (
    ("test", 0, 0, 0),
    ("begin", 5, 4, 0),
    ("release", 3, 6, 0),
    ("unchanged", 0, 9, 1),
    ("end", 1, 9, 0),
)
"""Kind, releases made before it, the last release that the recipient surely has, repetition."""


def samples() -> dict[str, bytes]:
    """Each message as the relay gets it, by the name of its file."""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        night = MadeNight(Path(folder), "rehearsal", SIGNER)
        for at, (kind, more, since, repeat) in enumerate(STEPS, 1):
            night.release(times=more)
            reader, results = read(night.store)
            told = listed(587, recipients(3, interval=900, zip_above=20_000))
            wanted = [Wanted(one, kind, since, repeat) for one in told.recipient]
            now = TIME + datetime.timedelta(minutes=15 * at)
            for messages, _ in compose(reader, results, wanted, told, 1, night.store, now):
                for one, recipient in ((one, told.recipient) for one in messages):
                    language = next(who.language for who in recipient if who.id == one.recipient)
                    if kind == "begin" or language == "cs":
                        found[f"{at}-{kind}-{language}.eml"] = as_sent(one)
        night.close()
    # What small documents look like that need no zip: event and lines of the first release only.
    found["6-singly-en.eml"] = _singly()
    return found


def _singly() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        night = MadeNight(Path(folder), "live", SIGNER)
        reader, results = read(night.store)
        told = listed(587, recipients(1, zip_above=1_000_000))
        (wanted,) = (Wanted(one, "begin", 0, 0) for one in told.recipient)
        ((messages, _),) = compose(reader, results, [wanted], told, 1, night.store, TIME)
        night.close()
        return as_sent(messages[0])


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in samples().items():
        (FOLDER / name).write_bytes(data)
