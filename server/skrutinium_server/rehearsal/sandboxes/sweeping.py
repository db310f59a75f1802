"""Sweeping passages that are over out of a sandbox's site: a night that is played for ever must not fill the disk.

Only while no run of the site is open: then nobody writes objects that look the same. Killed at any moment it is done again next time.
"""

import contextlib
import datetime
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.rehearsal.nights import hashes_taken_over
from skrutinium_server.release.store.layout import Layout

LARGEST_LOG: Final = 256 * 1024
"""Bytes of an event log; it is read whole whenever a run is opened."""

_HASH: Final = re.compile(rb' sha256="([0-9a-f]{64})"')


def sweep(site: Site, event: str, keep: Collection[str], now: datetime.datetime) -> tuple[str, ...]:
    """Remove all runs but ``keep``, which are named in the state file no more, and what only they have; their names.

    ``now``: the wall clock. Reads and writes files.
    """
    runs = site.root / "runs"
    swept = tuple(sorted(path.name for path in runs.iterdir() if path.is_dir() and path.name not in keep))
    if not swept:
        return ()
    if set(swept) & set(site.told()):
        write_state(site, dropped=swept, now=now)
    layout = Layout(site.store)
    published = layout.registers(event).parent
    mentioned = set[str]()
    for path in sorted(published.iterdir()):
        if path.name not in swept:
            mentioned |= _mentioned(path)
    for run in keep:
        mentioned |= _taken_over(site.ledger(run))
    for run in swept:
        # First that which makes it a run: a counting house that starts now must not open it again.
        (runs / run / "run.json").unlink(missing_ok=True)
        own = _mentioned(published / run) | _taken_over(runs / run / "ledger.sqlite")
        for sha256 in own - mentioned:
            _remove(layout.object(sha256))
        for folder in (published / run, site.root / "rehearsal" / run, runs / run):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)
    return swept


def _remove(path: Path) -> None:
    """Remove an object, and its folders when it was the last one in them: they take more room than what they hold."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()
        path.parent.parent.rmdir()


def forget_decisions(site: Site) -> None:
    """Let the event log of a sandbox begin anew when it is long: it tells of passages that are no longer there, and has no persons.

    Only while nobody counts the site.
    """
    folder = site.root / "authority"
    log = folder / "events.jsonl"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        for path in (folder / "events.head", log):
            path.unlink()


def _mentioned(folder: Path) -> set[str]:
    """The hashes that manifests and indexes below a folder name."""
    return {found.decode() for path in _indexes(folder) for found in _HASH.findall(path.read_bytes())}


def _indexes(folder: Path) -> Iterator[Path]:
    if folder.name == "registers":
        yield from folder.glob("*.xml")
    else:
        yield from folder.glob("*/manifest/*.xml")


def _taken_over(ledger: Path) -> set[str]:
    """The hashes of the protocols in a ledger; of one that is half removed what can be read."""
    found = set[str]()
    with contextlib.suppress(LedgerError):
        found.update(hashes_taken_over(ledger))
    return found
