"""From an address to its answer: at once when it is in memory, otherwise what has to be read first.

Nothing here waits. A faster front can ask :meth:`Answers.look_up` alone and hand everything else on.
"""

import datetime
from collections.abc import Callable
from typing import Final

from skrutinium_server.feed.addresses import (
    Address,
    Archive,
    Changes,
    ContractFile,
    Heartbeat,
    KeyFile,
    NoticesFile,
    ObjectByHash,
    Page,
    Place,
    Push,
    ReceiptsOf,
    RegistersFile,
    StateFile,
    VolbyFile,
    VolbyProcedure,
)
from skrutinium_server.feed.choosing import Choice, Chosen, Territory
from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.contract import contract_file, kind_of
from skrutinium_server.feed.memory import Fetch, Found, Memory, Next
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.permission import RunKey
from skrutinium_server.feed.recalling import Recalling
from skrutinium_server.feed.refusals import (
    NO_DOCUMENT,
    NO_EVENT,
    NO_NOTICES,
    NO_REGISTERS,
    NOT_FOUND,
    NOTHING_YET,
    XML,
    Refusal,
)
from skrutinium_server.feed.registers import INDEX, EventRegisters, RegistersPast
from skrutinium_server.feed.released import InSeries, Released, lasting
from skrutinium_server.feed.representation import (
    CONTRACT,
    IMMUTABLE,
    NEWEST,
    Answer,
    OnDisk,
    StoredAnswer,
    marks,
)
from skrutinium_server.feed.shelf import Published, Shelved
from skrutinium_server.feed.volby import Asked, earlier, not_yet
from skrutinium_server.feed.volby import ask as ask_volby
from skrutinium_server.feed.volby import run_of as volby_run
from skrutinium_server.release.store.model import SeriesKey

_VOLBY: Final = b"Access-Control-Allow-Origin: *\r\nCache-Control: max-age=5, must-revalidate\r\n"


