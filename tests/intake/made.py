"""A made-up batch, its definition, and what the tests of the intake vary."""

from skrutinium_server.election.formats.volby_batches import read_batches
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.intake.formats.volby_batches import Batch, read_batch
from skrutinium_server.intake.model import Origin

LAW = load_law("cz-municipal-2018")
ORIGIN = Origin("volby.cz", "import")
RECORDS = (
    (
        '<OKRSEK CIS_OBEC="500011" CIS_OKRSEK="1" KODZASTUP="500011" CIS_OBVODU="1" OZNAC_TYPU="OBEC" PORADI_ZPRAC="1" '
        'DATUM_CAS_ZPRAC="2030-10-05T14:31:34" OPAKOVANE="0">\r\n'
        '<UCAST_OKRSEK ZAPSANI_VOLICI="100" VYDANE_OBALKY="50" ODEVZDANE_OBALKY="49" PLATNE_HLASY="300"/>\r\n'
        '<HLASY_OKRSEK POR_STR_HLAS_LIST="1" HLASY="200"/>\r\n<HLASY_OKRSEK POR_STR_HLAS_LIST="2" HLASY="100"/>\r\n</OKRSEK>'
    ),
    (
        '<OKRSEK CIS_OBEC="500012" CIS_OKRSEK="7" KODZASTUP="500012" CIS_OBVODU="2" OZNAC_TYPU="MCMO" PORADI_ZPRAC="2" '
        'DATUM_CAS_ZPRAC="2030-10-05T14:32:00" OPAKOVANE="true">\r\n'
        '<UCAST_OKRSEK ZAPSANI_VOLICI="10" VYDANE_OBALKY="5" PLATNE_HLASY="0"/>\r\n</OKRSEK>'
    ),
)


def batch_bytes(
    *records: str,
    declaration: str = '<?xml version="1.0" encoding="ISO-8859-2"?>\r\n',
    count: int | None = None,
) -> bytes:
    """A whole batch around records."""
    announced = len(records) if count is None else count
    return (
        f'{declaration}<VYSLEDKY_OKRSKY xmlns="http://www.volby.cz/kv/" DATUM_CAS_GENEROVANI="2030-10-05T14:34:00">\r\n'
        f'<DAVKA DATUMVOLEB="20301004" PORADI_DAVKY="1" OKRSKY_DAVKA="{announced}" OKRSKY_CELKEM="9" OKRSKY_ZPRAC="2"/>\r\n'
        + "\r\n".join(records)
        + "\r\n</VYSLEDKY_OKRSKY>\r\n"
    ).encode("ascii")


def read(data: bytes) -> Batch:
    """The batch that those bytes are."""
    batch = read_batch(data, "1.xml", LAW)
    assert isinstance(batch, Batch)
    return batch


WHOLE = batch_bytes(*RECORDS)
INDEX = DefinitionIndex(read_batches(LAW, [("1.xml", WHOLE)]).definition)
