"""How every document begins: declaration, mark of a run that is not live, root element over three lines."""

import datetime
import re
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

from skrutinium_server.ledger.model import Phase
from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.model import Cutting, Document

SCHEMAS: Final = "volby/1/"
"""Where the schemas lie below ``xsd/``."""

PRAGUE: Final = ZoneInfo("Europe/Prague")
COUNCILS: Final = "http://www.volby.cz/kv/"
SENATE: Final = "http://www.volby.cz/senat/"

Encoding = Literal["utf-8", "iso-8859-2"]
"""In which encoding a run's documents are; the source used both."""

_DECLARED: Final[dict[Encoding, str]] = {"utf-8": "UTF-8", "iso-8859-2": "iso-8859-2"}

# As in the real documents: under the first attribute of the root, in batches one column further.
_INDENT: Final = {
    "VYSLEDKY": 10,
    "VYSLEDKY_OBEC": 15,
    "VYSLEDKY_OBCE_OKRES": 21,
    "VYSLEDKY_OBCE_OBVOD": 21,
    "VYSLEDKY_OKRSKY": 18,
}

# A comment must not hold two hyphens in a row, but the name of a run may.
_HYPHENS: Final = re.compile("-(?=-)")


@dataclass(frozen=True, slots=True)
class Form:
    """What all documents of one run share: namespace and encoding."""

    namespace: str = COUNCILS
    encoding: Encoding = "utf-8"

    def bytes_of(self, text: str) -> bytes:
        """The text in this encoding; a character that it lacks is written as a reference to its number."""
        return text.encode(self.encoding, "xmlcharrefreplace")

    def document(self, path: str, root: str, xsd: str, body: bytes, cutting: Cutting) -> Document:
        """A whole document around ``body``, which is in this encoding; ``xsd`` is the file name of its schema."""
        opening = self.bytes_of(heading(root, xsd, cutting.time, cutting.phase, cutting.run, self))
        return Document(path, b"".join((opening, body, f"</{root}>\n".encode("ascii"))), SCHEMAS + xsd)


PLAIN: Final = Form()


def heading(root: str, xsd: str, time: datetime.datetime, phase: Phase, run: str, form: Form = PLAIN) -> str:
    """Everything up to and with the start of the root element; ``xsd`` is the schema's file name, ``time`` that of the cut.

    Outside ``live`` a comment says what the document is: the format has no attribute for it.
    Raises :class:`~skrutinium_server.release.errors.NotIssuable` for a time without an offset.
    """
    indent = " " * _INDENT[root]
    return (
        f'<?xml version="1.0" encoding="{_DECLARED[form.encoding]}"?>\n{_mark(phase, run)}'
        f'<{root} xmlns="{form.namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        f'{indent}xsi:schemaLocation="{form.namespace} {xsd}"\n'
        f'{indent}DATUM_CAS_GENEROVANI="{local(time)}">\n'
    )


def local(time: datetime.datetime) -> str:
    """An aware time as the feeds write it: Prague time without a zone, to the second."""
    if time.utcoffset() is None:
        raise NotIssuable(
            f"time {time.isoformat()} has no offset; expected an aware time such as 2018-10-06T14:03:00Z"
        )
    return time.astimezone(PRAGUE).replace(microsecond=0, tzinfo=None).isoformat()


def _mark(phase: Phase, run: str) -> str:
    if phase == "live":
        return ""
    return f"<!-- {phase.upper()}: run {_HYPHENS.sub('- ', run)}, not a real election -->\n"
