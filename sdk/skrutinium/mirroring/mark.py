"""What a mirror remembers beside what it mirrors: from where, how much of it, and whose keys it trusts."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from skrutinium.errors import StateFileError, StorageError
from skrutinium.mirroring.files import storage_error, write_file
from skrutinium.sources.choosing import Choice

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """``whole``: with all releases, not only the newest; ``state`` is the number of the newest state of the feed that was seen."""

    place: str
    phase: str
    whole: bool
    keys: tuple[str, ...]
    state: int
    only: tuple[str, ...] | None = None
    areas: tuple[str, ...] | None = None
    contests: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None

    @property
    def choice(self) -> Choice | None:
        """What of each release is kept, None for everything."""
        parts = (self.only, self.areas, self.contests, self.kinds)
        if all(one is None for one in parts):
            return None
        return Choice(*(one or () for one in parts))


def read_mark(path: Path) -> Mark | None:
    """The mark of a mirror, None when there is none; raises :class:`StateFileError`."""
    try:
        told: Any = json.loads(path.read_bytes())
        if told.pop("format") != FORMAT:
            raise ValueError(f"another format than {FORMAT}")
        lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        return Mark(**{**told, **lists})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise StateFileError(f"cannot be read: {error}; use another folder", address=str(path)) from error


def write_mark(path: Path, mark: Mark) -> None:
    """Keep it; raises :class:`StorageError`."""
    write_file(path, (json.dumps({"format": FORMAT, **asdict(mark)}, indent=1) + "\n").encode("utf-8"))


@contextlib.asynccontextmanager
async def alone(folder: Path) -> AsyncIterator[None]:
    """Nobody else writes the mirror in the folder meanwhile; raises :class:`StorageError` when somebody does."""
    file = await asyncio.to_thread(_locked, folder)
    try:
        yield
    finally:
        await asyncio.to_thread(file.close)


def _locked(folder: Path) -> IO[str]:
    path = folder / ".mirror.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise storage_error(error, path) from error
    if os.name == "posix":
        import fcntl  # noqa: PLC0415 - not everywhere

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StorageError("another program writes this mirror now", address=str(folder)) from error
    return file
