"""Making the complete archive of one release (requirement M8). Same store, same bytes; memory does not grow with the votes."""

import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from lxml import etree

from skrutinium_server.archive.cells import TableWriter
from skrutinium_server.archive.complete import texts
from skrutinium_server.archive.complete.tables import READERS, TABLES
from skrutinium_server.archive.complete.zipping import ZipWriter, file_sha256
from skrutinium_server.archive.errors import NothingToArchive
from skrutinium_server.archive.reading import parse
from skrutinium_server.archive.runs import find_run
from skrutinium_server.release.store.archives import SERIES, ArchiveLayout
from skrutinium_server.release.store.errors import StoreWriteFailed
from skrutinium_server.release.store.model import Manifest, ManifestRow, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.writing import write_whole


class Archive(NamedTuple):
    """The two files of one release."""

    number: int
    xml: Path
    csv: Path


def archive_release(store: Path, key: SeriesKey, number: int | None = None) -> Archive:
    """Write the results of release ``number`` (None: the newest) into the store, as XML and as CSV, then name it in ``newest``.

    ``newest`` never goes back. Raises :class:`NothingToArchive` without such a release, :class:`~skrutinium_server.archive.errors.NoSuchRun` without such a run,
    :class:`~skrutinium_server.release.store.errors.StoreDamaged` when a document is not what its name says, and
    :class:`~skrutinium_server.release.store.errors.StoreWriteFailed` when the disk does not take it; then nothing new is named.
    """
    key = key._replace(series=SERIES)
    reader = StoreReader(store)
    newest = reader.newest(key)
    if newest is None or not 1 <= (number or newest.number) <= newest.number:
        known = "none yet" if newest is None else f"1 to {newest.number}"
        raise NothingToArchive(
            f"Run {key.run} of {key.event} has no release {number or 'at all'} (known: {known})."
        )
    number = number or newest.number
    layout = ArchiveLayout(store, key)
    manifest = reader.manifest(key, number)
    rows = sorted(reader.snapshot(key, number).values(), key=lambda row: row.path)
    law = find_run(reader, key.run).law
    _write_xml(layout.xml(number), reader, key, manifest, law, rows)
    _write_csv(layout.csv(number), reader, manifest, law, rows)
    _name_newest(layout, number)
    return Archive(number, layout.xml(number), layout.csv(number))


def _name_newest(layout: ArchiveLayout, number: int) -> None:
    newest = max(int(path.name[:9]) for path in layout.folder.glob("[0-9]*-csv.zip"))
    if newest == number:
        line = f"{number} {file_sha256(layout.xml(number))} {file_sha256(layout.csv(number))}\n"
        write_whole(layout.newest, line.encode("ascii"))


def _signed(reader: StoreReader, key: SeriesKey, number: int) -> dict[str, bytes]:
    """The newest checkpoint up to the release and all manifests after it: together they list every document, signed."""
    start = max((at for at in reader.checkpoints(key) if at <= number), default=0)
    files: dict[str, bytes] = {}
    if start:
        name = f"signed/checkpoint-{start:09d}.xml"
        files[name], files[name + ".sig"] = reader.checkpoint(key, start)
    for at in range(min(start + 1, number), number + 1):
        name = f"signed/manifest-{at:09d}.xml"
        files[name] = reader.manifest_bytes(key, at)
        files[name + ".sig"] = reader.manifest_signature(key, at)
    return files


def _write_xml(
    path: Path, reader: StoreReader, key: SeriesKey, manifest: Manifest, law: str, rows: list[ManifestRow]
) -> None:
    signed = _signed(reader, key, manifest.number)
    names = sorted(name.removeprefix("signed/") for name in signed if not name.endswith(".sig"))
    contract = resources.files("skrutinium_server").joinpath("_contract", "xsd")
    with ZipWriter(path, texts.comment(manifest, law)) as target:
        target.add("README.txt", texts.xml_readme(manifest, law, _shortened(names)).encode())
        target.add("manifest.xml", reader.manifest_bytes(key, manifest.number))
        target.add("manifest.xml.sig", reader.manifest_signature(key, manifest.number))
        for name, data in _keys(reader, signed).items():
            target.add(name, data)
        for schema in sorted({row.schema for row in rows}):
            target.add(f"xsd/{schema}", contract.joinpath(*schema.split("/")).read_bytes())
        for name, data in sorted(signed.items()):
            target.add(name, data)
        for row in rows:
            target.add(row.path, reader.object(row.sha256))
        target.add_sums()


def _shortened(names: list[str]) -> list[str]:
    return names if len(names) <= 4 else [*names[:2], "...", names[-1]]


def _keys(reader: StoreReader, signed: Mapping[str, bytes]) -> dict[str, bytes]:
    """The public keys that signed, with what vouches for them."""
    ids = sorted({line.split()[1].decode("ascii") for name, line in signed.items() if name.endswith(".sig")})
    files = {}
    for id in ids:
        path = reader.layout.key(id)
        for one in (path, path.with_name(path.name + ".sig")):
            if one.exists():
                files[f"keys/{one.name}"] = one.read_bytes()
    return files


def _write_csv(
    path: Path, reader: StoreReader, manifest: Manifest, law: str, rows: list[ManifestRow]
) -> None:
    try:
        _write_tables(path, reader, manifest, law, rows)
    except OSError as error:
        raise StoreWriteFailed(path, error) from error


def _write_tables(
    path: Path, reader: StoreReader, manifest: Manifest, law: str, rows: list[ManifestRow]
) -> None:
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        tables: dict[str, TableWriter] = {}
        wrapped: list[io.TextIOWrapper] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, columns in TABLES.items():
            # Beside the archive: a table may be larger than what /tmp holds.
            files[name] = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile(dir=path.parent)))
            wrapped.append(io.TextIOWrapper(files[name], "utf-8", newline=""))
            tables[name] = TableWriter(wrapped[-1], columns)
        for root in _documents(reader, rows):
            for name, cells in READERS[etree.QName(root).localname](root):
                tables[name].row(cells)
        for text in wrapped:
            text.flush()
            text.detach()
        target = stack.enter_context(ZipWriter(path, texts.comment(manifest, law)))
        target.add("README.txt", texts.csv_readme(manifest, law).encode())
        for name, file in files.items():
            file.seek(0)
            target.add_file(f"{name}.csv", file)
        target.add_sums()


def _documents(reader: StoreReader, rows: list[ManifestRow]) -> Iterator[etree._Element]:
    for row in rows:
        if row.path.startswith("batch/"):
            continue  # its protocols stand in the documents of their precincts
        root = parse(row.path, reader.object(row.sha256))
        if etree.QName(root).localname in READERS:
            yield root
