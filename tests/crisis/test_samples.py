"""The sample crisis mails are what the program writes today, and they prove themselves."""

import asyncio

from tests.crisis.reader import releases
from tests.crisis.relay import files, parsed, text
from tests.crisis.samples import FOLDER, SIGNER, STEPS, samples


def test_samples_are_what_is_written() -> None:
    """Headers, texts and files of each sample are those of the messages made from the same night (zips compared unpacked)."""
    made = samples()
    assert {path.name for path in FOLDER.glob("*.eml")} == set(made)
    for name, data in made.items():
        kept, new = parsed((FOLDER / name).read_bytes()), parsed(data)
        assert kept.items() == new.items(), name
        assert text(kept) == text(new), name
        assert files(kept) == files(new), name


async def test_samples_prove_themselves() -> None:
    """Whoever has the fingerprint from paper and every sample in one language has each release with its documents."""
    paths = await asyncio.to_thread(lambda: sorted(FOLDER.glob("?-*-cs.eml")))
    mails = [files(parsed(await asyncio.to_thread(path.read_bytes))) for path in paths]
    assert len(mails) == len(STEPS)
    found = await releases(SIGNER.fingerprint, *mails)
    assert list(found) == list(range(1, 1 + 1 + sum(more for _, more, _, _ in STEPS)))
    assert all({"event.xml", "summary.xml"} <= set(documents) for documents in found.values())
