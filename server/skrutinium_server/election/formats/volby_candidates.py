"""The candidates' register ``kvrk`` of Czech municipal elections."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from skrutinium_server.election.formats.csv_table import Row
from skrutinium_server.election.model import Candidate

CANDIDATE_COLUMNS: Final = (
    *("KODZASTUP", "COBVODU", "OSTRANA", "PORCISLO", "JMENO", "PRIJMENI", "TITULPRED", "TITULZA", "VEK"),
    "PLATNOST",
)

STANDING: Final = {"A": True, "N": False, "0": True, "1": False, "2": False}
"""``PLATNOST``: who stands, in letters; registers of 2014 have 0 for those who stand and 1 or 2 for the others."""


def read_candidates(
    found: Iterable[Row], numbers: Mapping[tuple[str, str], int], without: Collection[str]
) -> tuple[tuple[Candidate, ...], dict[tuple[str, str], int] | None]:
    """The candidates, and how many stand on each list by (district, ``OSTRANA``); None when the register has no rows: nothing is known then.

    ``numbers`` gives the ballot number of each list, 0 when unknown: candidates of such lists are counted but left out,
    because a candidate is known by the list's number. ``without`` are councils that hold no election. Raises ``SourceError`` naming line and column.
    """
    candidates = []
    standing: Counter[tuple[str, str]] = Counter()
    told = False
    for row in found:
        told = True
        council = row.text("KODZASTUP")
        if council in without:
            continue
        district = f"{council}.{row.number('COBVODU', least=1, most=99)}"
        key = (district, str(row.number("OSTRANA", least=1)))
        if key not in numbers:
            raise row.error("OSTRANA", f"{key[1]} is no list of district {district}", "a list of kvros")
        active = STANDING[row.one_of("PLATNOST", STANDING)]
        standing[key] += active
        if numbers[key]:
            age = None if row.maybe("VEK") is None else row.number("VEK", most=150)
            candidates.append(
                Candidate(
                    contest=council,
                    district=district,
                    list=numbers[key],
                    number=row.number("PORCISLO", least=1, most=999),
                    given_name=row.maybe("JMENO") or "",
                    family_name=row.text("PRIJMENI"),
                    title_before=row.maybe("TITULPRED") or "",
                    title_after=row.maybe("TITULZA") or "",
                    age=age,
                    active=active,
                )
            )
    return tuple(candidates), dict(standing) if told else None
