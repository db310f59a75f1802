"""The index ``registers.xml``: names every document with its hash, and what is another than in the index before."""

from collections.abc import Mapping, Sequence

from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.stamp import utc
from skrutinium_server.release.registers.model import Edition, root
from skrutinium_server.release.store.registers import RegisterRow


def index(
    event: str,
    edition: Edition,
    rows: Sequence[RegisterRow],
    before: Mapping[str, RegisterRow],
    *,
    number: int,
    previous: str,
    made_up: bool,
) -> bytes:
    """The index of ``rows``; ``before`` are those of the index before by path, ``previous`` is the hash of its bytes.

    ``number`` counts how often the registers of this definition were published.
    """
    head = root("registers", event, made_up=made_up, more=f' edition="{number}" previous="{previous}"')
    parts = []
    for row in sorted(rows, key=lambda row: row.path):
        known = before.get(row.path)
        schema = f' schema="{attribute(row.schema)}"' if row.schema else ""
        changed = "" if known is not None and known.sha256 == row.sha256 else ' changed="true"'
        parts.append(
            f'<document path="{attribute(row.path)}" size="{row.size}" sha256="{row.sha256}"{schema} '
            f'definition="{row.definition}" definition-sha256="{row.definition_sha256}" '
            f'time="{utc(row.time)}"{changed}/>\n'
        )
    gone = sorted(before.keys() - {row.path for row in rows})
    parts += (f'<removed path="{attribute(path)}"/>\n' for path in gone)
    return head(edition) + "".join((*parts, "</registers>\n")).encode()
