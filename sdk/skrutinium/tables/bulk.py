"""Many documents at once: packs of releases instead of a request for each, where that takes fewer requests.

A feed limits requests a second; the documents of a whole country are tens of thousands, the releases of a night some hundreds.
"""

import asyncio
from collections.abc import Iterable

from skrutinium.documents.series import Document
from skrutinium.documents.series_reading import read_manifest
from skrutinium.errors import Gone, NotYet
from skrutinium.following.release import Release
from skrutinium.sources.bulk import Bulk
from skrutinium.sources.opening import is_address
from skrutinium.sources.source import Material, matches

_MANY = 1_000
_EACH = 10
"""Packs are read when so many documents are wanted, and so many for each release there is."""


async def gathered(release: Release, rows: Iterable[Document]) -> Bulk:
    """What packs hold of these documents, from the newest release back until few are left; nothing where packs do not pay."""
    bulk = Bulk()
    wanted = {row.sha256 for row in rows}
    if len(wanted) < max(_MANY, release.number * _EACH) or not is_address(release.source):
        return bulk
    for number in range(release.number, 0, -1):
        if len(wanted) < number:  # from here on a request for each is less
            break
        try:
            material = await release.pack(number)
        except (NotYet, Gone):  # packs are not kept there any more
            break
        wanted -= await asyncio.to_thread(_unpack, material, wanted, bulk)
    return bulk


def _unpack(material: Material, wanted: set[str], bulk: Bulk) -> set[str]:
    """Keep what is wanted of a release: its hash is all that counts, so nothing else needs to be trusted."""
    found = set()
    for row in read_manifest(material.manifest, "manifest of a pack").documents:
        if row.sha256 in wanted:
            data = material.load(row)
            if (wrong := matches(row, data, row.path)) is not None:
                raise wrong
            bulk.put(row.sha256, data)
            found.add(row.sha256)
    return found
