"""Every protocol as it was taken over, as files: ``protocol/PRECINCT/CONTEST-VERSION.EXT`` and, beside them, ``index.csv``.

The index is all that is remembered of them, so a program that was killed goes on from what lies there.
"""

import base64
import binascii
import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec
from lxml import etree

from skrutinium_server.archive.cells import table
from skrutinium_server.archive.errors import UnreadableDocument
from skrutinium_server.archive.public.folder import PublicFolder
from skrutinium_server.archive.reading import children, told, whole

_EXTENSIONS = {"volby-batches": "xml", "csv": "csv"}


class Version(msgspec.Struct, frozen=True):
    """One protocol as it came in: ``file`` lies beside the index, ``size`` is in bytes."""

    contest: str
    version: int
    entry: int
    sequence: int
    established: str
    accepted: str
    file: str
    size: int
    sha256: str
    encoding: str
    source: str
    reason: str
    authority: str


_COLUMNS = Version.__struct_fields__


def taken_over(path: str, batch: etree._Element) -> Iterator[tuple[str, Version, bytes]]:
    """Precinct, version and bytes of each protocol of ``batch/N.xml``; raises :class:`UnreadableDocument` when a hash does not hold."""
    for protocol in children(batch, "protocol"):
        for taken in children(protocol, "taken-over"):
            try:
                data = base64.b64decode(taken.text or "", validate=True)
            except binascii.Error as error:
                raise UnreadableDocument(path, f"holds bytes that are no Base64 ({error})") from error
            digest = hashlib.sha256(data).hexdigest()
            if digest != told(protocol, "sha256"):
                raise UnreadableDocument(
                    path, f"holds bytes of entry {told(protocol, 'entry')} with another hash"
                )
            contest, version = told(protocol, "contest"), whole(protocol, "version")
            extension = _EXTENSIONS.get(told(taken, "format"), "bin")
            yield (
                told(protocol, "precinct"),
                Version(
                    contest=contest,
                    version=version,
                    entry=whole(protocol, "entry"),
                    sequence=whole(protocol, "sequence"),
                    established=told(protocol, "established"),
                    accepted=told(protocol, "accepted"),
                    file=f"{contest}-{version}.{extension}",
                    size=len(data),
                    sha256=digest,
                    encoding=told(taken, "encoding"),
                    source=told(taken, "source"),
                    reason=told(protocol, "reason"),
                    authority=told(protocol, "authority"),
                ),
                data,
            )


class Protocols:
    """The protocols in a public folder."""

    def __init__(self, folder: PublicFolder) -> None:
        self._folder = folder

    def add(self, batches: Iterable[tuple[str, etree._Element]]) -> set[str]:
        """Write all protocols of these batches, then the indexes of their precincts; returns the precincts."""
        new: defaultdict[str, list[Version]] = defaultdict(list)
        for path, batch in batches:
            for precinct, version, data in taken_over(path, batch):
                self._folder.put(f"protocol/{precinct}/{version.file}", data)
                new[precinct].append(version)
        for precinct, versions in new.items():
            known = {one.entry: one for one in (*self.of(precinct), *versions)}
            rows = [msgspec.structs.astuple(known[entry]) for entry in sorted(known)]
            self._folder.put(f"protocol/{precinct}/index.csv", table(_COLUMNS, rows))
        return set(new)

    def of(self, precinct: str) -> list[Version]:
        """What has come in from a precinct, in the order of the ledger."""
        path = self._folder.path(f"protocol/{precinct}/index.csv")
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return []
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return [msgspec.convert(row, Version, strict=False) for row in rows]
