"""Files of a message into parts, each under the recipient's limit and readable by itself. Pure: bytes in, bytes out.

A part carries the signed state, the keys, a note on how to read it, and for each document the manifest that names it with its
signature. What the reader of mail refuses is never made: more than 200 files in a zip, more than 64 MB unpacked.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

from skrutinium_server.crisis.model import Document, File, Package, Release, ReleasePart, Results, Selection

MOST_FILES: Final = 200
MOST_UNPACKED: Final = 64_000_000
BASIC: Final = 60_000
"""Bytes of a zip that earlier releases may fill: what a message of the default set has at most, unless more is due."""
RESERVED: Final = 32_000
"""Bytes of a message for its text and headers."""
LEVEL: Final = 9

Bytes = Callable[[Document], bytes]
Releases = Callable[[int], Release]


class Part:
    """The files of one message while they are gathered; ``size`` is that of their zip, in bytes."""

    def __init__(self, head: Iterable[File], limit: int) -> None:
        self.files: dict[str, bytes] = {}
        self.size = 22
        self.unpacked = 0
        self._limit = limit
        for file in head:
            self._put(file)
        self._head = len(self.files)

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing but what every part has."""
        return len(self.files) == self._head

    def take(self, files: Iterable[File], limit: int | None = None) -> bool:
        """Take all of these files, those that are there already once, or none when they do not fit."""
        new = [file for file in files if file.name not in self.files]
        size = self.size + sum(map(_zipped_size, new))
        unpacked = self.unpacked + sum(len(file.data) for file in new)
        most = self._limit if limit is None else min(limit, self._limit)
        if size > most or unpacked > MOST_UNPACKED or len(self.files) + len(new) > MOST_FILES:
            return False
        for file in new:
            self._put(file)
        return True

    def _put(self, file: File) -> None:
        self.files[file.name] = file.data
        self.size += _zipped_size(file)
        self.unpacked += len(file.data)


def pack(
    results: Results,
    selection: Selection,
    note: File,
    release: Releases,
    bytes_of: Bytes,
    *,
    limit: int,
    zip_above: int,
) -> tuple[list[Package], list[str]]:
    """The messages' files for a selection, and the paths of what is too large for any message of ``limit`` bytes."""
    room = (
        (limit - RESERVED) * 3 // 4 * 76 // 78
    )  # base64 (RFC 2045): four letters for three bytes, lines of 76 and their ends
    filling = _Filling((note, *results.common), room)
    for part in selection.due:
        proof, documents = _proof(release(part.number)), list(_files(part, bytes_of))
        filling.add(proof, documents)
    for one in selection.standing:
        file = File(one.document.path, bytes_of(one.document))
        named = _proof(release(one.number))
        filling.stand(file, named)
    for part in selection.more:
        if not filling.more((*_proof(release(part.number)), *_files(part, bytes_of))):
            break
    return _packages(results, filling.parts, zip_above), filling.left_out


class _Filling:
    """Parts as they are filled; a new one is begun when nothing more fits."""

    def __init__(self, head: tuple[File, ...], limit: int) -> None:
        self._head = head
        self._limit = limit
        self.parts = [Part(head, limit)]
        self.left_out: list[str] = []

    def add(self, proof: tuple[File, ...], documents: list[File]) -> None:
        """A release: whole, or else one document after the other, each beside the manifest that names it."""
        if self.parts[-1].take((*proof, *documents)):
            return
        fresh = Part(self._head, self._limit)
        if fresh.take((*proof, *documents)):
            self.parts.append(fresh)
            return
        if not documents:
            self._place(proof)
        for document in documents:
            self._place((*proof, document))

    def stand(self, file: File, proof: tuple[File, ...]) -> None:
        """A document of an earlier release: with its proof when that is small, otherwise alone."""
        if not self.parts[-1].take((*proof, file), BASIC):
            self._place((file,))

    def more(self, files: tuple[File, ...]) -> bool:
        """What may be left out: only beside what there is, in a small message."""
        return len(self.parts) == 1 and self.parts[0].take(files, BASIC)

    def _place(self, files: tuple[File, ...]) -> None:
        if self.parts[-1].take(files):
            return
        fresh = Part(self._head, self._limit)
        if not fresh.take(files):
            self.left_out.append(files[-1].name)
        elif self.parts[-1].is_empty:
            self.parts[-1] = fresh
        else:
            self.parts.append(fresh)


def _proof(release: Release) -> tuple[File, ...]:
    name = f"manifest/{release.number:09d}.xml"
    return File(name, release.manifest), File(f"{name}.sig", release.signature)


def _files(part: ReleasePart, bytes_of: Bytes) -> Iterator[File]:
    for one in part.newest:
        yield File(one.path, bytes_of(one))
    for one in part.older:
        yield File(f"release/{part.number:09d}/{one.path}", bytes_of(one))


def _packages(results: Results, parts: list[Part], zip_above: int) -> list[Package]:
    key, number = results.key, results.newest.number
    made = [
        tuple(File(name, part.files[name]) for name in sorted(part.files, key=_for_people)) for part in parts
    ]
    if len(made) == 1 and parts[0].unpacked <= zip_above:
        return [Package(tuple(File(one.name.replace("/", "-"), one.data) for one in made[0]), None)]
    stem = f"{key.event}-{key.run}-{number:09d}"
    if len(made) == 1:
        return [Package(made[0], f"{stem}.zip")]
    return [Package(files, f"{stem}-{at}of{len(made)}.zip") for at, files in enumerate(made, 1)]


def _for_people(name: str) -> tuple[int, str]:
    """The note first, then newest documents, what proves them, and what was before."""
    folder = name.partition("/")[0]
    places = {"READ-ME.txt": 0, "state.xml": 2, "manifest": 3, "keys": 4, "release": 5}
    return places.get(folder, 1), name


def make_zip(files: Iterable[File]) -> bytes:
    """A zip whose bytes depend on nothing but its files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, file.data)
    return made.getvalue()


def _zipped_size(file: File) -> int:
    """Bytes that a file takes in a zip: local header, deflated bytes, and its row in the directory."""
    return _deflated_size(file.data) + 30 + 46 + 2 * len(file.name.encode())


@lru_cache(maxsize=1024)
def _deflated_size(data: bytes) -> int:
    # The manifest of a first release has megabytes, and is asked for beside each document that it names.
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    return len(squeeze.compress(data)) + len(squeeze.flush())
