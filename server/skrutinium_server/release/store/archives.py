"""Where the complete archives of a run lie in a release store. Pure: names only.

``event/EVENT/RUN/archive/NNNNNNNNN.zip`` holds the results of release N of the series ``skrutinium`` as XML,
``NNNNNNNNN-csv.zip`` the same as tables; ``newest`` is one line: number, hash of the first, hash of the second.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import SeriesKey

SERIES: Final = "skrutinium"
"""The series whose results are archived."""
_NEWEST = re.compile(r"([1-9][0-9]{0,8}) ([0-9a-f]{64}) ([0-9a-f]{64})\n?")


class NewestArchive(NamedTuple):
    """Number of the release that was archived last, and the SHA-256 of its two files."""

    number: int
    xml_sha256: str
    csv_sha256: str


class ArchiveLayout:
    """The archives of the run of ``key`` in the store that lies in ``root``; the series of ``key`` is not looked at."""

    def __init__(self, root: Path, key: SeriesKey) -> None:
        self.folder = root / "event" / key.event / key.run / "archive"
        self.newest = self.folder / "newest"

    def xml(self, number: int) -> Path:
        """Every document of that release."""
        return self.folder / f"{number:09d}.zip"

    def csv(self, number: int) -> Path:
        """The same as tables."""
        return self.folder / f"{number:09d}-csv.zip"


def read_newest_archive(layout: ArchiveLayout) -> NewestArchive | None:
    """What the file ``newest`` says, None before the first archive; raises :class:`StoreDamaged` when it cannot be understood."""
    try:
        text = layout.newest.read_text("ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreDamaged(layout.newest, f"cannot be read ({error})") from error
    found = _NEWEST.fullmatch(text)
    if found is None:
        raise StoreDamaged(layout.newest, "does not hold a number and two hashes")
    return NewestArchive(int(found[1]), found[2], found[3])
