"""The row format of the Czech registers: one element a row, fields as child elements, what is empty left out.

XML in UTF-8 as the office publishes it since 2018, and CSV in the office's own flavour: windows-1250, ``;``, a header line.
Pure. Source: the documents themselves (``kvdruhz``, ``ctypduvv``, ``serk``, ``cns``).
"""

import csv
import io
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from skrutinium_server.release.formats.escaping import text
from skrutinium_server.release.formats.volby.heading import local
from skrutinium_server.release.registers.model import Edition, Paper

Values = Sequence[str | int | None]
"""A row in the order of its entity's columns; None or an empty text: the field is left out."""

_NAMESPACES: Final = {
    "kv": "http://www.volby.cz/kv/",
    "se": "http://www.volby.cz/se/",
    "vol": "http://www.volby.cz/vol/",
}
MADE_UP: Final = "<!-- MADE UP: not a real election -->\n"


class Entity(NamedTuple):
    """A register: its file name, root element, prefix of its namespace, and columns in order."""

    name: str
    root: str
    space: str
    columns: tuple[str, ...]


def papers(entity: Entity, rows: Sequence[Values], *, made_up: bool) -> Iterator[Paper]:
    """The register as ``rows/NAME.csv`` and ``rows/NAME.xml``."""
    yield Paper(f"rows/{entity.name}.csv", None, lambda _: b"", _csv(entity, rows))
    schema = f"volby/1/rows/{entity.name}.xsd"
    yield Paper(f"rows/{entity.name}.xml", schema, _head(entity, made_up=made_up), _xml(entity, rows))


def _head(entity: Entity, *, made_up: bool) -> Callable[[Edition], bytes]:
    space = _NAMESPACES[entity.space]
    mark = MADE_UP if made_up else ""

    def head(edition: Edition) -> bytes:
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n{mark}<{entity.root} DATGENER="{local(edition.time)}" '
            f'xmlns="{space}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            f'xsi:schemaLocation="{space} {entity.name}.xsd">\n'
        ).encode()

    return head


def _xml(entity: Entity, rows: Sequence[Values]) -> bytes:
    tags = [(f"  <{column}>", f"</{column}>\n") for column in entity.columns]
    opening, closing = f" <{entity.root}_ROW>\n", f" </{entity.root}_ROW>\n"
    parts: list[str] = []
    for row in rows:
        parts.append(opening)
        for (before, after), value in zip(tags, row, strict=True):
            if value is None or value == "":
                continue
            shown = text(value) if isinstance(value, str) else str(value)
            parts.append(f"{before}{shown}{after}")
        parts.append(closing)
    parts.append(f"</{entity.root}>\n")
    return "".join(parts).encode()


def _csv(entity: Entity, rows: Sequence[Values]) -> bytes:
    table = io.StringIO(newline="")
    writer = csv.writer(table, delimiter=";", lineterminator="\n")
    writer.writerow(entity.columns)
    writer.writerows(rows)
    return windows_1250(table.getvalue())


def windows_1250(told: str) -> bytes:
    """Text in windows-1250; a letter that it lacks is written without its marks, and ``?`` where nothing is left of it."""
    try:
        return told.encode("cp1250")
    except UnicodeEncodeError:
        return "".join(map(_plain, told)).encode("cp1250", "replace")


def _plain(letter: str) -> str:
    try:
        letter.encode("cp1250")
    except UnicodeEncodeError:
        return "".join(
            part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part)
        )
    return letter
