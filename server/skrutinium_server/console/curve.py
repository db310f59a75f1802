"""The curve of the night: how many protocols counted at each release, by the run's clock.

Of each manifest only the attributes of its root are read, which takes 50 µs: a night has thousands of them. What was read once is remembered.
"""

import datetime
from pathlib import Path
from typing import Final, NamedTuple

from lxml import etree

from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import NAMESPACE, StoreReader

PIECE: Final = 2048
"""Bytes of a manifest that are read at a time until its root stands."""


class Point(NamedTuple):
    """One release: its number, the run's time (aware), protocols reported and expected, and how final it was."""

    release: int
    time: datetime.datetime
    reported: int
    expected: int
    state: str


class Curves:
    """The points of every series that was asked for; reads files."""

    def __init__(self, store: Path) -> None:
        self._reader = StoreReader(store)
        self._known: dict[SeriesKey, list[Point]] = {}
        self._newest: dict[SeriesKey, Point] = {}

    def newest(self, key: SeriesKey) -> Point | None:
        """The newest release of a series, None before the first; raises StoreError and OSError."""
        newest = self._reader.newest(key)
        if newest is None:
            return None
        known = self._newest.get(key)
        if known is None or known.release != newest.number:
            known = self._newest[key] = read_point(self._reader.layout.manifest(key, newest.number))
        return known

    def of(self, key: SeriesKey) -> list[Point]:
        """The releases of a series, oldest first; raises StoreError and OSError."""
        known = self._known.setdefault(key, [])
        newest = self._reader.newest(key)
        last = newest.number if newest else 0
        if len(known) > last:  # the store was put back
            known.clear()
        for number in range(len(known) + 1, last + 1):
            known.append(read_point(self._reader.layout.manifest(key, number)))
        return list(known)


def read_point(manifest: Path) -> Point:
    """What the root of a manifest tells; raises :class:`StoreDamaged` and OSError."""
    parser = etree.XMLPullParser(
        ("start",), resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
    )
    try:
        with manifest.open("rb") as file:
            while piece := file.read(PIECE):
                parser.feed(piece)
                for _, element in parser.read_events():
                    return _point(element)
    except (etree.XMLSyntaxError, KeyError, ValueError) as error:
        raise StoreDamaged(manifest, f"cannot be read ({str(error)[:200]})") from error
    raise StoreDamaged(manifest, "is empty")


def _point(element: etree._Element) -> Point:
    if element.tag != f"{NAMESPACE}manifest" or element.getroottree().docinfo.doctype:
        raise ValueError(f"it is {str(element.tag)[:80]!r}, expected a manifest")
    told = element.attrib
    time = datetime.datetime.fromisoformat(told["time"])
    if time.utcoffset() is None:
        raise ValueError(f"the time {told['time'][:60]!r} has no zone")
    return Point(int(told["release"]), time, int(told["reported"]), int(told["expected"]), told["state"])
