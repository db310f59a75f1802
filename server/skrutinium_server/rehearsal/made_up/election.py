"""A made-up election from its settings: its definition and its night."""

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.rehearsal.made_up.errors import MadeUpError
from skrutinium_server.rehearsal.made_up.generator import generator_of
from skrutinium_server.rehearsal.made_up.night import Coming, as_due, coming
from skrutinium_server.rehearsal.made_up.scale import Scale
from skrutinium_server.rehearsal.made_up.second_round import made_up_second_round
from skrutinium_server.rehearsal.made_up.settings import Settings, Wishes
from skrutinium_server.rehearsal.replay import Due


class MadeUp(NamedTuple):
    """An election that never was: what was voted on, and every protocol, made when it is asked for, in the order they come in."""

    definition: Definition
    coming: Iterator[Coming]


def made_up_definition(seed: int, scale: Scale, law: str = "cz-municipal-2018") -> Definition:
    """An election that never was, in an invented country, every name of it marked as made up.

    Elections by all laws vote on one date in the same precincts, in the Senate's election about a third of them. Raises
    ``GeneratorError`` for a law by which none can be made up.
    """
    return generator_of(law).define(seed, scale)


def made_up_election(settings: Settings) -> MadeUp:
    """The election with these settings. Raises ``MadeUpError``, and ``SecondRoundError`` when nobody has to run again."""
    definition = made_up_definition(settings.seed, settings.size(), settings.law)
    wishes = settings.wishes
    if settings.round > 1:
        if load_law(settings.law).majority is None:
            raise MadeUpError(f"the law {settings.law} knows no second round; expected round 1")
        definition = made_up_second_round(definition, settings.seed, settings.rates, wishes)
        wishes = Wishes(lots=wishes.lots)
    length = None if settings.minutes is None else datetime.timedelta(minutes=settings.minutes)
    start = begin(definition) if settings.start is None else settings.start
    return MadeUp(definition, coming(definition, settings.seed, start, length, settings.rates, wishes))


def made_up(settings: Settings) -> tuple[Definition, list[Due]]:
    """:func:`made_up_election` with its protocols as bytes, as they are replayed."""
    election = made_up_election(settings)
    return election.definition, as_due(election.coming, settings.law)


def begin(definition: Definition) -> datetime.datetime:
    """When the first protocol of a night comes in on its own, UTC: some minutes after voting has ended."""
    assert definition.date is not None
    round_ = max((contest.round for contest in definition.contests), default=1)
    minutes = generator_of(definition.law).course(round_).first
    midnight = datetime.datetime.combine(definition.date, datetime.time(), datetime.UTC)
    closed = load_law(definition.law).not_before(definition.date) or midnight
    return closed + datetime.timedelta(minutes=minutes)
