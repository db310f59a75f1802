"""A run is scored: facts are read from a site and from what its feeds wrote, and put together. Reads files."""

import datetime
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.scoring.closing import ClosingReport, closing_report, ledgered
from skrutinium_server.rehearsal.scoring.facts import GRACE, read_night, read_subscribers
from skrutinium_server.rehearsal.scoring.model import Night, Read, Receipt, ScoringError, Unchanged, Way
from skrutinium_server.rehearsal.scoring.reading import read_access_log, read_receipts
from skrutinium_server.rehearsal.scoring.scoring import score
from skrutinium_server.rehearsal.stage.processes import SECOND, before_of, watching_of


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
    receipts = (*_there(first.receipts), *_there(second.receipts))
    return Written(_there(first.access_log), _there(second.access_log), receipts)


def _there(path: Path | None) -> tuple[Path, ...]:
    """A file and the one before it, which was moved away when it was large."""
    if path is None:
        return ()
    return tuple(one for one in (before_of(path), path) if one.is_file())


def gather(site: Site, run: str, written: Written) -> ClosingReport:
    """Score a run; the scores are in the report. Raises :class:`ScoringError`, SiteError, LedgerError, StoreError, StageError."""
    if site.run(run).phase == "live":
        raise ScoringError(f"{run!r} is a live run: scores are given in tests and rehearsals only.")
    if written.nothing:
        raise ScoringError(
            "Nothing was written of what readers did. Name files with --access-log and --receipts; `serve`, `feed` and stages write them."
        )
    night = read_night(site, run)
    until = night.ended + GRACE
    reads, unchanged = _logged(written.access, night, until, "feed")
    more_reads, more_unchanged = _logged(written.second_access, night, until, "second-site")
    receipts: list[Receipt] = []
    for path in written.receipts:
        receipts += read_receipts(path, night.event, run)
    scores = score(
        night,
        read_subscribers(site),
        (*reads, *more_reads),
        (*unchanged, *more_unchanged),
        sorted((one for one in receipts if one.received <= until), key=lambda one: one.received),
    )
    with SqliteReader(site.ledger(run)) as ledger:
        told = ledgered(entry.body for entry in ledger.entries())
    return closing_report(scores, told, f"skrutinium-server {version('skrutinium-server')}")


def _logged(
    paths: Sequence[Path], night: Night, until: datetime.datetime, where: Way
) -> tuple[list[Read], list[Unchanged]]:
    reads: list[Read] = []
    unchanged: list[Unchanged] = []
    for path in paths:
        logged = read_access_log(path, night, until, where)
        reads += logged.reads
        unchanged += logged.unchanged
    return reads, unchanged
