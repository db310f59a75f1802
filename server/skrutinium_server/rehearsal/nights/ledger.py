"""The night of a run, from its ledger: the protocols as they were accepted, and the definition that they rest on."""

import datetime
from collections.abc import Iterator
from pathlib import Path

from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.model import Definition
from skrutinium_server.election.store import DefinitionStore
from skrutinium_server.intake.model import TakenOver
from skrutinium_server.ledger.model import Accepted, Closed, Opened, Reopened
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.nights.model import Night, cause, check_replayable, check_whole, in_time
from skrutinium_server.rehearsal.replay import Due

NAME = "ledger.sqlite"


def of_ledger(path: Path, definitions: Path | None = None) -> Night:
    """The night of the run whose ledger this is (the file, or the folder of the run); reads files.

    The definition is looked for in the site that the run lies in, or in ``definitions`` (its folder ``definition/EVENT``). Raises
    :class:`NightError`, ``LedgerError`` when the ledger cannot be read or its chain is broken.
    """
    file = _file(path)
    opened, is_open, due = read_ledger(file)
    check_replayable(opened.run, opened.phase, is_open=is_open, source=str(file))
    definition = _definition(definitions or file.absolute().parents[2] / "definition" / opened.event, opened)
    check_whole(due, str(file))
    return Night(definition, due, f"ledger of the run {opened.run}, {opened.event}")


def read_ledger(file: Path) -> tuple[Opened, bool, list[Due]]:
    """What a ledger (the file, or the folder of its run) says of the run, whether that is open still, and its protocols in the order in which they were accepted.

    Raises :class:`NightError`, ``LedgerError``.
    """
    file = _file(file)
    opened: Opened | None = None
    is_open = True
    due: list[Due] = []
    with SqliteReader(file) as reader:
        for entry, data in reader.records():
            match entry.body:
                case Opened() as body:
                    opened = body
                case Accepted() as body:
                    due.append(_due(body, data))
                case Closed():
                    is_open = False
                case Reopened():
                    is_open = True
                case _:
                    pass
    if opened is None:
        raise NightError(f"{file} has no first entry; expected the ledger of a run that was opened.")
    return opened, is_open, in_time(due)


def hashes_taken_over(ledger: Path) -> Iterator[str]:
    """The hashes of all protocols in a ledger, as their bytes were taken over; raises ``LedgerError`` at what cannot be read."""
    with SqliteReader(ledger) as reader:
        for entry in reader.entries():
            if isinstance(entry.body, Accepted):
                yield entry.body.data_sha256


def _file(path: Path) -> Path:
    """The ledger of a run that is named by its file or its folder."""
    file = path / NAME if path.is_dir() else path
    if not file.is_file():
        raise NightError(
            f"{path} is no ledger and no folder of a run; expected {NAME}, or the folder that it lies in."
        )
    return file


def _due(body: Accepted, data: bytes) -> Due:
    taken_over = TakenOver(data, body.format, body.encoding, body.source, body.source_sha256, body.offset)
    return Due(body.time.astimezone(datetime.UTC), taken_over, *cause(body.reason, body.authority))


def _definition(folder: Path, opened: Opened) -> Definition:
    """The version that the run rests on."""
    store = DefinitionStore(folder)
    try:
        definition = store.load(opened.definition)
    except ElectionError as error:
        raise NightError(
            f"The definition that the run {opened.run!r} rests on is not in {folder}: {error} "
            "Name a ledger that lies in its site."
        ) from error
    if store.sha256(opened.definition) != opened.definition_sha256:
        raise NightError(
            f"{folder} holds another version {opened.definition} of the definition than the run {opened.run!r} was opened with. "
            "Name a ledger that lies in its own site."
        )
    return definition
