"""What is published, in memory: for each series the snapshot of its newest release. Never changed, only replaced.

Everything is checked against hashes when it is loaded: the manifest against ``newest``, each earlier manifest against the
one after it. Source: design § 4.3 and § 4.4.
"""

import datetime
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from skrutinium_server.feed.errors import PublishedBackwards
from skrutinium_server.feed.registers import EventRegisters
from skrutinium_server.feed.representation import Representation, http_date, marks, represent
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import (
    ZEROS,
    Manifest,
    ManifestRow,
    Newest,
    Notices,
    Run,
    SeriesKey,
)
from skrutinium_server.release.store.packing import compress
from skrutinium_server.release.store.reading import StoreReader, read_manifest

_BATCH: Final = re.compile(r"okrsky/vysledky_okrsky_([0-9]{5,})\.xml")


@dataclass(frozen=True, slots=True)
class Shelved:
    """The newest release of a series.

    ``rows``: the snapshot by path; ``changed``: the release in which a path changed last, where that is known to be after
    ``since`` (the checkpoint that loading began with); ``moments``: Last-Modified of every release from ``since`` on;
    ``digests``: hashes of those manifests; ``written``: when the newest manifest was written, by the wall clock;
    ``checkpoint``: the newest one that is there, 0 for none: it is written after its release; ``batch``: number of the
    newest ``volby`` batch, 0 for none; ``fresh``: the documents that changed since it was held before; ``brought``: the hashes of all
    documents on the way from there, or from ``since``, that are not in ``rows`` any more, and of those that are fresh; ``steps``:
    the paths that each release on the way changed.
    """

    key: SeriesKey
    number: int
    manifest: Manifest
    plain: Representation
    gzipped: Representation
    signature: Representation
    rows: Mapping[str, ManifestRow]
    changed: Mapping[str, int]
    since: int
    moments: Mapping[int, str]
    digests: Mapping[int, str]
    checkpoint: int
    batch: int
    written: datetime.datetime
    marks: bytes
    fresh: tuple[ManifestRow, ...]
    brought: tuple[str, ...]
    steps: Mapping[int, tuple[str, ...]]

    def last_change(self, path: str) -> int:
        """The release that changed the path last, or ``since`` when it was then or before."""
        return self.changed.get(path, self.since)

    def modified(self, path: str) -> str:
        """Last-Modified of the newest version of the path."""
        return self.moments[self.last_change(path)]


@dataclass(frozen=True, slots=True)
class Published:
    """All that the store publishes; ``current`` and ``registers`` are by event, ``heartbeats`` holds exact bytes, ``alarms`` codes and messages.

    ``notices``: what the operator tells, and the exact bytes of that; ``noticed``: when the notices were written.
    """

    number: int = 0
    state: Representation | None = None
    runs: tuple[Run, ...] = ()
    current: Mapping[str, Run] = field(default_factory=dict)
    series: Mapping[SeriesKey, Shelved] = field(default_factory=dict)
    heartbeats: Mapping[SeriesKey, Representation] = field(default_factory=dict)
    alarms: Mapping[str, str] = field(default_factory=dict)
    registers: Mapping[str, EventRegisters] = field(default_factory=dict)
    notices: Notices = field(default_factory=Notices)
    notices_file: Representation | None = None
    noticed: datetime.datetime | None = None

    def run(self, event: str, name: str | None) -> Run | None:
        """A run of an event, the current one without ``name``."""
        if name is None:
            return self.current.get(event)
        return next((run for run in self.runs if run.event == event and run.id == name), None)


def load_series(reader: StoreReader, key: SeriesKey, newest: Newest) -> Shelved:
    """Load a series from its newest checkpoint and the manifests after it; raises what the store raises."""
    since = newest_checkpoint(reader, key, newest.number)
    rows = reader.snapshot(key, since) if since else {}
    first = max(since, 1)
    chain = _chain(reader, key, range(first, newest.number + 1), newest.sha256)
    start = chain[0] if since else None
    shelved = _shelve(reader, key, None, chain[1:] if start else chain, start, rows)
    return replace(shelved, fresh=(), steps={})


