"""Reading a release store: what the feed, the crisis mail, the archive and a mirror share.

Every answer is checked against its hash; files are small and read whole. Nothing here writes.
Source: design § 4.3 and § 4.4.
"""

import contextlib
import datetime
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from skrutinium_server.release.store.errors import StoreDamaged, StoreMissing
from skrutinium_server.release.store.layout import Layout, signature_of
from skrutinium_server.release.store.model import (
    Manifest,
    ManifestRow,
    Newest,
    Run,
    SeriesKey,
)
from skrutinium_server.release.store.packing import expand
from skrutinium_server.release.store.signing import split_signed
from skrutinium_server.xml_parsing import xml_parser

NAMESPACE = "{urn:skrutinium:1}"
LARGEST = 512 * 1024 * 1024
"""No document of a store is larger, uncompressed."""

_NEWEST = re.compile(rb"([1-9][0-9]{0,8}) ([0-9a-f]{64})\n?")
_HASH = re.compile(r"[0-9a-f]{64}")
_CHECKPOINT = re.compile(r"([0-9]{9})\.xml\.gz")


def _parse(path: Path, data: bytes, root: str) -> etree._Element:
    try:
        element = etree.fromstring(data, xml_parser())
    except etree.XMLSyntaxError as error:
        raise StoreDamaged(path, f"is not well-formed ({str(error)[:200]})") from error
    if element.tag != NAMESPACE + root:
        raise StoreDamaged(path, f"is no {root} but {str(element.tag)[:200]!r}")
    return element


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Attributes that are missing or no numbers are damage: what was published was validated."""
    try:
        yield
    except KeyError as error:
        raise StoreDamaged(path, f"lacks the attribute {error}") from error
    except ValueError as error:
        raise StoreDamaged(path, f"has an attribute that is wrong ({str(error)[:200]})") from error


def _row(element: etree._Element) -> ManifestRow:
    sha256 = element.attrib["sha256"]
    if not _HASH.fullmatch(sha256):  # it becomes the name of a file
        raise ValueError(f"{sha256[:80]!r} is no SHA-256")
    return ManifestRow(
        path=element.attrib["path"],
        size=int(element.attrib["size"]),
        sha256=sha256,
        schema=element.attrib["schema"],
        codebook=int(element.attrib["codebook"]),
    )


def _utc(told: str | None) -> datetime.datetime | None:
    """A moment of the state file; raises ValueError for one without its zone, which could be read an hour too early."""
    if told is None:
        return None
    moment = datetime.datetime.fromisoformat(told)
    if moment.utcoffset() is None:
        raise ValueError(f"the time {told[:60]!r} has no zone")
    return moment.astimezone(datetime.UTC)


def read_manifest(path: Path, data: bytes) -> Manifest:
    """Read a manifest; raises :class:`StoreDamaged`. It was validated when it was written."""
    element = _parse(path, data, "manifest")
    with _told(path):
        told = element.attrib
        return Manifest(
            event=told["event"],
            run=told["run"],
            phase=told["phase"],
            series=told["series"],
            number=int(told["release"]),
            time=told["time"],
            previous=told["previous"],
            position=int(told["position"]),
            state=told["state"],
            expected=int(told["expected"]),
            reported=int(told["reported"]),
            checkpoint=told.get("checkpoint") == "true",
            rows=tuple(_row(child) for child in element.iter(NAMESPACE + "document")),
        )


def read_state(path: Path, data: bytes) -> tuple[int, tuple[Run, ...]]:
    """Read the state file (without its signature line): its number and its runs."""
    element = _parse(path, data, "feed-state")
    runs = []
    with _told(path):
        for run in element.iter(NAMESPACE + "run"):
            told = run.attrib
            series = tuple(child.attrib["id"] for child in run)
            runs.append(
                Run(
                    event=told["event"],
                    id=told["id"],
                    name=told["name"],
                    date=told["date"],
                    law=told["law"],
                    phase=told["phase"],
                    open=told["open"] == "true",
                    current=told["current"] == "true",
                    series=series,
                    not_before=_utc(told.get("not-before")),
                    first_date=told.get("first-date"),
                )
            )
        return int(element.attrib["number"]), tuple(runs)


class StoreReader:
    """The store that lies in ``root``."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)

    def newest(self, key: SeriesKey) -> Newest | None:
        """The newest release of a series, None before the first."""
        path = self.layout.newest(key)
        try:
            data = self._bytes(path, "newest release")
        except StoreMissing:
            return None
        found = _NEWEST.fullmatch(data)
        if found is None:
            raise StoreDamaged(path, "does not hold a number and a hash")
        return Newest(int(found[1]), found[2].decode("ascii"))

    def manifest_bytes(self, key: SeriesKey, number: int) -> bytes:
        """The exact bytes of one manifest."""
        return self._bytes(self.layout.manifest(key, number), f"release {number} of {'/'.join(key)}")

    def manifest(self, key: SeriesKey, number: int) -> Manifest:
        """One manifest."""
        return read_manifest(self.layout.manifest(key, number), self.manifest_bytes(key, number))

    def manifest_signature(self, key: SeriesKey, number: int) -> bytes:
        """The signature line of one manifest."""
        path = signature_of(self.layout.manifest(key, number))
        return self._bytes(path, f"signature of release {number} of {'/'.join(key)}")

    def pack_gzip(self, key: SeriesKey, number: int) -> bytes:
        """The pack of one release, gzipped."""
        return self._bytes(
            self.layout.pack(key, number),
            f"pack of release {number} of {'/'.join(key)}",
        )

    def checkpoints(self, key: SeriesKey) -> tuple[int, ...]:
        """Numbers of the releases that have a checkpoint, ascending."""
        folder = self.layout.checkpoint(key, 1).parent
        if not folder.is_dir():
            return ()
        found = (_CHECKPOINT.fullmatch(path.name) for path in folder.iterdir())
        return tuple(sorted(int(match[1]) for match in found if match))

    def checkpoint(self, key: SeriesKey, number: int) -> tuple[bytes, bytes]:
        """The bytes of one checkpoint, uncompressed, and their signature line."""
        path = self.layout.checkpoint(key, number)
        data = self._expand(path, self._bytes(path, f"checkpoint {number} of {'/'.join(key)}"))
        return data, self._bytes(signature_of(path), f"signature of checkpoint {number}")

    def object_gzip(self, sha256: str) -> bytes:
        """A document by its hash, gzipped as it is kept (its hash is not checked: see :meth:`object`)."""
        return self._bytes(self.layout.object(sha256), f"document {sha256}")

    def object(self, sha256: str) -> bytes:
        """A document by its hash, uncompressed and checked."""
        path = self.layout.object(sha256)
        data = self._expand(path, self._bytes(path, f"document {sha256}"))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreDamaged(path, "has another hash than its name")
        return data

    def heartbeat(self, key: SeriesKey) -> bytes | None:
        """The newest heartbeat with its signature line, None before the first."""
        try:
            return self._bytes(self.layout.heartbeat(key), "heartbeat")
        except StoreMissing:
            return None

    def state(self) -> tuple[int, tuple[Run, ...]]:
        """Number and runs of the state file; (0, ()) before the first run. The signature is the reader's to check."""
        path = self.layout.state
        try:
            data = self._bytes(path, "state")
        except StoreMissing:
            return 0, ()
        try:
            body, _ = split_signed(data)
        except ValueError as error:
            raise StoreDamaged(path, str(error)) from error
        return read_state(path, body)

    def snapshot(self, key: SeriesKey, number: int) -> dict[str, ManifestRow]:
        """Every document as of release ``number`` by path: the nearest checkpoint before it and what follows."""
        start = max((at for at in self.checkpoints(key) if at <= number), default=0)
        rows: dict[str, ManifestRow] = {}
        if start:
            data, _ = self.checkpoint(key, start)
            path = self.layout.checkpoint(key, start)
            element = _parse(path, data, "checkpoint")
            with _told(path):
                rows = {row.path: row for row in map(_row, element.iter(NAMESPACE + "document"))}
        for at in range(start + 1, number + 1):
            for row in self.manifest(key, at).rows:
                rows[row.path] = row
        return rows

    @staticmethod
    def _bytes(path: Path, what: str) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise StoreMissing(what) from None
        except OSError as error:
            raise StoreDamaged(path, f"cannot be read ({error.strerror or error})") from error

    @staticmethod
    def _expand(path: Path, data: bytes) -> bytes:
        try:
            return expand(data, LARGEST)
        except ValueError as error:
            raise StoreDamaged(path, str(error)) from error
