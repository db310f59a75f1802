"""A made-up night in a release store, and a list of recipients, for the tests of the crisis mail."""

import datetime
import hashlib
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from skrutinium_server.crisis.holding import Place
from skrutinium_server.crisis.message import whole
from skrutinium_server.crisis.model import Results
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import New
from skrutinium_server.crisis.reading import SERIES, RunReader
from skrutinium_server.crisis.recipients import Recipient, Recipients, Relay, Sender, Watch
from skrutinium_server.intake.model import Protocol
from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA, Stamp
from skrutinium_server.release.model import Cutting
from skrutinium_server.release.store.model import ZEROS, ManifestRow, Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer
from tests.e2e.made_up import DEFINITION, LAW, PROTOCOLS, START
from tests.feed.made import MadeStore
from tests.release.publishing import Night

RUN = "night"
KEY = SeriesKey(DEFINITION.event, RUN, SERIES)
NOW = datetime.datetime(2030, 10, 5, 20, 0, tzinfo=datetime.UTC)
FIRST_CHECKPOINT = 3
Phase = Literal["test", "rehearsal", "live"]


class _Phased(Night):
    """The documents say the phase of their run, and the time of their release."""

    phase: Phase = "rehearsal"

    def cutting(self) -> Cutting:
        made = super().cutting()
        time = START + datetime.timedelta(minutes=made.number)
        return msgspec.structs.replace(made, phase=self.phase, time=time)


class MadeNight:
    """A release store below ``folder``; release 1 says that nothing is reported, each later one takes a few protocols."""

    def __init__(self, folder: Path, phase: Phase = "rehearsal", signer: Signer | None = None) -> None:
        self.made = MadeStore(folder, signer)
        self.store = self.made.root
        self.phase: Phase = phase
        self.number = 0
        self._night = _Phased(DEFINITION)
        self._night.phase = phase
        self._coming = iter(PROTOCOLS)
        self._in = 0
        self._held: dict[str, ManifestRow] = {}
        self._previous = ZEROS
        self.state()
        self.release()

    def state(self, **changed: Any) -> None:
        """Write the state file, with the run changed so."""
        run = Run(
            DEFINITION.event,
            RUN,
            DEFINITION.name,
            str(DEFINITION.date),
            LAW,
            self.phase,
            True,
            True,
            (SERIES,),
        )
        self.made.runs = {RUN: msgspec.structs.replace(run, **changed)}
        self.made.write_state()

    def release(self, protocols: int = 2, times: int = 1) -> int:
        """Take some protocols and publish, so many times; the number of the newest release."""
        for _ in range(times):
            coming = list(itertools.islice(self._coming, protocols if self.number else 0))
            assert coming or not protocols or not self.number, "all protocols are in"
            for protocol in coming:
                self._night.take(protocol)
            self._in += len(coming)
            self._publish()
        return self.number

    def correct(self, protocol: Protocol) -> int:
        """Publish another version of a protocol that is in."""
        self._night.take(protocol)
        self._publish()
        return self.number

    def large(self, size: int) -> int:
        """Publish a release with a document that does not get below so many bytes."""
        noise = hashlib.shake_256(str(self.number).encode()).hexdigest(size)
        self._publish({"contest/999.xml": f'<contest release="{self.number + 1}">{noise}</contest>'.encode()})
        return self.number

    def _publish(self, more: dict[str, bytes] | None = None) -> None:
        self.number += 1
        documents = sorted((self._night.cut() | (more or {})).items())
        writer = self.made.writer
        rows = writer.put_objects((path, data, SCHEMA, 1) for path, data in documents)
        self._held |= {row.path: row for row in rows}
        time = START + datetime.timedelta(minutes=self.number)
        stamp = Stamp(KEY.event, RUN, self.phase, self.number, time, 1)
        index = self.number == FIRST_CHECKPOINT
        manifest = papers.manifest(
            *(stamp, SERIES, self._previous, self.number, "a" * 64, "interim", len(DEFINITION.polls)),
            *(self._in, index, rows),
        )
        self._previous = hashlib.sha256(manifest).hexdigest()
        writer.publish(KEY, self.number, manifest, documents)
        if index:
            checkpoint = papers.checkpoint(stamp, SERIES, self._previous, self._held.values())
            writer.write_checkpoint(KEY, self.number, checkpoint)
        self.beat(time)

    def beat(self, alive: datetime.datetime) -> None:
        """Write a heartbeat."""
        stamp = Stamp(KEY.event, RUN, self.phase, self.number, alive, 1)
        self.made.writer.write_heartbeat(KEY, papers.heartbeat(stamp, SERIES, self._previous, alive))

    def close(self) -> None:
        """Let the writer's threads end."""
        self.made.close()


def recipients(number: int = 3, **fields: object) -> tuple[Recipient, ...]:
    """Newsrooms that do not exist, in all languages by turns."""
    languages = ("en", "cs", "pl")
    made = [
        Recipient(f"radio-{at}", f"Radio Příklad {at}", f"desk@radio-{at}.example", languages[at % 3])  # type: ignore[arg-type]
        for at in range(number)
    ]
    return tuple(msgspec.structs.replace(one, **fields) for one in made)


def listed(
    port: int, people: Sequence[Recipient], *, watch: Watch | None = None, **relay: object
) -> Recipients:
    """A list of recipients with a relay on this machine."""
    plain = Relay("127.0.0.1", port, "none", timeout=20)
    return Recipients(
        msgspec.structs.replace(plain, **relay),
        Sender(
            "results@organiser.example", "Organiser", ("Duty officer: 0",), ("operator@organiser.example",)
        ),
        watch or Watch(),
        tuple(people),
    )


def write_list(path: Path, told: Recipients) -> Path:
    """The list as a file."""
    path.write_bytes(_toml(msgspec.to_builtins(told)))
    return path


def place(folder: Path, store: Path, told: Recipients) -> Place:
    """Where a crisis mail of a test works."""
    return Place(store, write_list(folder / "recipients.toml", told), folder / "crisis")


def read(store: Path) -> tuple[RunReader, Results]:
    """The made run as the crisis mail reads it."""
    (run,) = StoreReader(store).state()[1]
    reader = RunReader(store, run)
    results = reader.results(run)
    assert results is not None
    return reader, results


def as_sent(new: New) -> bytes:
    """A new message as the relay gets it."""
    return whole(new.head, new.content)


def queued(outbox: Outbox) -> list[bytes]:
    """Every message of an outbox as the relay gets it."""
    return [outbox.bytes_of(one.id) for one in outbox.messages()]


def chance() -> float:
    """A number by chance; a test's own, so that it says nothing about any other."""
    return random.Random(7).random()


def _toml(told: Any) -> bytes:
    """The few kinds of values that a list has."""
    lines: list[str] = []
    for name, part in told.items():
        for table in part if isinstance(part, tuple) else [part]:
            lines.append(f"[[{name}]]" if isinstance(part, tuple) else f"[{name}]")
            lines += [f"{key} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines).encode() + b"\n"


def _value(value: object) -> str:
    return msgspec.json.encode(value).decode()
