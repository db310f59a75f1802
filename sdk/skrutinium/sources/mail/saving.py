"""Keeping what mails brought as files for use by hand: the newest version of each document on top, every release in a folder of its own."""

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from skrutinium.errors import DamagedError, StorageError

_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*(/[A-Za-z0-9][A-Za-z0-9._\-]*){0,6}")


def save(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files below ``folder``, each replaced in one step; raises :class:`StorageError`, :class:`DamagedError` for a name that leads astray."""
    try:
        for name, data in files:
            if not _PATH.fullmatch(name) or len(name) > 300:
                raise DamagedError(f"a document is named {name[:200]!r}, which is no name of a file")
            _write(folder / name, data)
    except OSError as error:
        raise StorageError(f"cannot be written: {error}", address=str(folder)) from error


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".saving-")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        beside.chmod(0o644)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
