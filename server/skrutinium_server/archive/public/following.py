"""Following a run: publish what is new, wait, again; through a full disk, a damaged file, and the time before the legal minute."""

import datetime
import threading
from collections.abc import Callable
from typing import Final

from skrutinium_server.archive.errors import NotBefore, PublicWriteFailed
from skrutinium_server.archive.public.publishing import Publishing
from skrutinium_server.release.store.errors import StoreDamaged, StoreMissing
from skrutinium_server.release.store.model import Manifest

PAUSE: Final = 0.5
"""Seconds between two looks at the store: it costs reading the state file and the names of the newest releases."""


def follow(
    publishing: Publishing,
    stop: threading.Event,
    clock: Callable[[], datetime.datetime],
    published: Callable[[Manifest], None],
    trouble: Callable[[Exception], None],
) -> None:
    """Keep the folder up to date until ``stop`` is set; a release under way is finished first.

    ``trouble`` is told each new reason for which nothing can be published, once; it is tried again until it can be.
    """
    told = ""
    while not stop.is_set():
        try:
            manifest = publishing.catch_up(clock())
        except (NotBefore, PublicWriteFailed, StoreDamaged, StoreMissing) as error:
            if str(error) != told:
                trouble(error)
            told = str(error)
        else:
            told = ""
            if manifest is not None:
                published(manifest)
        stop.wait(PAUSE)
