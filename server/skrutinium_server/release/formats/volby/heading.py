"""How every document begins: declaration, mark of a run that is not live, root element over three lines."""

import datetime
import re
from typing import Final
from zoneinfo import ZoneInfo

from skrutinium_server.ledger.model import Phase
from skrutinium_server.release.errors import NotIssuable

PRAGUE: Final = ZoneInfo("Europe/Prague")
NAMESPACE: Final = "http://www.volby.cz/kv/"

# As in the real documents: under the first attribute of the root, in batches one column further.
_INDENT: Final = {"VYSLEDKY": 10, "VYSLEDKY_OBEC": 15, "VYSLEDKY_OBCE_OKRES": 21, "VYSLEDKY_OKRSKY": 18}

# A comment must not hold two hyphens in a row, but the name of a run may.
_HYPHENS: Final = re.compile("-(?=-)")


def heading(root: str, xsd: str, time: datetime.datetime, phase: Phase, run: str) -> str:
    """Everything up to and with the start of the root element; ``xsd`` is the schema's file name, ``time`` that of the cut.

    Outside ``live`` a comment says what the document is: the format has no attribute for it.
    Raises :class:`~skrutinium_server.release.errors.NotIssuable` for a time without an offset.
    """
    indent = " " * _INDENT[root]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{_mark(phase, run)}'
        f'<{root} xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        f'{indent}xsi:schemaLocation="{NAMESPACE} {xsd}"\n'
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