class Answers:
    """Looks addresses up in what is published; ``published`` is replaced as a whole."""

    def __init__(self, past: Past, memory: Memory, now: Callable[[], datetime.datetime]) -> None:
        self.published = Published()
        self._past = past
        self._registers_past = RegistersPast(past.reader)
        self._memory = memory
        self._recalling = Recalling(past, memory)
        self._released = Released(past, memory, self._recalling)
        self._now = now

    def shelved(self, place: Place) -> Shelved | Refusal:
        """The series that a place names."""
        key = self.key(place)
        if isinstance(key, Refusal):
            return key
        return self.published.series.get(key, NOTHING_YET)

    def key(self, place: Place) -> SeriesKey | Refusal:
        """The key of the series that a place names, whether it has a release or not."""
        run = self.published.run(place.event, place.run)
        if run is None or place.series not in run.series:
            return NO_EVENT
        return SeriesKey(place.event, run.id, place.series)

    def run_of(self, address: Address) -> RunKey | Refusal | None:
        """The run that an address reads, None when it is public to all who are admitted, or why there is none.

        An object may belong to several runs: :meth:`run_of_object` tells it.
        """
        match address:
            case (
                StateFile()
                | KeyFile()
                | ContractFile()
                | Page()
                | ObjectByHash()
                | RegistersFile()
                | NoticesFile()
                | ReceiptsOf()
            ):
                return None
            case VolbyProcedure() | VolbyFile():
                run = volby_run(address, self.published)
                return None if run is None else (run.event, run.id)
            case _:
                key = self.key(address.place)
                return key if isinstance(key, Refusal) else (key.event, key.run)

    def earlier(self, address: Address) -> Address | None:
        """An address of the first round instead, where this one of ``volby`` reads the second; else None."""
        if isinstance(address, VolbyProcedure | VolbyFile):
            return earlier(address, self.published)
        return None

    def volby_not_yet(self, address: VolbyProcedure | VolbyFile, refusal: Refusal) -> Refusal:
        """What an address of ``volby`` answers before its run may be read."""
        run = volby_run(address, self.published)
        return refusal if run is None else not_yet(address, run, self._now(), refusal)

    def look_up(self, address: Address, coding: Coding) -> Found:
        """The answer to an address, a refusal, or what has to be fetched first."""
        match address:
            case StateFile():
                state = self.published.state
                return NOTHING_YET if state is None else Answer(state, NEWEST)
            case NoticesFile():
                notices = self.published.notices_file
                return NO_NOTICES if notices is None else Answer(notices, NEWEST)
            case RegistersFile():
                return self._registers(address, coding)
            case KeyFile(key_id=key_id, signature=signature):
                return self._recalling.recall(
                    ("key", key_id, signature), lambda: self._past.key(key_id, signature), NEWEST
                )
            case ObjectByHash(sha256=sha256):
                return self._recalling.document(sha256, coding, IMMUTABLE)
            case ContractFile(segments=segments):
                return self._recalling.recall(
                    ("contract", segments, coding), lambda: contract_file(segments, coding), CONTRACT
                )
            case VolbyProcedure() | VolbyFile():
                return self._volby(ask_volby(address, self.published, self._now()), coding)
            case Heartbeat(place=place):
                return self._heartbeat(place)
            case Push() | Page() | Archive() | ReceiptsOf():
                return NOT_FOUND  # not documents: streams, what is made for each request, what is only sent, and files that are not read whole
            case _:
                series = self.shelved(address.place)
                return series if isinstance(series, Refusal) else self._in_series(series, address, coding)

    def _in_series(self, series: Shelved, address: InSeries, coding: Coding) -> Found:
        if isinstance(address, Changes) and address.choice is not None:
            event, choice = address.place.event, address.choice
            return self.chosen(
                event, choice, lambda chosen: self._released.look_up(series, address, coding, chosen)
            )
        return self._released.look_up(series, address, coding)

    def chosen(
        self, event: str, choice: Choice | None, then: Callable[[Chosen], Next]
    ) -> Next | Refusal | Fetch:
        """Go on with the documents that a choice stands for."""
        if choice is None or not choice.located:
            return then(Chosen(paths=frozenset(choice.paths if choice else ())))
        registers = self.published.registers.get(event)
        if registers is None:
            return NO_REGISTERS

        def choose(territory: Territory | Refusal) -> Chosen | Refusal:
            return territory if isinstance(territory, Refusal) else territory.chosen(choice)

        def located(territory: Territory | Refusal) -> Next | Refusal | Fetch:
            name = ("chosen", event, registers.sha256, choice)
            return self._memory.recall(
                name,
                lambda: choose(territory),
                lambda chosen: chosen if isinstance(chosen, Refusal) else then(chosen),
            )

        return self._memory.recall(
            ("territory", event, registers.sha256),
            lambda: self._registers_past.territory(registers),
            located,
        )

    def _heartbeat(self, place: Place) -> Found:
        key = self.key(place)
        if isinstance(key, Refusal):
            return key
        held = self.published.heartbeats.get(key)
        if held is None:
            return NOTHING_YET
        series = self.published.series.get(key)
        return Answer(held, (series.marks if series else b"") + NEWEST)

    def stored(self, address: Archive, number: int, file: OnDisk) -> StoredAnswer | Refusal:
        """An archive that was found, with what is said of it."""
        key = self.key(address.place)
        if isinstance(key, Refusal):
            return key
        run = self.published.run(key.event, key.run)
        caching = NEWEST if address.number is None else lasting(address.place)
        return StoredAnswer(file, marks(key.run, run.phase if run else "", number) + caching)

    def _registers(self, address: RegistersFile, coding: Coding) -> Found:
        event, version = address.event, address.version
        newest = self.published.registers.get(event)
        if newest is None:
            return NO_REGISTERS
        if version is None:
            return self._in_registers(newest, address.path, coding)
        past = self._registers_past
        return self._memory.recall(
            # A later edition of the same version, or a later index before the same time, comes with a newest one.
            ("registers", event, version, address.edition, newest.sha256),
            lambda: (
                past.numbered(event, version, address.edition)
                if isinstance(version, int)
                else past.at(event, version)
            ),
            lambda held: (
                held if isinstance(held, Refusal) else self._in_registers(held, address.path, coding)
            ),
        )

    def _in_registers(self, registers: EventRegisters, path: str, coding: Coding) -> Found:
        lines = b"Skrutinium-Registers: %d\r\n" % registers.number + NEWEST
        if path == INDEX:
            held = registers.gzipped if coding == "gzip" else registers.plain
            return Answer(held, lines, registers.modified)
        if path == f"{INDEX}.sig":
            return Answer(registers.signature, lines, registers.modified)
        row = registers.rows.get(path)
        if row is None:
            return NO_DOCUMENT
        kind = kind_of(path)
        if kind == XML:
            return self._recalling.document(row.sha256, coding, lines, registers.modified)
        packed = "identity" if path.endswith(".zip") else coding
        return self._recalling.recall(
            ("register", row.sha256, kind, packed),
            lambda: self._past.file(row.sha256, packed, kind, path.endswith(".zip")),
            lines,
            registers.modified,
        )

    def _volby(self, asked: Asked | Refusal, coding: Coding) -> Found:
        if isinstance(asked, Refusal):
            return asked
        return self._released.newest(asked.series, asked.path, coding, asked.series.marks + _VOLBY)