def advance(reader: StoreReader, shelved: Shelved, newest: Newest) -> Shelved:
    """The series one or more releases later; raises :class:`PublishedBackwards` when it is not later, and what the store raises."""
    key, known = shelved.key, shelved.number
    if newest.number < known or (newest.number == known and newest.sha256 != shelved.digests[known]):
        raise PublishedBackwards(
            f"{'/'.join(key)}: the store offers release {newest.number} ({newest.sha256[:16]}…) after release {known}. "
            "Numbers never go back: restore the store. The feed goes on with what it has."
        )
    chain = _chain(reader, key, range(known + 1, newest.number + 1), newest.sha256)
    if chain and chain[0].manifest.previous != shelved.digests[known]:
        raise PublishedBackwards(
            f"{'/'.join(key)}: release {known + 1} does not follow from the release {known} that was served. "
            "Restore the store. The feed goes on with what it has."
        )
    return _shelve(reader, key, shelved, chain, None, dict(shelved.rows)) if chain else shelved


@dataclass(frozen=True, slots=True)
class _Link:
    manifest: Manifest
    data: bytes
    sha256: str


def _chain(reader: StoreReader, key: SeriesKey, numbers: range, last: str) -> list[_Link]:
    """The manifests of those releases, each with the hash that the one after it names."""
    links = []
    due = last
    for number in reversed(numbers):
        path = reader.layout.manifest(key, number)
        data = reader.manifest_bytes(key, number)
        if hashlib.sha256(data).hexdigest() != due:
            raise StoreDamaged(path, "has another hash than 'newest' or the manifest after it says")
        manifest = read_manifest(path, data)
        if manifest.number != number or (manifest.event, manifest.run, manifest.series) != key:
            raise StoreDamaged(path, "is the manifest of another release")
        links.append(_Link(manifest, data, due))
        due = manifest.previous
    if numbers and numbers[0] == 1 and due != ZEROS:
        raise StoreDamaged(reader.layout.manifest(key, 1), "names a manifest before the first")
    links.reverse()
    return links


def _shelve(
    reader: StoreReader,
    key: SeriesKey,
    before: Shelved | None,
    chain: list[_Link],
    start: _Link | None,
    rows: dict[str, ManifestRow],
) -> Shelved:
    changed = dict(before.changed) if before else {}
    brought = []
    for link in chain:
        for row in link.manifest.rows:
            brought.append(row.sha256)
            if (replaced := rows.get(row.path)) is not None and before is None:
                brought.append(replaced.sha256)
            rows[row.path] = row
            changed[row.path] = link.manifest.number
    links = [start, *chain] if start else chain
    newest = links[-1]
    number = newest.manifest.number
    fresh = {row.path: row for link in chain for row in link.manifest.rows}
    return Shelved(
        key=key,
        number=number,
        manifest=newest.manifest,
        plain=represent(newest.data),
        gzipped=represent(compress(newest.data), "gzip"),
        signature=represent(
            reader.manifest_signature(key, number), kind=b"text/plain; charset=utf-8", varies=False
        ),
        rows=rows,
        changed=changed,
        since=before.since if before else (start.manifest.number if start else 1),
        moments={
            **(before.moments if before else {}),
            **{link.manifest.number: moment(reader, key, link.manifest) for link in links},
        },
        digests={
            **(before.digests if before else {}),
            **{link.manifest.number: link.sha256 for link in links},
        },
        checkpoint=newest_checkpoint(reader, key, number),
        batch=max(before.batch if before else 0, _newest_batch(rows if before is None else fresh)),
        written=_written(reader, key, number),
        marks=marks(key.run, newest.manifest.phase, number),
        fresh=tuple(fresh.values()),
        brought=tuple(brought),
        steps={link.manifest.number: tuple(row.path for row in link.manifest.rows) for link in chain},
    )


def newest_checkpoint(reader: StoreReader, key: SeriesKey, number: int) -> int:
    """The newest checkpoint that is there, of those up to release ``number``; 0 for none."""
    return max((at for at in reader.checkpoints(key) if at <= number), default=0)


def moment(reader: StoreReader, key: SeriesKey, manifest: Manifest) -> str:
    """Last-Modified of a release: when it was cut by the run's clock, but never later than it was written (RFC 9110, 8.8.2.1)."""
    return http_date(
        min(datetime.datetime.fromisoformat(manifest.time), _written(reader, key, manifest.number))
    )


def _written(reader: StoreReader, key: SeriesKey, number: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(reader.layout.manifest(key, number).stat().st_mtime, datetime.UTC)


def _newest_batch(paths: Iterable[str]) -> int:
    return max((int(found[1]) for path in paths if (found := _BATCH.fullmatch(path))), default=0)
