"""Backup of a site that goes on counting, and restoring it.

What a backup holds at any moment, also when it was killed in the middle, can be restored: everything in a release store
but a few names is written once and never changed, so those names are read first and written last, after the
ledgers. A ledger is therefore never behind the store beside it: publishers make what is lacking again, byte for byte.
Sources: design § 4.1, § 4.2 and § 4.4.
"""

import contextlib
import fcntl
import functools
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.errors import SiteError
from skrutinium_server.process.site import Site
from skrutinium_server.release.checking import Progress, check_store
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.writing import write_whole

REWRITTEN = frozenset({"newest", "heartbeat.xml", "state.xml", "notices.xml"})
"""Files of a release store that are replaced; all others are written once."""

LEDGER = "ledger.sqlite"
_NUMBERED = re.compile(r"[0-9]{9}(?=[.-])")
OUTBOX = "outbox.sqlite"
"""What crisis mail has sent and has to send."""


def backup(site: Site, folder: Path, told: Progress) -> int:
    """Bring the backup in ``folder`` up to date; how many files were copied. ``told`` hears how far it is.

    Raises :class:`SiteError` when the folder holds something else, OSError when it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "site.toml").is_file():
        raise SiteError(
            f"{folder} is no backup of a site and not empty. Name the folder of the last backup, or a new one."
        )
    if folder.resolve().is_relative_to(site.root.resolve()) or site.root.resolve().is_relative_to(
        folder.resolve()
    ):
        raise SiteError(
            f"{folder} and the site lie in one another. Name a folder elsewhere, best on another disk."
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        _make_folders(site.root, folder)
        rewritten = {path: path.read_bytes() for path in _files(site.store) if path.name in REWRITTEN}
        copied = 0
        stored = [path for path in _files(site.store) if path.name not in REWRITTEN]
        for done, path in enumerate(stored, 1):
            target = folder / path.relative_to(site.root)
            if not target.exists():
                _copy(path, target)
                copied += 1
            told("files of the store", done, len(stored))
        for path in _files(site.root):
            relative = path.relative_to(site.root)
            if relative.parts[0] != "store" and not path.name.startswith((LEDGER, OUTBOX)):
                _copy(path, folder / relative)
                copied += 1
        ledgers = [*sorted((site.root / "runs").glob(f"*/{LEDGER}")), *site.root.glob(f"*/{OUTBOX}")]
        for done, path in enumerate(ledgers, 1):
            _copy_database(path, folder / path.relative_to(site.root))
            told("ledgers", done, len(ledgers))
            copied += 1
        os.sync()  # what the names written next lead to, and the ledgers it was made from, are on the disk before them
        for path, data in rewritten.items():
            target = folder / path.relative_to(site.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, data)
        os.sync()
    return copied


def restore(folder: Path, root: Path, told: Progress) -> Site:
    """Make the site ``root`` from a backup and prove it: every ledger, and all that its release store publishes.

    Raises :class:`SiteError` naming what is broken; ``root`` is not there then.
    """
    if not (folder / "site.toml").is_file():
        raise SiteError(f"{folder} is no backup of a site: it has no site.toml.")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SiteError(f"{root} exists and is not empty. Name a folder that does not exist yet.")
    beside = root.with_name(f".{root.name}.restoring")
    shutil.rmtree(beside, ignore_errors=True)
    _make_folders(folder, beside)
    kept = list(_files(folder))
    for done, path in enumerate(kept, 1):
        _copy(path, beside / path.relative_to(folder))
        told("files copied", done, len(kept))
    site = Site(beside)
    _drop_unnamed(site.store)
    faults = _faults(site, told)
    if faults:
        shutil.rmtree(beside)
        raise SiteError(f"The backup {folder} is damaged, nothing was restored: {'; '.join(faults[:5])}")
    os.sync()
    if root.exists():
        root.rmdir()
    beside.rename(root)
    return Site(root)


def _faults(site: Site, told: Progress) -> list[str]:
    found = [
        f"{fault.where}: {fault.what}" for fault in check_store(site.store, site.signer().public, told).faults
    ]
    for path in sorted((site.root / "runs").glob(f"*/{LEDGER}")):
        try:
            with SqliteReader(path) as ledger:
                for _ in ledger.entries():
                    pass
        except (LedgerError, StoreError) as error:
            found.append(f"{path.parent.name}: {error}")
    return found


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SiteError(f"Another backup is being written to {folder}. Wait until it is done.") from None
        yield


def _files(folder: Path) -> Iterator[Path]:
    """Plain files that are worth keeping: no locks, sockets, or what a killed writer left."""
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(place) / name
            if (
                not name.startswith(".")
                and not name.endswith("lock")
                and path.is_file()
                and not path.is_socket()
            ):
                yield path


def _drop_unnamed(store: Path) -> None:
    """Drop releases, registers and archives after the newest one that is named.

    A backup that was killed in the middle may have brought them without the ledger's entries they were made from; a site that counts
    on would find them in the place of its own.
    """

    @functools.cache
    def named(series: Path) -> int:
        newest = series / "newest"
        return int(newest.read_bytes().split()[0]) if newest.is_file() else 0

    levels = ("registers/*", "*/archive/*", "*/*/*/*")
    for path in [path for level in levels for path in store.glob(f"event/*/{level}")]:
        number = _NUMBERED.match(path.name)
        if number is None or not path.is_file():
            continue
        series = path.parent if path.parent.name in ("registers", "archive") else path.parent.parent
        if int(number[0]) > named(series):
            path.unlink()


def _make_folders(source: Path, target: Path) -> None:
    """Make the folders of ``source`` in ``target`` with their modes: keys and persons are nobody else's to list."""
    for place, _, _ in os.walk(source):
        made = target / Path(place).relative_to(source)
        made.mkdir(parents=True, exist_ok=True)
        shutil.copymode(place, made)


def _copy(path: Path, target: Path) -> None:
    """Copy a file with its mode, in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.copy")
    shutil.copy2(path, beside)
    beside.replace(target)


def _copy_database(path: Path, target: Path) -> None:
    """Copy a ledger or outbox while it is written to, as of one durable entry (SQLite's backup)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.copy")
    beside.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(beside)) as copy,
    ):
        source.backup(copy)
    beside.replace(target)
