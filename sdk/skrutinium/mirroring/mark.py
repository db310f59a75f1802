"""What a mirror remembers beside what it mirrors: from where, how much of it, and whose keys it trusts."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import IO

from skrutinium.errors import StorageError
from skrutinium.mirroring.files import storage_error, write_file
from skrutinium.sources.mirrored import FORMAT, Mark


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
