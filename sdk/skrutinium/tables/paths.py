"""Which document a path names, whose rows it holds, and how it is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from skrutinium.documents import protocols_reading, reading
from skrutinium.documents.series import Document, Manifest
from skrutinium.errors import MixedPhases, SchemaError
from skrutinium.tables.columns import TABLES, Row
from skrutinium.tables.records import Tabled, rows_of

Owner = str | int
"""What a document is of: the value of the first column of its rows."""

_IN_FOLDER = re.compile(r"(area|contest|precinct|corrections)/([A-Za-z0-9][A-Za-z0-9.\-]{0,63})\.xml")
_AT_TOP = {"event.xml": "event", "summary.xml": "summary", "turnout.xml": "turnout"}
_READERS: dict[str, Callable[[bytes, str], Tabled]] = {
    "event": reading.read_event,
    "summary": reading.read_summary,
    "turnout": reading.read_turnout,
    "area": reading.read_area,
    "contest": reading.read_contest,
    "precinct": protocols_reading.read_precinct,
    "corrections": protocols_reading.read_corrections,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A document that has tables; ``kind`` is that of :attr:`Table.document`."""

    path: str
    kind: str
    owner: Owner


def place_of(path: str, event: str) -> Place | None:
    """What a path of an event names; None when the document has no tables (batches, districts: others say the same)."""
    if path in _AT_TOP:
        return Place(path, _AT_TOP[path], event)
    found = _IN_FOLDER.fullmatch(path)
    if found is None:
        return None
    kind, id = found[1], found[2]
    if kind != "corrections":
        return Place(path, kind, id)
    return Place(path, kind, int(id)) if id.isdecimal() else None


def read_rows(place: Place, data: bytes, row: Document, told: Manifest) -> dict[str, list[Row]]:
    """The rows of a document by table; ``row`` announced it, and ``told`` is the manifest of the release it is read for.

    Raises :class:`SchemaError`, :class:`MixedPhases`.
    """
    document = _READERS[place.kind](data, place.path)
    theirs, ours = (document.event, document.run, document.phase), (told.event, told.run, told.phase)
    if theirs != ours:
        raise MixedPhases(f"is of {'/'.join(theirs)}, while {'/'.join(ours)} is read", address=place.path)
    if document.release > told.release or document.codebook != row.codebook:
        raise SchemaError(
            f"says release {document.release}, codebook {document.codebook}", address=place.path
        )
    rows = rows_of(document)
    for name, of_table in rows.items():
        if any(one[0] != place.owner for one in of_table):
            raise SchemaError(f"tells {name} of something else than {place.owner}", address=place.path)
        if len({TABLES[name].key_of(one) for one in of_table}) != len(of_table):
            raise SchemaError(f"tells one of the {name} twice", address=place.path)
    return rows
