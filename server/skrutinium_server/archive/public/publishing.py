"""Keeping a public folder: from the releases of a run to files, only what changed, the start page last."""

import csv
import datetime
import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from skrutinium_server.archive.cells import table
from skrutinium_server.archive.errors import NotBefore
from skrutinium_server.archive.public import reading
from skrutinium_server.archive.public.catalogue import Catalogue
from skrutinium_server.archive.public.folder import LAYOUT, Note, PublicFolder
from skrutinium_server.archive.public.mirror import Mirror
from skrutinium_server.archive.public.model import Contest, Unit
from skrutinium_server.archive.public.pages import Night, Pages
from skrutinium_server.archive.public.protocols import Protocols
from skrutinium_server.archive.public.tables import contest_table, unit_table
from skrutinium_server.archive.reading import parse
from skrutinium_server.archive.runs import find_run, series_key
from skrutinium_server.release.store.archives import SERIES, ArchiveLayout, read_newest_archive
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import Manifest, ManifestRow, Run
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import fingerprint, read_public_key

_KEPT: Final = 64
"""Contests kept read while the pages of their precincts are written."""
_HISTORY: Final = ("release", "time", "reported", "expected")
Told = Callable[[str, int, int], None]
"""Told (what, pages done, pages to do) during a long write."""


