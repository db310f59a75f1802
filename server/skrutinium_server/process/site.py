"""The site: one folder that holds everything of its events. The only module that knows its layout.

Source: docs/architecture.md.
"""

import contextlib
import datetime
import fcntl
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from skrutinium_server.authority.settings import LetterSettings, SubscriberSettings
from skrutinium_server.election.law import Law, law_sha256, load_law
from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import IDENTIFIER, Definition
from skrutinium_server.election.store import DefinitionStore
from skrutinium_server.feed.settings import DEFAULTS, FeedSettings
from skrutinium_server.ledger.model import Phase
from skrutinium_server.process.basis import Basis, RunRecord, read_basis
from skrutinium_server.process.errors import RunError, SiteError
from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.formats.volby.heading import Encoding
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.store.writing import StoreWriter, write_whole

SERIES = ("skrutinium", "volby")
"""Every series that can be published."""

RESERVED = frozenset({"registers"})
"""Names beside the runs in a release store, which no run may have."""

ACCESS = """\
# Who may read the feed. Addresses that no range holds get nothing but a refusal and /access.
# The feed reads this file again when it changes; a broken file keeps the last good list.
number = 1

[[subscriber]]
id = "this-machine"
name = "This machine"
live = ["127.0.0.0/8", "::1"]
"""

SETTINGS = """\
# Settings of this site. A missing line means the value shown here.

[release]
# Least seconds between two releases of the series skrutinium, by the wall clock.
skrutinium_seconds = 1
# Cadence of the series volby, by the run's clock.
volby_aggregate_seconds = 60
volby_batch_seconds = 300
# A full index of the snapshot is signed this often, by the wall clock.
checkpoint_seconds = 600
# The series that the next runs publish. volby is left out by itself where the law has nothing to do with that format.
series = ["skrutinium", "volby"]
# Encoding of the documents of volby in the next runs: utf-8, or iso-8859-2 as the source used until 2018.
volby_encoding = "utf-8"

[feed]
# Proxies in front of the feed that tell whose request they pass on (networks or addresses), and the header in which they do:
# x-forwarded-for or forwarded.
proxies = []
forwarded = "x-forwarded-for"
# TLS straight from the feed: a chain of certificates and its key (PEM), in this folder or named in full. Read again when they change.
certificate = ""
key = ""
# What one subscriber may ask of one process of the feed: requests a second, so many at once, and connections; 0: no limit.
requests_per_second = 50
burst = 500
connections = 200
# Seconds that a request may wait for the next release (Prefer: wait); 0: none waits.
longest_wait = 60
# Seconds that a connection may go without a whole request.
idle = 75

[subscribers]
# The most ranges that one subscriber has, and the widest of them (bits that are fixed).
live_ranges = 2
test_ranges = 1
widest_v4 = 24
widest_v6 = 48
# Whether private, loopback and other addresses that are not the public internet's may be registered.
special_addresses = false
# Whether programs on the server's own machine read.
this_machine = true
# Requests are late from this moment on: 2030-09-30T16:00:00Z, or one an event: { kv2030 = 2030-09-30T16:00:00Z }
# closing =

[letter]
# Wording: en or cs. Times are told in this time zone.
language = "en"
timezone = "UTC"
# Who writes to subscribers, and from which e-mail address; without one a letter is a draft.
organisation = ""
sender = ""
# Addresses under which readers reach the feed, the second site's after the first: ["https://results.example"]
addresses = []
# Lines of text: whom to call, and times of tests where the site has no calendar.
contacts = []
windows = []
# A TrueType file, where the font that comes with the program is not to be used.
font = ""

[mail]
# Relay for mail, host or host:port; empty: none.
relay = ""
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cadence of the releases, whole seconds, and the series that are published (see the comments in ``site.toml``)."""

    skrutinium_seconds: int = 1
    volby_aggregate_seconds: int = 60
    volby_batch_seconds: int = 300
    checkpoint_seconds: int = 600
    series: tuple[Literal["skrutinium", "volby"], ...] = ("skrutinium", "volby")
    volby_encoding: Encoding = "utf-8"


class MailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Through which relay (``host`` or ``host:port``) mail goes out; empty: through none."""

    relay: str = ""


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``site.toml``."""

    release: Settings = Settings()
    feed: FeedSettings = FeedSettings()
    subscribers: SubscriberSettings = SubscriberSettings()
    letter: LetterSettings = LetterSettings()
    mail: MailSettings = MailSettings()


def _read_settings(path: Path) -> SiteSettings:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), SiteSettings)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SiteError(
            f"{path}: {error}. The comments in a newly created site.toml show what is expected."
        ) from error


class FeedFolder:
    """What the feed needs of a site, and all that a mirror has: the release store and the access list.

    Raises :class:`SiteError` when one of them is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.access = root / "access.toml"
        self.store = root / "store"
        for path in (self.store, self.access):
            if not path.exists():
                raise SiteError(
                    f"{root} has no {path.name}: the feed needs the release store in store/ and who may read it in access.toml. "
                    f"Name a site, or copy both of them from one."
                )

    def feed_settings(self) -> FeedSettings:
        """The section ``[feed]`` of ``site.toml``, the defaults without that file; raises :class:`SiteError` naming what is wrong."""
        path = self.root / "site.toml"
        return _read_settings(path).feed.below(self.root) if path.is_file() else DEFAULTS


class Site:
    """The site in ``root``; raises :class:`SiteError` when there is none."""

    def __init__(self, root: Path) -> None:
        if not (root / "site.toml").is_file():
            raise SiteError(
                f"{root} is no site: it has no site.toml. Make one with: skrutinium-server site create {root}"
            )
        self.root = root
        self.socket = root / "count.sock"
        self.access = root / "access.toml"
        self.store = root / "store"

    @classmethod
    def create(cls, root: Path) -> "Site":
        """Make a new site with a new signing key; raises :class:`SiteError` when the folder holds something already."""
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise SiteError(f"{root} exists and is not empty. Name a folder that does not exist yet.")
        root.mkdir(parents=True, exist_ok=True)
        signer = Signer.generate(root / "keys")
        (root / "runs").mkdir()
        write_whole(root / "access.toml", ACCESS.encode())
        writer = StoreWriter(root / "store", signer)
        writer.publish_key()
        writer.close()
        write_whole(root / "site.toml", SETTINGS.encode())
        return cls(root)

    def settings(self) -> Settings:
        """The section ``[release]`` of ``site.toml``; raises :class:`SiteError` naming what is wrong."""
        return self.all_settings().release

    def feed_settings(self) -> FeedSettings:
        """The section ``[feed]`` of ``site.toml``; raises :class:`SiteError` naming what is wrong."""
        return self.all_settings().feed.below(self.root)

    def all_settings(self) -> SiteSettings:
        """Read ``site.toml``; raises :class:`SiteError` naming what is wrong."""
        return _read_settings(self.root / "site.toml")

    def signer(self) -> Signer:
        """The site's signing key."""
        return Signer.load(self.root / "keys")

    def events(self) -> tuple[str, ...]:
        """Ids of the events that have a definition."""
        folder = self.root / "definition"
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return tuple(
            name for name in found if IDENTIFIER.fullmatch(name) and self.definitions(name).versions()
        )

    def event(self, told: str | None) -> str:
        """The event that a command speaks of; raises :class:`SiteError` unless it is told or the only one."""
        events = self.events()
        known = ", ".join(events) or "none"
        if told is not None and told not in events:
            raise SiteError(f"The site has no event {told!r} (known: {known}). Import its definition first.")
        if told is None and not events:
            raise SiteError(
                "There is no definition yet. Import one with: skrutinium-server definition import ..."
            )
        if told is None and len(events) > 1:
            raise SiteError(f"The site has several events: {known}. Say which one with --event.")
        return told if told is not None else events[0]

    def definitions(self, event: str) -> DefinitionStore:
        """The versions of one event's definition."""
        if not IDENTIFIER.fullmatch(event):
            raise SiteError(
                f"{event!r} cannot be an event: letters, digits, '.' and '-' are allowed, at most 64."
            )
        return DefinitionStore(self.root / "definition" / event)

    def define(self, definition: Definition) -> int:
        """Store a definition as the next version of its event's; the number of the version."""
        return self.definitions(definition.event).save(definition)

    def complete(self, facts: Definition) -> Definition:
        """Join facts to what is known of their event, store that, and return it.

        Facts that do not tell a date have an event without a year; they are those of the event that gets, or has, one.
        """
        with self.alone():
            known = self._same_event(facts)
            joined = facts if known is None else merge(self.definitions(known).newest(), facts)
            if known is not None and joined.event != known:  # no run rests on an event that has no date yet
                folder = self.root / "definition"
                (folder / known).rename(folder / joined.event)
            return self.definitions(joined.event).load(self.define(joined))

    def _same_event(self, facts: Definition) -> str | None:
        events = self.events()
        if facts.event in events:
            return facts.event
        same = []
        for event in events:
            known = self.definitions(event).newest()
            assert known is not None
            dated, other = (facts, known) if known.date is None else (known, facts)
            if dated.date and other.date is None and dated.event == f"{other.event}{dated.date.year}":
                same.append(event)
        if len(same) > 1:
            raise SiteError(
                f"These facts may be of the events {', '.join(same)}. Say which one with --event."
            )
        return same[0] if same else None

    def run_folder(self, run: str) -> Path:
        """Where a run lies."""
        if not IDENTIFIER.fullmatch(run) or run in RESERVED:
            raise RunError(
                f"{run!r} cannot name a run: letters, digits, '.' and '-' are allowed, at most 64; "
                f"{', '.join(sorted(RESERVED))} is something else."
            )
        return self.root / "runs" / run

    def ledger(self, run: str) -> Path:
        """The ledger of a run."""
        return self.run_folder(run) / "ledger.sqlite"

    def runs(self) -> Iterator[RunRecord]:
        """Every run of the site, by name."""
        for folder in sorted((self.root / "runs").iterdir()):
            if (folder / "run.json").is_file():
                yield self.run(folder.name)

    def run(self, run: str) -> RunRecord:
        """What a run rests on; raises :class:`RunError` when there is no such run."""
        path = self.run_folder(run) / "run.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=RunRecord)
        except FileNotFoundError:
            known = (
                ", ".join(sorted(p.parent.name for p in (self.root / "runs").glob("*/run.json"))) or "none"
            )
            raise RunError(
                f"There is no run {run!r} (known: {known}). Open one with: "
                f"skrutinium-server run open {self.root} {run} --phase test"
            ) from None

    def basis(self, run: str) -> Basis:
        """What a run rests on, read and checked; raises :class:`RunError` when it is not what it was opened with."""
        record = self.run(run)
        return read_basis(record, self.definitions(record.event))

    def prepare_run(
        self,
        run: str,
        phase: Phase,
        event: str | None = None,
        persons: tuple[str, ...] = (),
        not_before: tuple[datetime.datetime, str] | None = None,
    ) -> RunRecord:
        """Write the record of a new run, which fixes its definition; raises :class:`RunError` saying what is missing.

        ``not_before`` (a moment and the reason for it) takes the place of the law's minute.
        """
        with self.alone():
            record, _, _ = self.plan_run(run, phase, self.event(event))
            record = msgspec.structs.replace(record, persons=persons)
            if not_before is not None:
                moment, reason = not_before
                record = msgspec.structs.replace(record, not_before=moment, not_before_reason=reason)
            folder = self.run_folder(run)
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / "run.json", msgspec.json.encode(record))
            return record

    def plan_run(self, run: str, phase: Phase, event: str) -> tuple[RunRecord, Definition, Law]:
        """What a new run would rest on; raises :class:`RunError` saying what is missing. Writes nothing."""
        if (self.run_folder(run) / "run.json").exists():
            raise RunError(f"The run {run!r} exists already. Choose another name.")
        store = self.definitions(event)
        definition = store.newest()
        if definition is None:
            raise RunError(
                "There is no definition yet. Import one with: skrutinium-server definition import ..."
            )
        if definition.date is None:
            raise RunError(
                "The definition does not tell the date of voting. Import the batches too, or give --date."
            )
        if not definition.polls:
            raise RunError(
                "The definition has no precinct that votes in a contest: nothing could be counted."
            )
        if phase == "live" and definition.made_up:
            raise RunError("A made-up election cannot be run live. Use the phase test or rehearsal.")
        self._check_alone_live(event, phase)
        law = load_law(definition.law)
        record = RunRecord(
            event=event,
            run=run,
            phase=phase,
            definition=definition.version,
            definition_sha256=store.sha256(definition.version),
            law=definition.law,
            law_sha256=law_sha256(definition.law),
            series=self._series(law),
            not_before=law.not_before(definition.date) if phase == "live" else None,
            volby_encoding=self.settings().volby_encoding,
        )
        return record, definition, law

    def _check_alone_live(self, event: str, phase: Phase) -> None:
        """While an event is live nothing else of it may be opened: its tests and rehearsals are over."""
        for run in self.told().values():
            if run.event == event and run.phase == "live" and run.open:
                raise RunError(
                    f"The event {event} has the live run {run.id!r} open: no {phase} run of it can be opened beside it. "
                    "Close that run first, or open a run of another event."
                )

    def _series(self, law: Law) -> tuple[str, ...]:
        """The series of a new run: those of the settings, without volby where the law names no attributes of it."""
        carried = all(field.volby is not None for field in law.fields)
        return tuple(name for name in self.settings().series if name != "volby" or carried)

    def check_reopening(self, run: str) -> None:
        """Raise :class:`RunError` unless a closed run may accept again: no live run of its event is open."""
        record = self.run(run)
        if record.run not in self.told():
            raise RunError(f"The run {run!r} was never published; there is nothing to open again.")
        self._check_alone_live(record.event, record.phase)

    def told(self) -> dict[str, Run]:
        """The runs that the state file names, by id."""
        return {run.id: run for run in StoreReader(self.store).state()[1]}

    def write_state(
        self,
        opened: str | None = None,
        closed: str | None = None,
        *,
        reopened: str | None = None,
        now: datetime.datetime,
    ) -> None:
        """Rewrite the signed state file: ``opened`` becomes its event's current run, ``closed`` accepts no more.

        ``reopened`` accepts again and is read where it was read before.

        What is read at the event's own address stays live once it was: a test opened afterwards is not put in its place.
        """
        with self.alone():
            self._write_state(opened, closed, reopened, now)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Two commands at once must not overwrite what the other has just written."""
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write_state(
        self, opened: str | None, closed: str | None, reopened: str | None, now: datetime.datetime
    ) -> None:
        number, known = StoreReader(self.store).state()
        runs = {run.id: run for run in known}
        if opened is not None:
            runs = _with_opened(runs, self._row(self.run(opened)))
        if closed is not None and closed in runs:
            runs[closed] = msgspec.structs.replace(runs[closed], open=False)
        if reopened is not None:
            runs[reopened] = msgspec.structs.replace(runs[reopened], open=True)
        signer = self.signer()
        writer = StoreWriter(self.store, signer)
        writer.write_state(papers.feed_state(number + 1, now, tuple(runs.values())))
        writer.close()

    def _row(self, record: RunRecord) -> Run:
        definition = self.definitions(record.event).load(record.definition)
        first = definition.first_round
        return Run(
            event=record.event,
            id=record.run,
            name=definition.name,
            date=str(definition.date),
            law=record.law,
            phase=record.phase,
            open=True,
            current=True,
            series=record.series,
            not_before=record.not_before,
            first_date=str(first.date) if first is not None else None,
        )

    def series_key(self, run: str, series: str) -> SeriesKey:
        """Where the releases of a run are published."""
        return SeriesKey(self.run(run).event, run, series)


def _with_opened(runs: dict[str, Run], opened: Run) -> dict[str, Run]:
    """The runs with one that opens, which becomes its event's current one unless a live run is that already."""
    before = next((run for run in runs.values() if run.event == opened.event and run.current), None)
    if before is not None and before.id != opened.id:
        if before.phase == "live" and opened.phase != "live":
            opened = msgspec.structs.replace(opened, current=False)
        else:
            runs = runs | {before.id: msgspec.structs.replace(before, current=False)}
    return runs | {opened.id: opened}
