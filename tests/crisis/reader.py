"""A reader of crisis mail by the rules of the format alone, with the SDK's keys and chain: nothing in headers or names is trusted."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping

from skrutinium.documents.series import Manifest
from skrutinium.documents.series_reading import read_manifest
from skrutinium.errors import NotYet
from skrutinium.trust.signing import KeyRing


async def releases(pinned: str, *mails: Mapping[str, bytes]) -> dict[int, dict[str, bytes]]:
    """By number of release the documents that mails bring of it, after every signature and hash was checked."""
    manifests: dict[int, Manifest] = {}
    objects: dict[str, bytes] = {}
    for files in mails:
        keys = _ring(files, pinned)
        for name, data in files.items():
            objects[hashlib.sha256(data).hexdigest()] = data
            if b"<manifest " in data[:200]:
                await keys.check(data, files[f"{name}.sig"], name)
                manifest = await asyncio.to_thread(read_manifest, data, name)
                manifests[manifest.release] = manifest
        await keys.signed(files["state.xml"], "state.xml")
    _check_chain(manifests, objects)
    return {
        number: {row.path: objects[row.sha256] for row in manifest.documents if row.sha256 in objects}
        for number, manifest in sorted(manifests.items())
    }


def _ring(files: Mapping[str, bytes], pinned: str) -> KeyRing:
    async def fetch(id: str) -> tuple[bytes, bytes | None]:
        for name, data in files.items():
            if name.endswith(f"{id}.pem"):
                return data, files.get(f"{name}.sig")
        raise NotYet(f"no key {id}")

    return KeyRing(fetch, pinned=pinned)


def _check_chain(manifests: Mapping[int, Manifest], objects: Iterable[str]) -> None:
    known = set(objects)
    for number, manifest in manifests.items():
        if number - 1 in manifests:
            assert manifest.previous in known
