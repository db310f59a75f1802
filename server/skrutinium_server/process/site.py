"""The site: one folder that holds everything of its events. The only module that knows its layout.

Source: docs/architecture.md.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import msgspec

from skrutinium_server.election.model import IDENTIFIER, Definition
from skrutinium_server.election.store import DefinitionStore
from skrutinium_server.feed.settings import DEFAULTS, FeedSettings
from skrutinium_server.process.basis import Basis, RunRecord, read_basis
from skrutinium_server.process.errors import RunError, SiteError
from skrutinium_server.process.settings import SETTINGS, Settings, SiteSettings, read_settings
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.store.writing import StoreWriter, write_whole

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
        return read_settings(path).feed.below(self.root) if path.is_file() else DEFAULTS


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
    def create(cls, root: Path, keys: Path | None = None) -> "Site":
        """Make a new site with a new signing key, or with that in the folder ``keys``; raises :class:`SiteError` when the folder holds something already."""
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise SiteError(f"{root} exists and is not empty. Name a folder that does not exist yet.")
        root.mkdir(parents=True, exist_ok=True)
        signer = Signer.generate(root / "keys") if keys is None else Signer.load(keys).keep(root / "keys")
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
        return read_settings(self.root / "site.toml")

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

    def run_folder(self, run: str) -> Path:
        """Where a run lies."""
        if not IDENTIFIER.fullmatch(run):
            raise RunError(
                f"{run!r} cannot name a run: letters, digits, '.' and '-' are allowed, at most 64."
            )
        if run in RESERVED:
            raise RunError(f"{run!r} cannot name a run: it is the name of something else. Take another name.")
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

    def told(self) -> dict[str, Run]:
        """The runs that the state file names, by id."""
        return {run.id: run for run in StoreReader(self.store).state()[1]}

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Two commands at once must not overwrite what the other has just written."""
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def series_key(self, run: str, series: str) -> SeriesKey:
        """Where the releases of a run are published."""
        return SeriesKey(self.run(run).event, run, series)
