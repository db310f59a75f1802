"""A night that never was: made up from a seed."""

from typing import Final

import msgspec

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.rehearsal.errors import NightError, RehearsalError
from skrutinium_server.rehearsal.made_up import USUAL, Rates, Settings, made_up
from skrutinium_server.rehearsal.nights.model import Night

RATES: Final = msgspec.structs.replace(USUAL, refused=0)
"""A usual night without what is refused at the door, which no reader sees."""


def of_settings(settings: Settings) -> Night:
    """The made-up night that ``settings`` describe; the same settings give the same night. Raises :class:`NightError`."""
    try:
        definition, due = made_up(settings)
    except (RehearsalError, ElectionError, ValueError) as error:
        raise NightError(
            f"A night of {settings.precincts} precincts by the law {settings.law} cannot be made up: {error}"
        ) from error
    return Night(
        definition,
        due,
        f"made up: {settings.law}, {len(definition.precincts)} precincts, seed {settings.seed}",
    )


def of_seed(law: str, precincts: int, seed: int, rates: Rates = RATES) -> Night:
    """A made-up night of that many precincts, with corrections and what is sent again. Raises :class:`NightError`."""
    try:
        settings = Settings(law=law, precincts=precincts, seed=seed, rates=rates)
    except (RehearsalError, ValueError) as error:
        raise NightError(f"A night of {precincts} precincts cannot be made up: {error}") from error
    return of_settings(settings)
