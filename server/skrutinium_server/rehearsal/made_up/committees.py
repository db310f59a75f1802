"""Who puts up lists and persons in a made-up election."""

from collections.abc import Iterator
from typing import Final

from skrutinium_server.election.model import Committee
from skrutinium_server.rehearsal.made_up import names

INDEPENDENTS: Final = "9999"
FIRST_PARTY: Final = 9001


def committees() -> Iterator[Committee]:
    """The parties, and one for all independents."""
    for place, name in enumerate(names.PARTIES):
        yield Committee(str(FIRST_PARTY + place), name)
    yield Committee(INDEPENDENTS, names.INDEPENDENTS)
