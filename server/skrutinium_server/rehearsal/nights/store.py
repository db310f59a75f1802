"""The night of a run, from what was published of it: a release store, or a mirror or recording that the SDK made of one.

The definition comes from the registers (the set of CSV tables among them is the whole of it), the protocols from the batches of the
series ``skrutinium``, which hold the bytes as they were taken over. Nothing is trusted: every document is checked against its hash, and
the definition against the one that the registers name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from skrutinium.documents.protocols import Protocol as Published
from skrutinium.documents.protocols_reading import read_batch
from skrutinium.errors import SkrutiniumError
from skrutinium_server.election.canonical import canonical, sha256
from skrutinium_server.election.formats.csv_set import read_set
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import TakenOver
from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.nights.model import Night, cause, check_replayable, check_whole, in_time
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.release.store.errors import StoreMissing
from skrutinium_server.release.store.model import ManifestRow, Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.registers import RegistersReader

SERIES: Final = "skrutinium"
_SET: Final = "csv-set/"


def of_store(root: Path, run: str | None = None) -> Night:
    """The night of a run in the release store (or mirror) that lies in ``root``, the current run unless told; reads files.

    Raises :class:`NightError` when the store holds no such run, not all of it, or a live run that is not over; ``StoreError`` for what
    is damaged; ``ElectionError`` for registers that are none.
    """
    reader = StoreReader(root)
    told = _chosen(root, reader, run)
    check_replayable(told.id, told.phase, is_open=told.open, source=str(root))
    key = SeriesKey(told.event, told.id, SERIES)
    newest = reader.newest(key)
    if newest is None:
        raise NightError(f"{root} holds no release of the run {told.id!r} in the series {SERIES}.")
    definition = published_definition(root, told.event, _version(reader, key))
    where = f"{root}, run {told.id}"
    rows = _batches(reader, key, newest.number)
    due = in_time(_due(protocol, where) for row in rows for protocol in _protocols(root, reader, row))
    check_whole(due, where)
    return Night(definition, due, f"release store, run {told.id}, {told.event}")


def of_recording(root: Path, run: str | None = None) -> Night:
    """The night in a recording of the SDK (``skrutinium record``): a mirror of a release store. Raises as :func:`of_store` does."""
    night = of_store(root, run)
    return Night(night.definition, night.due, f"recording of {night.definition.event}")


def _chosen(root: Path, reader: StoreReader, run: str | None) -> Run:
    known = {one.id: one for one in reader.state()[1]}
    if run is not None and run in known:
        return known[run]
    current = [one for one in known.values() if one.current]
    if run is None and len(current) == 1:
        return current[0]
    names = ", ".join(known) or "none"
    asked = f"no run {run!r}" if run is not None else f"{len(current)} current runs"
    raise NightError(f"{root} holds {asked} (runs: {names}). Name one of them.")


def _version(reader: StoreReader, key: SeriesKey) -> int:
    """The version of the definition that the run rests on."""
    rows = reader.manifest(key, 1).rows
    if not rows:
        raise NightError(f"Release 1 of the run {key.run!r} names no document; expected all of them.")
    return rows[0].codebook


def published_definition(root: Path, event: str, version: int) -> Definition:
    """The definition in the registers of that version, to the byte the one that they were made from; raises as :func:`of_store` does."""
    registers = RegistersReader(root)
    try:
        index = registers.index(event, version)
        rows = {path: row for path, row in index.rows.items() if path.startswith(_SET)}
        tables = {path.removeprefix(_SET): registers.document(row) for path, row in rows.items()}
    except StoreMissing as error:
        raise NightError(
            f"{root} lacks the registers of version {version} of {event} ({error}). Expected a whole store or mirror; the SDK makes one "
            "by: skrutinium pull --all, or skrutinium record."
        ) from error
    if not tables:
        raise NightError(
            f"The registers in {root} hold no set of tables (csv-set/): they were published by an older version of the program."
        )
    definition = read_set(tables)
    due = {row.definition_sha256 for row in rows.values() if row.definition == version}
    if sha256(canonical(definition)) not in due:
        raise NightError(
            f"The tables in the registers of {event} are not the definition {version} that they name.",
            code="night-definition",
        )
    return definition


def _batches(reader: StoreReader, key: SeriesKey, newest: int) -> Iterator[ManifestRow]:
    for number in range(1, newest + 1):
        try:
            manifest = reader.manifest(key, number)
        except StoreMissing as error:
            raise NightError(
                f"Release {number} of the run {key.run!r} is missing in {reader.layout.root}. Expected every release, as a store has them "
                "and skrutinium pull --all or skrutinium record fetch them."
            ) from error
        yield from (row for row in manifest.rows if row.path.startswith("batch/"))


def _protocols(root: Path, reader: StoreReader, row: ManifestRow) -> tuple[Published, ...]:
    try:
        return read_batch(reader.object(row.sha256), row.path).protocols
    except StoreMissing as error:
        raise NightError(
            f"{root} lacks {row.path} ({row.sha256}): the protocols of that release are not there, so the night is not whole."
        ) from error
    except SkrutiniumError as error:
        raise NightError(f"{root}, {row.path}: {error}") from error


def _due(protocol: Published, where: str) -> Due:
    taken = protocol.taken_over
    if taken is None:
        raise NightError(
            f"{where}: the batch does not hold the bytes of the protocol of precinct {protocol.precinct}, contest {protocol.contest}."
        )
    data = TakenOver(
        taken.data, taken.format, taken.encoding, taken.source, taken.source_sha256, taken.offset
    )
    return Due(protocol.accepted, data, *cause(protocol.reason, protocol.authority))
