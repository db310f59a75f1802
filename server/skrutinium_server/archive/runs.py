"""Which run is meant: as the signed state file of the release store names it."""

from skrutinium_server.archive.errors import NoSuchRun
from skrutinium_server.release.store.model import Run, SeriesKey
from skrutinium_server.release.store.reading import StoreReader


def find_run(reader: StoreReader, name: str) -> Run:
    """The run with that name, which is unique in a store; raises :class:`NoSuchRun` naming those there are."""
    _, runs = reader.state()
    for run in runs:
        if run.id == name:
            return run
    known = ", ".join(sorted(run.id for run in runs)) or "none yet"
    raise NoSuchRun(
        f"The release store {reader.layout.root} has no run {name!r} (known: {known}). "
        "Open a run, or name the site that has it."
    )


def series_key(run: Run, series: str) -> SeriesKey:
    """Where that series of the run lies."""
    return SeriesKey(run.event, run.id, series)
