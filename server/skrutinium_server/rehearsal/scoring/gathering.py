"""A run is scored: facts are read from a site and from what its feeds wrote, and put together. Reads files."""

import datetime
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.scoring.closing import ClosingReport, closing_report, ledgered
from skrutinium_server.rehearsal.scoring.facts import GRACE, read_night, read_subscribers
from skrutinium_server.rehearsal.scoring.model import Read, Receipt, ScoringError, Unchanged, Way
from skrutinium_server.rehearsal.scoring.reading import read_access_log, read_receipts
from skrutinium_server.rehearsal.scoring.scoring import score
from skrutinium_server.rehearsal.stage.processes import SECOND, watching_of

_EVER: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Written(msgspec.Struct, frozen=True):
    """What the feeds of a run wrote: access logs of the first and of other feeds, and receipts."""

    access: tuple[Path, ...] = ()
    second_access: tuple[Path, ...] = ()
    receipts: tuple[Path, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether there is no file at all."""
        return not (self.access or self.second_access or self.receipts)


def written_of(site: Site) -> Written:
    """The files that a stage leaves in ``SITE/rehearsal/``, those that are there."""
    first, second = watching_of(site.root), watching_of(site.root, SECOND)
    return Written(
        _there(first.access_log),
        _there(second.access_log),
        (*_there(first.receipts), *_there(second.receipts)),
    )


def _there(path: Path | None) -> tuple[Path, ...]:
    return (path,) if path is not None and path.is_file() else ()


def gather(site: Site, run: str, written: Written) -> ClosingReport:
    """Score a run; the scores are in the report. Raises :class:`ScoringError`, SiteError, LedgerError, StoreError, StageError."""
    if site.run(run).phase == "live":
        raise ScoringError(f"{run!r} is a live run: scores are given in tests and rehearsals only.")
    if written.nothing:
        raise ScoringError(
            "Nothing was written of what readers did. Name files with --access-log and --receipts; `serve`, `feed` and stages write them."
        )
    night = read_night(site, run)
    reads, unchanged = _logged(written.access, "feed", night.ended + GRACE)
    more_reads, more_unchanged = _logged(written.second_access, "second-site", night.ended + GRACE)
    receipts: list[Receipt] = []
    for path in written.receipts:
        receipts += read_receipts(path, night.event, run)
    until = night.ended + GRACE
    scores = score(
        night,
        read_subscribers(site),
        (*reads, *more_reads),
        [one for one in (*unchanged, *more_unchanged) if one.time >= night.begun],
        sorted((one for one in receipts if one.received <= until), key=lambda one: one.received),
    )
    with SqliteReader(site.ledger(run)) as ledger:
        told = ledgered(entry.body for entry in ledger.entries())
    return closing_report(scores, told, f"skrutinium-server {version('skrutinium-server')}")


def _logged(
    paths: Sequence[Path], where: Way, until: datetime.datetime
) -> tuple[list[Read], list[Unchanged]]:
    reads: list[Read] = []
    unchanged: list[Unchanged] = []
    for path in paths:
        logged = read_access_log(path, _EVER, until, where)
        reads += logged.reads
        unchanged += logged.unchanged
    return reads, unchanged
