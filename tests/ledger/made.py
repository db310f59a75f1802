"""Made-up admissions for the tests of the ledger."""

import datetime
import hashlib

from skrutinium_server.intake.model import Admission, ListVotes, Origin, Protocol, TakenOver
from skrutinium_server.ledger.model import Cut, Opened

NIGHT = datetime.datetime(2030, 10, 5, 12, tzinfo=datetime.UTC)
OPENED = Opened("kv2030", "night", "test", 1, "a" * 64, "cz-municipal-2018", "b" * 64, NIGHT)
RECORD = (
    '<OKRSEK CIS_OBEC="{area}" CIS_OKRSEK="{precinct}" KODZASTUP="{area}" CIS_OBVODU="1" OZNAC_TYPU="OBEC" '
    'PORADI_ZPRAC="{sequence}" DATUM_CAS_ZPRAC="2030-10-05T14:00:00" OPAKOVANE="0">\r\n'
    '<UCAST_OKRSEK ZAPSANI_VOLICI="900" VYDANE_OBALKY="400" ODEVZDANE_OBALKY="399" PLATNE_HLASY="{valid}"/>\r\n{lists}</OKRSEK>'
)


def admission(
    number: int, sequence: int | None = None, votes: int = 150, path: str = "import", lists: int = 8
) -> Admission:
    """The protocol of precinct `number` with the same votes for each list, of the size Czech protocols have."""
    sequence = number if sequence is None else sequence
    area = str(500_000 + number // 10)
    rows = "".join(
        f'<HLASY_OKRSEK POR_STR_HLAS_LIST="{n}" HLASY="{votes}"/>\r\n' for n in range(1, lists + 1)
    )
    data = RECORD.format(
        area=area, precinct=number, sequence=sequence, valid=lists * votes, lists=rows
    ).encode("ascii")
    figures = {"eligible": 900, "issued": 400, "returned": 399, "valid-votes": lists * votes}
    protocol = Protocol(
        f"{area}-{number}",
        area,
        f"{area}.1",
        sequence,
        NIGHT,
        figures,
        tuple(ListVotes(n, votes) for n in range(1, lists + 1)),
    )
    source = hashlib.sha256(b"batch").hexdigest()
    return Admission(
        protocol,
        TakenOver(data, "volby-batches", "ISO-8859-2", "1.xml", source, 400 * number),
        Origin("volby.cz", path),
    )


def cut(number: int, series: str = "skrutinium") -> Cut:
    """A cut of a series."""
    return Cut(series, number, "test", "0.1", 1, False, None, NIGHT)
