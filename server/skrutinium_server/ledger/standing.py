"""How final the results of a run are: what follows what. Pure.

``counted`` (interim or complete, by the count itself) → ``final`` → ``certified`` → ``corrected``. The first two steps are
declared by people; the last one is taken by a protocol that changes something after the certification.
Sources: requirement M8, design § 4.5.
"""

from typing import Final, Literal

import msgspec

from skrutinium_server.ledger.errors import RefusedError


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """Nothing is declared: interim while protocols are out, complete when all are in."""


class DeclaredFinal(msgspec.Struct, frozen=True, tag="final"):
    """The results are said to be final."""


class Certified(msgspec.Struct, frozen=True, tag="certified"):
    """The results are certified."""


class Corrected(msgspec.Struct, frozen=True, tag="corrected"):
    """Certified results were changed afterwards."""


Standing = Counted | DeclaredFinal | Certified | Corrected

COUNTED: Final = Counted()


def declare(standing: Standing, state: Literal["final", "certified"]) -> Standing:
    """The standing after a declaration; raises :class:`RefusedError` naming what is expected next."""
    match standing, state:
        case Counted(), "final":
            return DeclaredFinal()
        case DeclaredFinal(), "certified":
            return Certified()
        case Counted(), _:
            expected = "final: certified comes after it"
        case DeclaredFinal(), _:
            expected = "certified: they are final already"
        case _:
            expected = "nothing more: a change of certified results makes them corrected by itself"
    raise RefusedError(f"The results were to be declared {state}; expected {expected}.", code="ledger-state")


def change(standing: Standing) -> Standing:
    """The standing after a protocol replaced another in what is published."""
    return Corrected() if isinstance(standing, Certified) else standing
