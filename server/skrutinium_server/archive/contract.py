"""The contract that the package carries, as bytes by path: schemas, codebooks, samples; and its description."""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from skrutinium_server.archive.description import XS, Description, describe, parse

_FOLDERS: Final = ("xsd", "codebooks", "samples")

PAGES: Final = {
    "skrutinium": ("Results of Skrutinium", ("skrutinium/1.0/skrutinium.xsd",)),
    "registers": ("Registers of Skrutinium", ("skrutinium/1.0/registers.xsd",)),
    "rehearsal": ("Tests and rehearsals of Skrutinium", ("skrutinium/1.0/rehearsal.xsd",)),
    "volby": ("Results in the format volby", ("volby/1/",)),
    "volby-rows": ("Registers in the row format", ("volby/1/rows/",)),
}
"""The pages of the description: a title, and the schemas (or the folders of schemas) that it holds."""


@cache
def contract() -> dict[str, bytes]:
    """Every file of the contract by its path, such as ``xsd/volby/1/kv_vysledky.xsd``."""
    root = resources.files("skrutinium_server").joinpath("_contract")
    found: dict[str, bytes] = {}
    for name in _FOLDERS:
        _collect(root.joinpath(name), name, found)
    return dict(sorted(found.items()))


@cache
def descriptions() -> dict[str, Description]:
    """The description of every schema by its path below ``xsd/``, with examples from the valid samples."""
    files = contract()
    samples = [
        data
        for path, data in files.items()
        if path.startswith("samples/") and path.endswith(".xml") and "/invalid/" not in path
    ]
    by_root: dict[str, list[bytes]] = {}
    for data in samples:
        by_root.setdefault(str(parse(data).tag), []).append(data)
    found = {}
    for path, data in files.items():
        if path.startswith("xsd/") and path.endswith(".xsd"):
            tree = parse(data)
            roots = [
                f"{{{tree.get('targetNamespace')}}}{top.get('name')}" for top in tree.findall(f"{XS}element")
            ]
            own = [sample for root in roots for sample in by_root.get(root, ())]
            found[path.removeprefix("xsd/")] = describe(path.removeprefix("xsd/"), data, own)
    return found


def pages() -> dict[str, tuple[str, list[Description]]]:
    """Title and schemas of each page of the description, by the page's name."""
    return {
        name: (title, [told for schema, told in descriptions().items() if _belongs(schema, places)])
        for name, (title, places) in PAGES.items()
    }


def _belongs(schema: str, places: tuple[str, ...]) -> bool:
    folder = schema.rpartition("/")[0] + "/"
    return schema in places or folder in places


def _collect(folder: Traversable, path: str, found: dict[str, bytes]) -> None:
    for item in folder.iterdir():
        inner = f"{path}/{item.name}"
        if item.is_dir():
            _collect(item, inner, found)
        else:
            found[inner] = item.read_bytes()
