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
    "html": b"text/html; charset=utf-8",
    "ics": b"text/calendar; charset=utf-8",
    "json": b"application/json",
    "md": b"text/markdown; charset=utf-8",
    "txt": b"text/plain; charset=utf-8",
    "xml": XML,
    "xsd": XML,
    "zip": b"application/zip",
}


def kind_of(path: str) -> bytes:
    """The media type of a file by its name."""
    return _KINDS.get(path.rpartition(".")[2], b"application/octet-stream")


def contract_file(segments: tuple[str, ...], coding: Coding) -> Representation | Refusal:
    """Read one file of the contract; the segments were checked when the address was read."""
    file = importlib.resources.files("skrutinium_server").joinpath("_contract", *segments)
    if not file.is_file():
        return NOT_FOUND
    data = file.read_bytes()
    kind = kind_of(segments[-1])
    return represent(compress(data), "gzip", kind) if coding == "gzip" else represent(data, kind=kind)
