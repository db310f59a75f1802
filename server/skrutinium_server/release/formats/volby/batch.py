"""The body of a batch: every protocol that came in since the batch before, as it was taken over."""

import datetime
from collections.abc import Container, Iterator, Mapping, Sequence

from skrutinium_server.election.model import Precinct
from skrutinium_server.release.formats.volby.heading import local
from skrutinium_server.release.formats.volby.plan import Plan
from skrutinium_server.release.formats.volby.turnout import Turnout
from skrutinium_server.release.model import Arrival


def published(arrivals: Sequence[Arrival], contests: Container[str]) -> list[Arrival]:
    """Those arrivals of ``contests`` that belong into a batch, by ``PORADI_ZPRAC``.

    A version older than what counts already is left out: programs exist that take the last record of a precinct for
    the valid one, and the order of ``PORADI_ZPRAC`` is all that tells them. It stays in the ledger and in ``skrutinium``.
    """
    chosen = [
        arrival
        for arrival in arrivals
        if arrival.body.protocol.contest in contests and not _outdated(arrival)
    ]
    return sorted(chosen, key=lambda arrival: (arrival.body.protocol.sequence, arrival.position))


def batch(
    number: int,
    date: datetime.date | None,
    records: Sequence[Arrival],
    expected: int,
    reported: int,
    plan: Plan,
    precincts: Mapping[str, Precinct],
    turnout: Turnout,
) -> Iterator[str]:
    """``DAVKA`` and one ``OKRSEK`` for each record; ``expected`` and ``reported`` count the records of the whole event."""
    held = "" if date is None else f' DATUMVOLEB="{date:%Y%m%d}"'
    yield (
        f'<DAVKA{held} PORADI_DAVKY="{number}" OKRSKY_DAVKA="{len(records)}" OKRSKY_CELKEM="{expected}"'
        f' OKRSKY_ZPRAC="{reported}"/>\n'
    )
    numbers = {
        district.id: district.number for council in plan.councils.values() for district in council.districts
    }
    for record in records:
        protocol = record.body.protocol
        precinct = precincts[protocol.precinct]
        yield (
            f'<OKRSEK CIS_OBEC="{precinct.area}" CIS_OKRSEK="{precinct.number}" KODZASTUP="{protocol.contest}"'
            f' CIS_OBVODU="{numbers[protocol.district]}" OZNAC_TYPU="{plan.councils[protocol.contest].type}"'
            f' PORADI_ZPRAC="{protocol.sequence}" DATUM_CAS_ZPRAC="{local(protocol.established)}"'
            f' OPAKOVANE="{int(protocol.repeated)}">\n'
        )
        yield turnout.precinct(protocol.figures)
        for entry in protocol.lists:
            yield f'<HLASY_OKRSEK POR_STR_HLAS_LIST="{entry.number}" HLASY="{entry.votes}"/>\n'
        yield "</OKRSEK>\n"


def _outdated(arrival: Arrival) -> bool:
    return arrival.body.version > 1 and arrival.body.supersedes is None
