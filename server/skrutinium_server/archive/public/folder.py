"""The folder on disk: each file replaced in one step, one writer, and a note of how far it is."""

import ctypes
import fcntl
import os
import re
import sys
from pathlib import Path

import msgspec

from skrutinium_server.archive.errors import PublicFolderForeign, PublicFolderLocked, PublicWriteFailed

LAYOUT = 2
"""Counts the changes of the pages' shape: another number has everything written again."""
_OWN = ".publish"
_SAFE = re.compile(r"(\.publish/)?[A-Za-z0-9][A-Za-z0-9._\-]*(/[A-Za-z0-9][A-Za-z0-9._\-]*){0,7}")


class Note(msgspec.Struct, frozen=True):
    """``.publish/note.json``: what lies here. ``release`` is the last one that is shown whole, 0 before the first.

    ``state`` is how final its pages say that the event is.
    """

    event: str
    run: str
    phase: str
    release: int = 0
    manifest: str = ""
    layout: int = LAYOUT
    state: str = ""


class PublicFolder:
    """The public folder in ``root``, held by a lock until :meth:`close`.

    Raises :class:`PublicFolderForeign` unless it is empty or of the same run, :class:`PublicFolderLocked` while another process
    keeps it, :class:`PublicWriteFailed` when the disk does not take a file.
    """

    def __init__(self, root: Path, event: str, run: str, phase: str) -> None:
        self.root = root
        self.written = 0
        self._folders: set[Path] = set()
        self._check(event, run, phase)
        try:
            (root / _OWN).mkdir(parents=True, exist_ok=True)
            self._lock = os.open(root / _OWN / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise PublicWriteFailed(root, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise PublicFolderLocked(
                f"{root} is kept by another process: a public folder has one writer. End it first, or name another folder."
            ) from None
        try:
            self.note = self._read_note() or Note(event, run, phase)
            if self.note.layout != LAYOUT:
                self.note = Note(event, run, phase)
            if not (root / _OWN / "note.json").exists():
                self.finish(self.note)
        except BaseException:
            os.close(self._lock)
            raise

    def _check(self, event: str, run: str, phase: str) -> None:
        if not self.root.exists():
            return
        if not self.root.is_dir():
            raise PublicFolderForeign(
                f"{self.root} is no folder. Name one that is empty or does not exist yet."
            )
        note = self._read_note()
        names = {path.name for path in self.root.iterdir()} - {_OWN}
        if note is None and names:
            raise PublicFolderForeign(
                f"{self.root} holds something already, and not a public folder ({min(names)} for one). "
                "Name a folder that is empty or does not exist yet."
            )
        if note is not None and (note.event, note.run, note.phase) != (event, run, phase):
            raise PublicFolderForeign(
                f"{self.root} is the public folder of run {note.run} ({note.phase}) of {note.event}, not of run {run} "
                f"({phase}) of {event}. Give every run a folder of its own."
            )

    def _read_note(self) -> Note | None:
        path = self.root / _OWN / "note.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Note)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise PublicFolderForeign(
                f"{path} cannot be read ({error}). Name a new folder; this one can be removed."
            ) from error

    def path(self, name: str) -> Path:
        """Where a file lies; raises ValueError for a name that could lead out of the folder."""
        if not _SAFE.fullmatch(name):
            raise ValueError(f"{name[:200]!r} is no name for a file of a public folder")
        return self.root / name

    def put(self, name: str, data: bytes) -> None:
        """Replace one file in one step."""
        path = self.path(name)
        beside = path.with_name(f".{path.name}.new")
        try:
            if path.parent not in self._folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(path.parent)
            # Plain calls: a first write has some 100,000 files.
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)
            beside.replace(path)
        except OSError as error:
            self._folders.discard(path.parent)
            raise PublicWriteFailed(path, error) from error
        self.written += 1

    def finish(self, note: Note) -> None:
        """Make all that was written durable, then note how far it is."""
        try:
            _sync(self.root)
        except OSError as error:
            raise PublicWriteFailed(self.root, error) from error
        self.put(f"{_OWN}/note.json", msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n")
        self.note = note

    def close(self) -> None:
        """Let others keep the folder."""
        os.close(self._lock)


def _sync(root: Path) -> None:
    """Wait until everything written to the file system of the folder is on the disk: one call for thousands of files."""
    found = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if sys.platform == "linux" else None
    if found is None:
        os.sync()
        return
    descriptor = os.open(root, os.O_RDONLY)
    try:
        if found(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
