"""What a release store says of itself when it is a mirror: from where, and how much of a night is kept there (``mirror.json``)."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skrutinium.documents.series import Run
from skrutinium.errors import NotYet, StateFileError
from skrutinium.sources.address import body
from skrutinium.sources.choosing import Choice
from skrutinium.sources.folder import Folder
from skrutinium.sources.hosted import Hosted
from skrutinium.sources.source import Source

NAME = "mirror.json"
FORMAT = 1
_LARGEST = 64 * 1024


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


def parse_mark(data: bytes, where: str) -> Mark:
    """The mark of a mirror; raises :class:`StateFileError`."""
    try:
        told: Any = json.loads(data)
        if told.pop("format") != FORMAT:
            raise ValueError(f"another format than {FORMAT}")
        lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        return Mark(**{**told, **lists})
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise StateFileError(f"cannot be read: {error}; use another folder", address=where) from error


def read_mark(path: Path) -> Mark | None:
    """The mark of a mirror, None when there is none; raises :class:`StateFileError`."""
    try:
        return parse_mark(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFileError(f"cannot be read: {error}; use another folder", address=str(path)) from error


async def mark_of(source: Source, run: Run) -> Mark | None:
    """The mark of a store when it is a mirror of that run, None when it is none or does not say; nothing signs it."""
    path = f"event/{run.event}/{run.id}/{NAME}"
    try:
        if isinstance(source, Folder):
            return await asyncio.to_thread(read_mark, source.root / path)
        if isinstance(source, Hosted):
            return parse_mark(await body(source.transport, f"/{path}", _LARGEST), source.where)
    except (NotYet, StateFileError):
        return None
    return None
