"""Writing files of the site in one step: whole and durable, or as before."""

import contextlib
import os
from pathlib import Path

from skrutinium_server.durable import sync_folder


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder and those around it, durable."""
    if not folder.is_dir():
        make_folder(folder.parent, mode)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=mode)
        sync_folder(folder.parent)


def put_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put ``data`` at ``path`` in one step; raises OSError and leaves what was there."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
