"""The site: one folder that holds everything of one event. The only module that knows its layout.

Source: docs/architecture.md.
"""

import contextlib
import datetime
import fcntl
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from skrutinium_server.election.canonical import canonical, sha256
from skrutinium_server.election.law import law_sha256
from skrutinium_server.election.model import IDENTIFIER, Definition
from skrutinium_server.election.store import DefinitionStore
from skrutinium_server.ledger.model import Opened, Phase
from skrutinium_server.process.errors import RunError, SiteError
from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.store.writing import StoreWriter, write_whole

SERIES = ("skrutinium", "volby")

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
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cadence of the releases, whole seconds (see the comments in ``site.toml``)."""

    skrutinium_seconds: int = 1
    volby_aggregate_seconds: int = 60
    volby_batch_seconds: int = 300
    checkpoint_seconds: int = 600


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``site.toml``."""

    release: Settings = Settings()


class RunRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``runs/RUN/run.json``: what the run rests on, fixed when it opens."""

    event: str
    run: str
    phase: Phase
    definition: int
    definition_sha256: str
    law: str
    law_sha256: str


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
        self.definitions = DefinitionStore(root / "definition")

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
        """Read ``site.toml``; raises :class:`SiteError` naming what is wrong."""
        path = self.root / "site.toml"
        try:
            return msgspec.convert(tomllib.loads(path.read_text("utf-8")), SiteSettings).release
        except (
            msgspec.ValidationError,
            tomllib.TOMLDecodeError,
            UnicodeDecodeError,
        ) as error:
            raise SiteError(
                f"{path}: {error}. The comments in a newly created site.toml show what is expected."
            ) from error

    def signer(self) -> Signer:
        """The site's signing key."""
        return Signer.load(self.root / "keys")

    def run_folder(self, run: str) -> Path:
        """Where a run lies."""
        if not IDENTIFIER.fullmatch(run):
            raise RunError(
                f"{run!r} cannot name a run: letters, digits, '.' and '-' are allowed, at most 64."
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

    def definition(self, version: int) -> Definition:
        """One version of the definition."""
        return self.definitions.load(version)

    def prepare_run(self, run: str, phase: Phase) -> RunRecord:
        """Write the record of a new run, which fixes its definition; raises :class:`RunError` saying what is missing."""
        with self._alone():
            return self._prepare_run(run, phase)

    def _prepare_run(self, run: str, phase: Phase) -> RunRecord:
        folder = self.run_folder(run)
        if (folder / "run.json").exists():
            raise RunError(f"The run {run!r} exists already. Choose another name.")
        definition = self.definitions.newest()
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
        record = RunRecord(
            event=definition.event,
            run=run,
            phase=phase,
            definition=definition.version,
            definition_sha256=sha256(canonical(definition)),
            law=definition.law,
            law_sha256=law_sha256(definition.law),
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "run.json", msgspec.json.encode(record))
        return record

    def opened(self, run: str, now: datetime.datetime) -> Opened:
        """The first entry of a run's ledger."""
        record = self.run(run)
        return Opened(
            event=record.event,
            run=run,
            phase=record.phase,
            definition=record.definition,
            definition_sha256=record.definition_sha256,
            law=record.law,
            law_sha256=record.law_sha256,
            time=now,
        )

    def told(self) -> dict[str, Run]:
        """The runs that the state file names, by id."""
        return {run.id: run for run in StoreReader(self.store).state()[1]}

    def check_fixed(self, run: str) -> None:
        """Raise :class:`RunError` unless definition and law are still those that the run was opened with."""
        record = self.run(run)
        if sha256(canonical(self.definitions.load(record.definition))) != record.definition_sha256:
            raise RunError(
                f"Definition {record.definition} is not the one that the run {run!r} was opened with. "
                "Restore the folder definition/ from a copy of the site."
            )
        if law_sha256(record.law) != record.law_sha256:
            raise RunError(
                f"The law {record.law} is not the one that the run {run!r} was opened with: the program was changed since. "
                "Go on with the version of the program that opened it."
            )

    def write_state(self, opened: str | None, closed: str | None, now: datetime.datetime) -> None:
        """Rewrite the signed state file: ``opened`` becomes the event's current run, ``closed`` accepts no more."""
        with self._alone():
            self._write_state(opened, closed, now)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands at once must not overwrite what the other has just written."""
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write_state(self, opened: str | None, closed: str | None, now: datetime.datetime) -> None:
        number, known = StoreReader(self.store).state()
        runs = {run.id: run for run in known}
        if opened is not None:
            record = self.run(opened)
            definition = self.definitions.load(record.definition)
            runs = {name: msgspec.structs.replace(run, current=False) for name, run in runs.items()}
            runs[opened] = Run(
                event=record.event,
                id=opened,
                name=definition.name,
                date=str(definition.date),
                law=record.law,
                phase=record.phase,
                open=True,
                current=True,
                series=SERIES,
            )
        if closed is not None and closed in runs:
            runs[closed] = msgspec.structs.replace(runs[closed], open=False)
        signer = self.signer()
        writer = StoreWriter(self.store, signer)
        writer.write_state(papers.feed_state(number + 1, now, tuple(runs.values())))
        writer.close()

    def series_key(self, run: str, series: str) -> SeriesKey:
        """Where the releases of a run are published."""
        return SeriesKey(self.run(run).event, run, series)
