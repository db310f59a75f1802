"""The night of a live test: read or made up, and its event made known to the site. Reads and writes files."""

import asyncio
import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from skrutinium_server.election.calendar import Entry
from skrutinium_server.election.model import Definition
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import Commands
from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.live_tests.model import WHO
from skrutinium_server.rehearsal.nights import Night, hashes_taken_over, of_ledger, of_seed
from skrutinium_server.rehearsal.playing.model import begins
from skrutinium_server.rehearsal.replay import Due


@dataclass(frozen=True, slots=True)
class Programme:
    """What a live test plays: ``due`` in the event ``event``; ``source`` says for people where it is from."""

    event: str
    due: Sequence[Due]
    source: str

    @property
    def begins(self) -> datetime.datetime:
        """Where the clock of the run starts."""
        return begins(self.due)

    @property
    def length(self) -> datetime.timedelta:
        """How long the night was."""
        return self.due[-1].at - self.begins


def programme(site: Site, entry: Entry) -> Programme:
    """Read or make up what an entry plays, and define its event in the site where it is made up.

    Raises :class:`NightError`, and ``ElectionError`` for a definition that cannot be stored.
    """
    assert entry.plays is not None
    night = _night(site.root, entry)
    event = entry.plays.event or entry.event or night.definition.event
    definition = msgspec.structs.replace(night.definition, event=event)
    known = site.definitions(event).newest()
    if not _equal(known, definition):
        if not definition.made_up or (known is not None and not known.made_up):
            raise NightError(
                f"The live test {entry.id!r} plays {night.source}, which does not rest on the newest definition of the event {event}. "
                "A made-up night needs an event of its own: name one with plays.event. The night of a ledger needs the definition that it had."
            )
        site.define(definition)
    return Programme(event, night.due, night.source)


def _night(root: Path, entry: Entry) -> Night:
    plays = entry.plays
    assert plays is not None
    if plays.ledger is None:
        return of_seed(plays.law, plays.precincts, plays.seed)
    path = root / plays.ledger
    if not path.exists():
        raise NightError(f"The live test {entry.id!r} plays {path}, which is not there.")
    return of_ledger(path)


def _equal(known: Definition | None, definition: Definition) -> bool:
    """Whether both say the same, whatever their numbers are."""
    return known is not None and msgspec.structs.replace(definition, version=known.version) == known


class OnlyPassage:
    """The one passage of a live test, in the run ``run``: opened when it is not there, and gone on with when it is."""

    def __init__(self, site: Site, commands: Commands, run: str, programme: Programme) -> None:
        self._site = site
        self._commands = commands
        self._run = run
        self._programme = programme

    async def begin(self, passage: int) -> int:  # noqa: ARG002 - there is one
        """See :class:`~skrutinium_server.rehearsal.playing.player.Passages`."""
        told = self._programme
        status = await self._commands.ask(do="status")
        if self._run not in status["runs"]:
            await self._commands.ask(
                do="open",
                run=self._run,
                phase="rehearsal",
                event=told.event,
                begins=told.begins.isoformat(),
                gives_back=True,
                by=WHO,
            )
            return 0
        return await asyncio.to_thread(held, self._site.ledger(self._run), told.due)

    async def ask(self, **request: Any) -> dict[str, Any]:
        """See :class:`~skrutinium_server.rehearsal.playing.player.Passages`."""
        return await self._commands.ask(run=self._run, **request)


def held(ledger: Path, due: Sequence[Due]) -> int:
    """How much of a night is in a ledger without a gap; what comes after is brought, whether it is there or not."""
    known = set(hashes_taken_over(ledger))
    for place, row in enumerate(due):
        if hashlib.sha256(row.taken_over.data).hexdigest() not in known:
            return place
    return len(due)
