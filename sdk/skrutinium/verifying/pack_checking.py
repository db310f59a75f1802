"""The pack of a release in a folder, beside its objects."""

import gzip

from skrutinium.documents.series import Manifest
from skrutinium.errors import DamagedError, SkrutiniumError
from skrutinium.sources.packs import members
from skrutinium.sources.source import Material, matches


def wrong_pack(manifest: Manifest, material: Material) -> tuple[str, object, object] | None:
    """What is wrong with the pack, as (what, published, recomputed): it must hold the same, in the manifest's order."""
    if material.pack is None:
        return None
    beside = {"manifest.xml": material.manifest, "manifest.xml.sig": material.signature}
    rows = {row.path: row for row in manifest.documents}
    held: list[str] = []
    try:
        with gzip.open(material.pack) as file:
            for name, data in members(file, str(material.pack)):
                held.append(name)
                wrong = matches(rows[name], data, name) if name in rows else None
                if wrong or beside.get(name, data) != data:
                    raise wrong or DamagedError("is not the one beside the pack", address=name)
    except (SkrutiniumError, OSError) as error:
        return "the pack is not the release", error, ""
    if held != [*beside, *rows]:
        return "members", len(held), len(rows) + 2
    return None
