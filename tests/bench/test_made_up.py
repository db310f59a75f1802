"""How fast an election of the size of the country is made up: 15,000 precincts, 6,250 councils, 200,000 candidates.

The yardstick is hashing the same bytes in the same run.
"""

import datetime
import hashlib
import time

from skrutinium_server.rehearsal.made_up import FULL, made_up_definition, made_up_night

MOST = 60 * 10**9
SECOND = 10**9


def test_country_is_made_up_in_a_minute() -> None:
    """Definition and night of the whole country, votes of every candidate in every precinct, take under a minute."""
    start = time.perf_counter_ns()
    definition = made_up_definition(2030, FULL)
    defined = time.perf_counter_ns()
    night = made_up_night(
        definition,
        2030,
        datetime.datetime(2030, 4, 1, 12, 35, tzinfo=datetime.UTC),
        datetime.timedelta(hours=9),
    )
    made = time.perf_counter_ns()
    for due in night:
        hashlib.sha256(due.taken_over.data)
    hashed = time.perf_counter_ns() - made
    size = sum(len(due.taken_over.data) for due in night)
    print(
        f"\nmade up: {len(definition.candidates)} candidates in {(defined - start) / SECOND:.2f} s, {len(night)} protocols "
        f"({size >> 20} MiB) in {(made - defined) / SECOND:.2f} s; {(made - start) / max(1, hashed):.0f} × hashing them"
    )
    assert len(night) > 17_000
    assert made - start < MOST
