"""How fast an election of the size of the country is made up: 15,000 precincts, 6,250 councils, 200,000 candidates.

Definition and night as bytes, with errors, corrections, lots and ties. The yardstick is hashing the same bytes in the same run.
"""

import hashlib
import time

import pytest

from skrutinium_server.rehearsal.made_up import (
    FULL,
    USUAL,
    Settings,
    Wishes,
    made_up,
    made_up_definition,
    made_up_laws,
)

MOST = 60 * 10**9
SECOND = 10**9
LEAST = {"cz-municipal-2018": 17_000, "cz-senate-2018": 5_000}


@pytest.mark.parametrize("law", made_up_laws())
def test_country_is_made_up_in_a_minute(law: str) -> None:
    """Definition and night of the whole country, votes of every candidate in every precinct, take under a minute."""
    start = time.perf_counter_ns()
    made_up_definition(2030, FULL, law)
    defined = time.perf_counter_ns()
    wanted = Settings(law=law, scale=FULL, seed=2030, rates=USUAL, wishes=Wishes(lots=5, ties=3))
    definition, night = made_up(wanted)
    made = time.perf_counter_ns()
    for due in night:
        hashlib.sha256(due.taken_over.data)
    hashed = time.perf_counter_ns() - made
    size = sum(len(due.taken_over.data) for due in night)
    print(
        f"\nmade up by {law}: definition with {len(definition.candidates)} candidates in {(defined - start) / SECOND:.2f} s; with "
        f"{len(night)} protocols ({size >> 20} MiB) in {(made - defined) / SECOND:.2f} s; {(made - defined) / max(1, hashed):.0f} × "
        "hashing them"
    )
    assert len(night) > LEAST.get(law, 0)
    assert made - defined < MOST
