"""Writing the signed state file, which tells the runs of a site: before a run opens or closes."""

import datetime
from collections.abc import Collection

import msgspec

from skrutinium_server.process.basis import RunRecord
from skrutinium_server.process.site import Site
from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.store.model import Run
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import split_signed
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.trust import check_signed


def write_state(
    site: Site,
    opened: str | None = None,
    closed: str | None = None,
    *,
    reopened: str | None = None,
    dropped: Collection[str] = (),
    now: datetime.datetime,
) -> None:
    """Rewrite the signed state file: ``opened`` becomes its event's current run, ``closed`` accepts no more.

    ``reopened`` accepts again and is read where it was read before. ``dropped`` are no longer there at all: passages of a night that
    was replayed again since.

    What is read at the event's own address stays live once it was: a test opened afterwards is not put in its place. A run that
    was opened for a while (``RunRecord.before``) gives that address back when it closes.
    """
    with site.alone():
        _write_state(site, opened, closed, reopened, dropped, now)


def _write_state(
    site: Site,
    opened: str | None,
    closed: str | None,
    reopened: str | None,
    dropped: Collection[str],
    now: datetime.datetime,
) -> None:
    reader, signer = StoreReader(site.store), site.signer()
    number, known = reader.state()
    if number:
        path = reader.layout.state
        check_signed(reader.layout, signer.public, path, *split_signed(path.read_bytes()))
    runs = {run.id: run for run in known}
    if opened is not None:
        runs = _with_opened(runs, _row(site, site.run(opened)))
    if closed is not None and closed in runs:
        runs = _with_closed(runs, site.run(closed))
    if reopened is not None:
        runs[reopened] = msgspec.structs.replace(runs[reopened], open=True)
    for run in dropped:
        runs.pop(run, None)
    writer = StoreWriter(site.store, signer)
    writer.write_state(papers.feed_state(number + 1, now, tuple(runs.values())))
    writer.close()


def _with_closed(runs: dict[str, Run], record: RunRecord) -> dict[str, Run]:
    """The runs with one that closes; the one in whose place it stood is current again, where that is open still."""
    closed = msgspec.structs.replace(runs[record.run], open=False)
    before = runs.get(record.before) if record.before is not None else None
    if before is None or not (closed.current and before.open):
        return runs | {closed.id: closed}
    back = msgspec.structs.replace(before, current=True)
    return runs | {closed.id: msgspec.structs.replace(closed, current=False), back.id: back}


def _row(site: Site, record: RunRecord) -> Run:
    definition = site.definitions(record.event).load(record.definition)
    first = definition.first_round
    return Run(
        event=record.event,
        id=record.run,
        name=definition.name,
        date=str(definition.date),
        law=record.law,
        phase=record.phase,
        open=True,
        current=True,
        series=record.series,
        not_before=record.not_before,
        first_date=str(first.date) if first is not None else None,
    )


def _with_opened(runs: dict[str, Run], opened: Run) -> dict[str, Run]:
    """The runs with one that opens, which becomes its event's current one unless a live run is that already."""
    before = next((run for run in runs.values() if run.event == opened.event and run.current), None)
    if before is not None and before.id != opened.id:
        if before.phase == "live" and opened.phase != "live":
            opened = msgspec.structs.replace(opened, current=False)
        else:
            runs = runs | {before.id: msgspec.structs.replace(before, current=False)}
    return runs | {opened.id: opened}
