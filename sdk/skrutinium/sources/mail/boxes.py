"""Where mails lie on a disk: Maildir, mbox, and files ``.eml``. They are only read: no flag, name or lock is ever changed."""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from skrutinium.errors import NetworkError, NoSuchPlace
from skrutinium.sources.mail.mime import LARGEST_MAIL

_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_LONGEST_LINE = 64 * 1024
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A mail and how it is called where it lies; ``data`` is None when it is not read, and ``trouble`` says why.

    What may pass, such as an error of the disk, is tried ``again`` at every look, and told once.
    """

    name: str
    data: bytes | None
    trouble: str = ""
    again: bool = False


class Box(Protocol):
    """Where mails lie. Every call may wait; one thread makes all but :meth:`wake` and :meth:`interrupt`."""

    @property
    def where(self) -> str:
        """The place, for people; it can be opened again by it."""

    def look(self) -> Iterator[Found]:
        """What came since the last look; raises :class:`NoSuchPlace`, :class:`NetworkError`, :class:`AccessRefused`."""

    @property
    def tells(self) -> bool:
        """Whether :meth:`wait` learns that mails came; else it must not be called."""

    def wait(self, seconds: float) -> None:
        """Wait until mails may have come, or :meth:`wake` is called; at most about so long."""

    def wake(self) -> None:
        """Make another thread's :meth:`wait`, or the next one, end soon."""

    def interrupt(self) -> None:
        """Make another thread's call end soon."""

    def close(self) -> None:
        """Let go of what is held."""


class _Files:
    """What boxes on a disk have in common."""

    def __init__(self, kind: str, path: Path) -> None:
        self.path = path
        self.where = f"{kind}:{path}"
        self._failing: dict[str, str] = {}

    def _is_told(self, name: str, found: Found) -> bool:
        """Whether this trouble of a mail, which is tried again, was told before."""
        before = self._failing.pop(name, None)
        if found.again:
            self._failing[name] = found.trouble
        return found.again and before == found.trouble

    tells = False

    def wait(self, seconds: float) -> None:
        """Files tell nothing."""

    def wake(self) -> None:
        """Files do not wait."""

    def interrupt(self) -> None:
        """Files do not wait."""

    def close(self) -> None:
        """Nothing is held."""


def _read(path: Path) -> Found | None:
    """A mail in a file of its own; None when it has gone."""
    try:
        told = path.stat()
        if not stat.S_ISREG(told.st_mode):
            return Found(path.name, None, "is no plain file")
        if told.st_size > LARGEST_MAIL:
            return Found(path.name, None, f"has {told.st_size} bytes; at most {LARGEST_MAIL} are read")
        with path.open("rb") as file:
            return Found(path.name, file.read(LARGEST_MAIL + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        return Found(path.name, None, f"cannot be read: {error}; tried again at every look", again=True)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file as it is now; None when it cannot be looked at: reading it tells why."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_size, told.st_mtime_ns


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise NoSuchPlace("there is no such folder", address=str(folder)) from None
    except OSError as error:
        raise NetworkError(f"cannot be read: {error}", address=str(folder)) from error


class Maildir(_Files):
    """A Maildir: ``new`` and ``cur``; ``tmp`` holds what is being delivered."""

    def __init__(self, path: Path) -> None:
        super().__init__("maildir", path)
        self._seen: set[str] = set()

    def look(self) -> Iterator[Found]:
        """What came; a mail that moves from ``new`` to ``cur`` meanwhile is found there."""
        for _ in range(_TRIES):
            moved = False
            for path in [*_listed(self.path / "new"), *_listed(self.path / "cur")]:
                name = path.name.partition(":")[0]
                if name in self._seen or name.startswith("."):
                    continue
                found = _read(path)
                if found is None:
                    moved = True
                    continue
                if not found.again:
                    self._seen.add(name)
                if not self._is_told(name, found):
                    yield found
            if not moved:
                return


class Letters(_Files):
    """A folder with files ``.eml``, or one such file."""

    def __init__(self, path: Path) -> None:
        super().__init__("eml", path)
        self._seen: dict[str, tuple[int, int]] = {}

    def look(self) -> Iterator[Found]:
        """What is new or was written again."""
        there = self.path.is_file()
        paths = [self.path] if there else [p for p in _listed(self.path) if p.suffix.lower() == ".eml"]
        for path in paths:
            stamp = _stamp(path)
            if stamp is not None and self._seen.get(path.name) == stamp:
                continue
            if (found := _read(path)) is None:
                continue
            if stamp is not None and not found.again:
                self._seen[path.name] = stamp
            if not self._is_told(path.name, found):
                yield found


class Mbox(_Files):
    """A file with mails one after another (RFC 4155); the last one may still be written, so it is read again when the file grew."""

    def __init__(self, path: Path) -> None:
        super().__init__("mbox", path)
        self._last = 0
        self._known = (0, 0)

    def look(self) -> Iterator[Found]:
        """What was added."""
        try:
            told = self.path.stat()
            if (told.st_size, told.st_mtime_ns) == self._known:
                return
            with self.path.open("rb") as file:
                file.seek(self._last)
                if told.st_size < self._last or not file.readline(5).startswith(b"From "):
                    self._last = 0  # another file, or one from which mails were taken out
                file.seek(self._last)
                yield from self._mails(file)
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchPlace("there is no such file", address=str(self.path)) from None
        except OSError as error:
            raise NetworkError(f"cannot be read: {error}", address=str(self.path)) from error
        self._known = (told.st_size, told.st_mtime_ns)

    def _mails(self, file: BinaryIO) -> Iterator[Found]:
        lines: list[bytes] = []
        size, begin, blank = 0, -1, True
        while True:
            at = file.tell()
            line = file.readline(_LONGEST_LINE)
            if not line or (blank and line.startswith(b"From ")):
                if begin >= 0:
                    self._last = begin
                    yield self._one(begin, lines, size)
                if not line:
                    return
                lines, size, begin = [], 0, at
            elif begin < 0 and line.strip():
                raise NoSuchPlace("is no mbox: it does not begin with 'From '", address=str(self.path))
            else:
                size += len(line)
                if size <= LARGEST_MAIL:
                    lines.append(line)
            blank = not line.strip(b"\r\n")

    def _one(self, begin: int, lines: list[bytes], size: int) -> Found:
        name = f"the mail at byte {begin}"
        if size > LARGEST_MAIL:
            return Found(name, None, f"has {size} bytes; at most {LARGEST_MAIL} are read")
        return Found(name, _QUOTED_FROM.sub(rb"\1", b"".join(lines)))
