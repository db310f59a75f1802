"""A recording as it lies in a folder: the releases of each series, and the moments at which things were seen.

A mirror without times (``skrutinium pull --all``) is one as well: its releases happen when their manifests say. Files are read here, so
it belongs into a thread.
"""

import bisect
import datetime
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skrutinium.documents.series import Document, Run
from skrutinium.documents.series_reading import read_manifest, read_state
from skrutinium.errors import NoSuchPlace, NotYet, SchemaError
from skrutinium.mirroring.files import SeriesFiles, StoreFiles, digest
from skrutinium.mirroring.times import NAME, read_times
from skrutinium.sources.choosing import choose_run
from skrutinium.trust.signing import split_signed

SERIES = "skrutinium"
_LONGEST_GAP = datetime.timedelta(hours=1)
"""Between two releases that were not seen as they came."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happens ``at`` a time: ``what`` as in :mod:`skrutinium.mirroring.times`, with a series and a number, or data."""

    at: datetime.datetime
    what: str
    series: str = ""
    number: int = 0
    data: bytes = b""


@dataclass(slots=True)
class RecordedSeries:
    """One series; position ``n - 1`` of each list is release ``n``."""

    files: SeriesFiles
    times: list[datetime.datetime] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    changed: list[tuple[Document, ...]] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    checkpoints: list[int] = field(default_factory=list)
    versions: dict[str, list[tuple[int, Document]]] = field(default_factory=dict)

    def row(self, path: str, number: int) -> Document | None:
        """A document as of a release."""
        held = self.versions.get(path, [])
        at = bisect.bisect_right(held, number, key=lambda one: one[0])
        return held[at - 1][1] if at else None

    def number_at(self, time: datetime.datetime) -> int:
        """The last release cut at or before a time, 0 when there was none."""
        return bisect.bisect_right(self.times, time)


@dataclass(frozen=True, slots=True)
class Recording:
    """A night; ``moments`` in order of time, ``state`` the signed state to begin with."""

    root: Path
    run: Run
    series: Mapping[str, RecordedSeries]
    moments: tuple[Moment, ...]
    state: bytes
    timed: bool


def open_recording(root: Path, event: str | None = None, run: str | None = None) -> Recording:
    """Read a recording; raises :class:`NoSuchPlace`, :class:`NotYet` when it holds no release, :class:`SchemaError`, :class:`ChoiceNeeded`."""
    try:
        state = (root / "state.xml").read_bytes()
    except OSError as error:
        raise NoSuchPlace(f"no recording: {error.strerror}", address=str(root / "state.xml")) from error
    chosen = choose_run(
        read_state(split_signed(state, "state.xml")[0], "state.xml"), event, run, SERIES, str(root)
    )
    store = StoreFiles(root)
    series = {}
    for name in chosen.series:
        found = _series(SeriesFiles(store, chosen.event, chosen.id, name))
        if found.times:
            series[name] = found
    if SERIES not in series:
        raise NotYet("the recording holds no release", address=str(root))
    told = list(read_times(root / NAME)) if (root / NAME).is_file() else []
    moments = sorted(_moments(series, told), key=lambda one: one.at)
    first = next((one.data for one in moments if one.what == "state"), state)
    return Recording(root, chosen, series, tuple(moments), first, bool(told))


def _series(files: SeriesFiles) -> RecordedSeries:
    found = RecordedSeries(files)
    newest = files.newest()
    for number in range(1, newest[0] + 1 if newest else 1):
        try:
            data, _ = files.manifest(number)
        except OSError as error:
            where = str(files.folder)
            raise NotYet(
                f"release {number} is not there: only what was recorded or pulled with --all", address=where
            ) from error
        manifest = read_manifest(data, f"manifest {number}")
        found.times.append(max([manifest.time, *found.times[-1:]]))
        found.positions.append(manifest.position)
        found.hashes.append(digest(data))
        found.changed.append(manifest.documents)
        if manifest.checkpoint:
            found.checkpoints.append(number)
        for row in manifest.documents:
            found.versions.setdefault(row.path, []).append((number, row))
    return found


def _moments(series: Mapping[str, RecordedSeries], told: Iterable[dict[str, Any]]) -> list[Moment]:
    """What was seen, and when; what was out before the recording began keeps the distances its publisher gave it."""
    moments: list[Moment] = []
    seen: dict[tuple[str, int], datetime.datetime] = {}
    began: datetime.datetime | None = None
    for line in told:
        at, what = line["at"], line["what"]
        if what == "release":
            if line.get("late"):
                began = began or at
            else:
                seen.setdefault((str(line.get("series")), _number(line)), at)
        elif what in ("heartbeat", "notices", "state", "status"):
            moments.append(Moment(at, what, data=str(line.get("data", "")).encode("utf-8")))
        elif what in ("outage", "back"):
            moments.append(Moment(at, what))
    main = series[SERIES]
    unseen = [number for number in range(1, len(main.times) + 1) if (SERIES, number) not in seen]
    at = began or main.times[-1]
    for number in reversed(unseen):
        seen[SERIES, number] = at
        if number > 1:  # a run may be opened long before its first protocol, and by another clock
            at -= min(main.times[number - 1] - main.times[number - 2], _LONGEST_GAP)
    told_at = _in_order(seen[SERIES, number] for number in range(1, len(main.times) + 1))
    for name, one in series.items():
        # Another series may go by another clock: what was not seen of it came when the ledger was as far in the main one.
        covered = (
            told_at[min(bisect.bisect_left(main.positions, position), len(told_at) - 1)]
            for position in one.positions
        )
        times = _in_order(seen.get((name, number), at) for number, at in enumerate(covered, 1))
        for number, at in enumerate(told_at if name == SERIES else times, 1):
            moments.append(Moment(at, "release", name, number))
    return moments


def _in_order(times: Iterable[datetime.datetime]) -> list[datetime.datetime]:
    return list(itertools.accumulate(times, max))


def _number(line: dict[str, Any]) -> int:
    number = line.get("number")
    if type(number) is not int:
        raise SchemaError(f"a release without a number: {line}")
    return number
