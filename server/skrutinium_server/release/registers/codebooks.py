"""The codebooks of the project as XML, one document each. Pure: the bytes of the CSV files come in."""

import csv
import io
from collections.abc import Iterator, Mapping

from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.escaping import attribute, text
from skrutinium_server.release.registers.model import SCHEMA, Paper, root


def codebooks(event: str, tables: Mapping[str, bytes], *, made_up: bool) -> Iterator[Paper]:
    """One document a codebook; ``tables`` are the CSV files (UTF-8, ``,``, a header line) by name without ``.csv``.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` for a table without a column ``id``.
    """
    for name, data in sorted(tables.items()):
        head = root("codebook", event, made_up=made_up, more=f' id="{attribute(name)}"')
        yield Paper(f"codebooks/{name}.xml", SCHEMA, head, _items(name, data))


def _items(name: str, data: bytes) -> bytes:
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    if "id" not in (rows.fieldnames or ()):
        raise NotIssuable(f"codebook {name} has no column id; expected one: it is what documents carry")
    parts = []
    for row in rows:
        parts.append(f'<item id="{attribute(row["id"])}">\n')
        parts += (
            f'<value column="{attribute(column)}">{text(value)}</value>\n'
            for column, value in row.items()
            if column != "id" and value
        )
        parts.append("</item>\n")
    return "".join((*parts, "</codebook>\n")).encode()
