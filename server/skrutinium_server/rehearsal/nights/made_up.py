"""A night that never was: made up from a seed."""

import datetime
from typing import Final

from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.made_up import ScaleError, made_up_definition, made_up_night, scale_of
from skrutinium_server.rehearsal.nights.model import Night

BEGINS: Final = datetime.time(12, tzinfo=datetime.UTC)
LENGTH: Final = datetime.timedelta(hours=9)


def of_seed(law: str, precincts: int, seed: int) -> Night:
    """A made-up night of that many precincts; the same law, number and seed give the same night. Raises :class:`NightError`."""
    try:
        definition = made_up_definition(seed, scale_of(precincts), law)
        assert definition.date is not None
        begins = datetime.datetime.combine(definition.date, BEGINS)
        due = made_up_night(definition, seed, begins, LENGTH)
    except (ScaleError, ValueError) as error:
        raise NightError(
            f"A night of {precincts} precincts by the law {law} cannot be made up: {error}"
        ) from error
    return Night(definition, due, f"made up: {law}, {precincts} precincts, seed {seed}")
