"""A made-up night in a release store, made by the real counting and the real publishers, step by step."""

import asyncio
import datetime
import itertools
from pathlib import Path

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import Origin
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from skrutinium_server.process.clock import RunClock
from skrutinium_server.process.counting import Counting
from skrutinium_server.process.opening import prepare_run
from skrutinium_server.process.publisher import WRITERS
from skrutinium_server.process.settings import SERIES
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import Scale, made_up_definition, made_up_night
from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.publisher import Publisher
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.tally import Tally

START = datetime.datetime(2030, 4, 1, 14, tzinfo=datetime.UTC)
SCALE = Scale(regions=1, counties=2, councils=6, precincts=14, wards=(2,))


def made_up(law: str = "cz-municipal-2018") -> Definition:
    """The definition of a small made-up election."""
    return made_up_definition(3, SCALE, law=law)


class Night:
    """A site whose night is counted step by step: ``take`` protocols, ``cut`` releases."""

    def __init__(self, folder: Path, definition: Definition | None = None, *, resends: int = 2_000) -> None:
        definition = definition or made_up()
        self.definition = definition
        self.site = Site.create(folder / "site")
        self.site.define(definition)
        prepare_run(self.site, "night", "rehearsal")
        self.store = self.site.store
        self.key = SeriesKey(definition.event, "night", "skrutinium")
        self._writer = StoreWriter(self.store, self.site.signer())
        index, law = DefinitionIndex(definition), load_law(definition.law)
        self._runner = asyncio.Runner()
        invented = msgspec.structs.replace(definition, made_up=True)
        night = made_up_night(invented, 3, START, datetime.timedelta(hours=1), resends=resends)
        self.left = len(night)
        self._night = iter(night)
        ledger = SqliteLedger.create(self.site.ledger("night"), self.site.run("night").opened(START))
        self._counting = Counting(
            self.site.basis("night"),
            self.site.settings(),
            ledger,
            RunClock(lambda: START, lambda: 0.0),
            lambda: 0.0,
        )
        self._states = 0
        self.tell()
        self._publishers = [
            Publisher(
                self.site.series_key("night", series),
                SqliteReader(self.site.ledger("night")),
                Tally(index, law),
                WRITERS[series](self.site.basis("night")),
                Validator(),
                StoreReader(self.store),
                self._writer,
            )
            for series in SERIES
        ]
        self._time = START
        self.cut()

    def tell(self, *, phase: str = "rehearsal", not_before: datetime.datetime | None = None) -> None:
        """Write the state file, as a run of another phase if need be."""
        self._states += 1
        run = Run(
            event=self.definition.event,
            id="night",
            name=self.definition.name,
            date=str(self.definition.date),
            law=self.definition.law,
            phase=phase,
            open=True,
            current=True,
            series=SERIES,
        )
        told = msgspec.structs.replace(run, not_before=not_before)
        self._writer.write_state(papers.feed_state(self._states, START, [told]))

    def take(self, protocols: int) -> None:
        """So many protocols come in."""
        brought = [due.taken_over for due in itertools.islice(self._night, protocols)]
        self.left -= len(brought)
        self._runner.run(self._counting.take(brought, Origin(who="test", path="import")))

    def cut(self, *, checkpoint: bool = True) -> None:
        """Publish what has come in, in every series, each a minute after the one before."""
        self._time += datetime.timedelta(minutes=1)
        for publisher in self._publishers:
            series = publisher.key.series
            self._runner.run(self._counting.cut(series, self._time, series == "volby", checkpoint))
            publisher.catch_up()
            while publisher.write_checkpoint():
                pass
            publisher.heartbeat(self._time)

    def whole(self) -> None:
        """All that is left comes in, in two releases."""
        self.take(self.left // 2)
        self.cut(checkpoint=False)
        self.take(self.left)
        self.cut()

    def close(self) -> None:
        """Let go of everything."""
        self._runner.run(self._counting.close())
        self._runner.close()
        self._writer.close()
