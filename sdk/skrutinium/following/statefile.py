"""The state file: where a reader is, so that after any crash it goes on with the release after the last one it finished.

JSON, replaced in one step. It also guards: it names the run, the phase, the newest manifest's hash and the keys.
"""

import asyncio
import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from skrutinium.errors import StateFileError

FORMAT = 1
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Seen:
    """The last release that was finished: its ``number`` and ``manifest`` hash; ``keys`` are trusted fingerprints.

    ``feed_states`` are the numbers of the newest state that was seen at each source, by its address or path: one site may lag behind
    another, and none may go back. ``feed_state`` is that of the first place, for marks that keep no more.
    """

    event: str
    run: str
    phase: str
    series: str
    number: int
    manifest: str
    keys: tuple[str, ...] = field(default=())
    feed_state: int = 0
    feed_states: tuple[tuple[str, int], ...] = field(default=())

    def __post_init__(self) -> None:
        """Pairs that were kept as lists are pairs again."""
        object.__setattr__(self, "feed_states", tuple((where, number) for where, number in self.feed_states))

    def feed_state_at(self, where: str, *, first: bool) -> int:
        """The newest state that was seen at a source; ``first``: it is the first place."""
        return dict(self.feed_states).get(where, 0) if self.feed_states else self.feed_state * first


class Marks(Protocol):
    """Where the mark of what was done is kept: a file, or a sink that stores it in the same transaction as its rows."""

    async def read(self) -> Seen | None:
        """The mark, None before the first; raises :class:`SkrutiniumError` when it cannot be read."""

    async def write(self, seen: Seen) -> None:
        """Keep the mark, durably; does nothing when it is the one that is kept already."""


class StateFile:
    """The mark in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    async def read(self) -> Seen | None:
        """The mark, None when there is no such file; raises :class:`StateFileError`."""
        return await asyncio.to_thread(read, self._path)

    async def write(self, seen: Seen) -> None:
        """Replace the file; raises :class:`StateFileError` and leaves the old one."""
        writing = asyncio.ensure_future(asyncio.to_thread(write, self._path, seen))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The thread goes on whatever happens here; a next client must not find it writing still.
            await writing
            raise


def read(path: Path) -> Seen | None:
    """Read a state file, None when there is none; raises :class:`StateFileError`."""
    try:
        content: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise StateFileError(
            f"cannot be read: {error}; move it away to start afresh", address=str(path)
        ) from error
    try:
        if content.pop("format") != FORMAT:
            raise ValueError(f"another format than {FORMAT}")
        seen = Seen(**{**content, "keys": tuple(content["keys"])})
        _check(seen)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StateFileError(
            f"is no state file: {error}; move it away to start afresh", address=str(path)
        ) from error
    return seen


def _check(seen: Seen) -> None:
    """Raise ValueError where a value is of another kind than :func:`write` writes."""
    texts = (seen.event, seen.run, seen.phase, seen.series, seen.manifest, *seen.keys)
    texts += tuple(where for where, _ in seen.feed_states)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a number or a list where a text was due")
    states = [seen.feed_state, *(number for _, number in seen.feed_states)]
    if type(seen.number) is not int or any(type(one) is not int or one < 0 for one in states):
        raise ValueError("a release or a state of the feed that is no number")
    if seen.number < 1 or not all(_HASH.fullmatch(text) for text in (seen.manifest, *seen.keys)):
        raise ValueError("no release number, manifest hash and fingerprints")


def write(path: Path, seen: Seen) -> None:
    """Replace the state file, durably; raises :class:`StateFileError` and leaves the old one."""
    text = json.dumps({"format": FORMAT, **asdict(seen)}, indent=1, sort_keys=True) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        if os.name == "posix":  # elsewhere a folder cannot be synced
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):  # what stood in the way of writing is the error to tell
            beside.unlink(missing_ok=True)
        raise StateFileError(f"cannot be written: {error}", address=str(path)) from error