class Publishing:
    """Publishes one run of the store into a folder. ``catch_up`` may be called again after any error: it goes on."""

    def __init__(self, reader: StoreReader, folder: PublicFolder, run: str, told: Told | None = None) -> None:
        self._reader = reader
        self._folder = folder
        self._name = run
        self._told = told or (lambda _what, _done, _all: None)
        self._mirror = Mirror(reader, folder)
        self._protocols = Protocols(folder)
        self._rows: dict[str, ManifestRow] = {}
        self._catalogue = Catalogue()
        self._pages: Pages | None = None
        self._at = 0
        self._history: list[tuple[int, str, int, int]] = []
        self._archive: int | None = None
        self._kept: OrderedDict[str, Contest] = OrderedDict()

    def catch_up(self, now: datetime.datetime) -> Manifest | None:
        """Bring the folder up to the newest release; its manifest, None when there was nothing to do or no release yet.

        Raises :class:`NotBefore` for a live run before its minute, :class:`PublicWriteFailed`, and what the store raises.
        """
        run = find_run(self._reader, self._name)
        if run.not_before is not None and now < run.not_before:
            raise NotBefore(run.id, run.not_before)
        self._mirror.run(run)
        key = series_key(run, SERIES)
        newest = self._reader.newest(key)
        if newest is None:
            return None
        archive = read_newest_archive(ArchiveLayout(self._reader.layout.root, key))
        number = archive.number if archive else None
        if self._folder.note.release == newest.number and number == self._archive and self._at:
            return None
        manifest = self._reader.manifest(key, newest.number)
        if hashlib.sha256(self._reader.manifest_bytes(key, newest.number)).hexdigest() != newest.sha256:
            raise StoreDamaged(
                self._reader.layout.manifest(key, newest.number), "is not the manifest that newest names"
            )
        self._archive = number
        changed = self._changed(run, manifest)
        self._write(run, manifest, changed)
        note = Note(run.event, run.id, run.phase, manifest.number, newest.sha256, LAYOUT, manifest.state)
        self._folder.finish(note)
        return manifest

    def _changed(self, run: Run, manifest: Manifest) -> dict[str, ManifestRow]:
        """The documents that are newer than what the folder shows, and everything read that pages need to know."""
        key = series_key(run, SERIES)
        shown = self._folder.note.release
        if not self._at:
            self._rows = self._reader.snapshot(key, manifest.number)
            self._read_history(min(shown, manifest.number))
            self._learn(self._rows)
        start = len(self._history)
        changed: dict[str, ManifestRow] = {}
        for number in range(min(start, shown) + 1, manifest.number + 1):
            told = self._reader.manifest(key, number)
            if number > start:
                self._history.append((number, told.time, told.reported, told.expected))
            if number > shown:
                changed.update((row.path, row) for row in told.rows)
        if self._at:
            self._rows.update(changed)
            self._learn(changed)
        self._at = manifest.number
        self._kept.clear()
        return changed

    def _read_history(self, upto: int) -> None:
        path = self._folder.path("progress.csv")
        self._history = []
        if upto and path.exists():
            rows = csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
            told = [
                (int(row["release"]), row["time"], int(row["reported"]), int(row["expected"])) for row in rows
            ]
            self._history = [row for row in told if row[0] <= upto]

    def _learn(self, rows: dict[str, ManifestRow]) -> None:
        """Tell the catalogue what these documents say; contests are known by the areas that list them."""
        for path, row in rows.items():
            kind = path.partition("/")[0]
            if kind == "area":
                self._catalogue.unit(reading.unit(parse(path, self._reader.object(row.sha256))))
            elif kind == "precinct":
                self._catalogue.precinct(reading.precinct(parse(path, self._reader.object(row.sha256))))
            elif kind == "corrections":
                for correction in reading.corrections(parse(path, self._reader.object(row.sha256))):
                    self._catalogue.correction(correction)

    def _event(self) -> Unit:
        row = self._rows["event.xml"]
        return reading.unit(parse("event.xml", self._reader.object(row.sha256)))

    def _contest(self, id: str) -> Contest:
        found = self._kept.get(id)
        if found is None:
            row = self._rows[f"contest/{id}.xml"]
            found = self._kept[id] = reading.contest(parse(row.path, self._reader.object(row.sha256)))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _write(self, run: Run, manifest: Manifest, changed: dict[str, ManifestRow]) -> None:
        event = self._event()
        if self._pages is None:
            night = Night(run, event.made_up, self._fingerprint(run, manifest))
            self._pages = Pages(night, self._catalogue, self._contest)
        everything = self._folder.note.release == 0
        if everything:
            self._folder.put("style.css", self._pages.style())
        declared = self._folder.note.state != manifest.state
        if declared:
            self._folder.put("contests.html", self._pages.contests(manifest))
        by_kind: dict[str, list[str]] = {}
        for path in sorted(changed):
            kind, _, name = path.partition("/")
            by_kind.setdefault(kind, []).append(name.removesuffix(".xml"))
        batches = by_kind.get("batch", [])
        touched = self._protocols.add(
            (path, parse(path, self._reader.object(changed[path].sha256)))
            for path in (f"batch/{number}.xml" for number in sorted(batches, key=int))
        )
        self._write_precincts({*by_kind.get("precinct", ()), *touched})
        self._write_contests({*by_kind.get("contest", ()), *self._voted_in(by_kind.get("precinct", ()))})
        self._write_areas(by_kind.get("area", ()))
        if by_kind.get("corrections") or declared:
            for number in by_kind.get("corrections", ()):
                path = f"corrections/{number}.xml"
                self._folder.put(path, self._reader.object(self._rows[path].sha256))
            self._folder.put("corrections.html", self._pages.corrections(manifest))
        self._write_start(event, manifest)

    def _voted_in(self, precincts: Iterable[str]) -> set[str]:
        """Contests that show a row of one of these precincts."""
        return {contest for precinct in precincts for contest in self._catalogue.contests_of(precinct)}

    def _write_precincts(self, ids: set[str]) -> None:
        assert self._pages is not None
        # By contest, so that each contest is read once for all its precincts.
        order = sorted(ids, key=lambda id: (self._catalogue.contests_of(id), id))
        for done, id in enumerate(order):
            if done % 500 == 0:
                self._told("precincts", done, len(order))
            row = self._rows[f"precinct/{id}.xml"]
            data = self._reader.object(row.sha256)
            precinct = reading.precinct(parse(row.path, data))
            contests = {one.contest: self._contest(one.contest) for one in precinct.protocols}
            self._folder.put(row.path, data)
            page = self._pages.precinct(precinct, contests, self._protocols.of(id))
            self._folder.put(f"precinct/{id}.html", page)

    def _write_contests(self, ids: set[str]) -> None:
        assert self._pages is not None
        for done, id in enumerate(sorted(ids)):
            if done % 500 == 0:
                self._told("contests", done, len(ids))
            row = self._rows[f"contest/{id}.xml"]
            contest = self._contest(id)
            self._folder.put(row.path, self._reader.object(row.sha256))
            self._folder.put(f"contest/{id}.csv", contest_table(contest))
            self._folder.put(f"contest/{id}.html", self._pages.contest(contest))

    def _write_areas(self, ids: Iterable[str]) -> None:
        assert self._pages is not None
        for id in ids:
            row = self._rows[f"area/{id}.xml"]
            data = self._reader.object(row.sha256)
            unit = reading.unit(parse(row.path, data))
            self._folder.put(row.path, data)
            self._folder.put(f"area/{id}.csv", unit_table(unit))
            self._folder.put(f"area/{id}.html", self._pages.area(unit))

    def _write_start(self, event: Unit, manifest: Manifest) -> None:
        """The files of the whole event; the start page is the last, and names the release."""
        assert self._pages is not None
        self._folder.put("event.xml", self._reader.object(self._rows["event.xml"].sha256))
        self._folder.put("event.csv", unit_table(event))
        self._folder.put("progress.csv", table(_HISTORY, self._history))
        self._folder.put("check.html", self._pages.check(manifest))
        points = [(_seconds(time), reported) for _, time, reported, _ in self._history]
        self._folder.put("index.html", self._pages.index(event, manifest, points, self._archive))

    def _fingerprint(self, run: Run, manifest: Manifest) -> str:
        signature = self._reader.manifest_signature(series_key(run, SERIES), manifest.number)
        path = self._reader.layout.key(signature.split()[1].decode("ascii"))
        try:
            return fingerprint(read_public_key(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise StoreDamaged(path, f"is no public key that can be read ({error})") from error


def _seconds(time: str) -> int:
    return int(datetime.datetime.fromisoformat(time).timestamp())
