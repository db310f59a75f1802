"""What a run is opened with: the record of a new one, and what forbids to open one, or a closed one again.

Source: requirement M5.
"""

import datetime

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law, law_sha256, load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.ledger.model import Phase
from skrutinium_server.process.basis import Basis, RunRecord
from skrutinium_server.process.errors import RunError
from skrutinium_server.process.publisher import CARRIES, WRITERS
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.writing import write_whole


def prepare_run(
    site: Site,
    run: str,
    phase: Phase,
    event: str | None = None,
    persons: tuple[str, ...] = (),
    not_before: tuple[datetime.datetime, str] | None = None,
    rests_on: str | None = None,
    begins: datetime.datetime | None = None,
    *,
    gives_back: bool = False,
) -> RunRecord:
    """Write the record of a new run, which fixes its definition; raises :class:`RunError` saying what is missing.

    ``not_before`` (a moment and the reason for it) takes the place of the law's minute; ``rests_on`` is the hash of the definition
    that was looked at when the run was asked for: another one opens nothing. ``begins`` as in :class:`RunRecord`; with ``gives_back`` the run that is current now
    will be current again when this one closes.
    """
    with site.alone():
        record, _, _ = plan_run(site, run, phase, site.event(event))
        if rests_on not in (None, record.definition_sha256):
            raise RunError(
                f"The definition of {record.event} was changed while the run {run!r} was being opened. Look at it and ask again."
            )
        before = _current(site, record.event) if gives_back else None
        record = msgspec.structs.replace(record, persons=persons, begins=begins, before=before)
        if not_before is not None:
            moment, reason = not_before
            record = msgspec.structs.replace(record, not_before=moment, not_before_reason=reason)
        folder = site.run_folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "run.json", msgspec.json.encode(record))
        return record


def plan_run(site: Site, run: str, phase: Phase, event: str) -> tuple[RunRecord, Definition, Law]:
    """What a new run would rest on; raises :class:`RunError` saying what is missing. Writes nothing."""
    if (site.run_folder(run) / "run.json").exists():
        raise RunError(f"The run {run!r} exists already. Choose another name.")
    store = site.definitions(event)
    definition = store.newest()
    if definition is None:
        raise RunError("There is no definition yet. Import one with: skrutinium-server definition import ...")
    if definition.date is None:
        raise RunError(
            "The definition does not tell the date of voting. Import the batches too, or give --date."
        )
    if not definition.polls:
        raise RunError("The definition has no precinct that votes in a contest: nothing could be counted.")
    if phase == "live" and definition.made_up:
        raise RunError("A made-up election cannot be run live. Use the phase test or rehearsal.")
    _check_alone_live(site, event, phase)
    law = load_law(definition.law)
    record = RunRecord(
        event=event,
        run=run,
        phase=phase,
        definition=definition.version,
        definition_sha256=store.sha256(definition.version),
        law=definition.law,
        law_sha256=law_sha256(definition.law),
        series=_series(site, law),
        not_before=law.not_before(definition.date) if phase == "live" else None,
        volby_encoding=site.settings().volby_encoding,
    )
    return record, definition, law


def check_publishable(site: Site, run: str, phase: Phase, event: str) -> str:
    """Raise :class:`RunError` when a format cannot carry the definition, else return its hash; reads files."""
    record, definition, law = plan_run(site, run, phase, event)
    basis = Basis(record, definition, DefinitionIndex(definition), law)
    for series in record.series:
        try:
            WRITERS[series](basis)
        except ReleaseError as error:
            raise RunError(f"The series {series} could not be published: {error}") from error
    return record.definition_sha256


def publish_its_registers(site: Site, event: str | None, now: datetime.datetime) -> None:
    """Publish what the documents of a new run refer to, before anybody is told of the run; reads and writes files."""
    definition = site.definitions(site.event(event)).newest()
    assert definition is not None  # the run was checked to have one
    try:
        publish_registers(site, definition, now)
    except (ReleaseError, StoreError) as error:
        raise RunError(f"The registers could not be published: {error}") from error


def check_reopening(site: Site, run: str) -> None:
    """Raise :class:`RunError` unless a closed run may accept again: no live run of its event is open."""
    record = site.run(run)
    if record.run not in site.told():
        raise RunError(f"The run {run!r} was never published; there is nothing to open again.")
    _check_alone_live(site, record.event, record.phase)


def _current(site: Site, event: str) -> str | None:
    """The run that has the event's own address."""
    return next((run.id for run in site.told().values() if run.event == event and run.current), None)


def _check_alone_live(site: Site, event: str, phase: Phase) -> None:
    """While an event is live nothing else of it may be opened: its tests and rehearsals are over."""
    for run in site.told().values():
        if run.event == event and run.phase == "live" and run.open:
            raise RunError(
                f"The event {event} has the live run {run.id!r} open: no {phase} run of it can be opened beside it. "
                "Close that run first, or open a run of another event."
            )


def _series(site: Site, law: Law) -> tuple[str, ...]:
    """The series of a new run: those of the settings whose format can carry what is counted by the law."""
    return tuple(name for name in site.settings().series if CARRIES[name](law))
