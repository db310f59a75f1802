"""The contract that the package carries: schemas, codebooks, samples (``/xsd/…``, ``/codebooks/…``, ``/samples/…``)."""

import importlib.resources
from typing import Final

from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.refusals import NOT_FOUND, XML, Refusal
from skrutinium_server.feed.representation import Representation, represent
from skrutinium_server.release.store.packing import compress

_KINDS: Final = {
    "csv": b"text/csv; charset=utf-8",
    "eml": b"message/rfc822",
    "json": b"application/json",
    "md": b"text/markdown; charset=utf-8",
    "txt": b"text/plain; charset=utf-8",
    "xml": XML,
    "xsd": XML,
}


def contract_file(segments: tuple[str, ...], coding: Coding) -> Representation | Refusal:
    """Read one file of the contract; the segments were checked when the address was read."""
    file = importlib.resources.files("skrutinium_server").joinpath("_contract", *segments)
    if not file.is_file():
        return NOT_FOUND
    data = file.read_bytes()
    kind = _KINDS.get(segments[-1].rpartition(".")[2], b"application/octet-stream")
    return represent(compress(data), "gzip", kind) if coding == "gzip" else represent(data, kind=kind)
