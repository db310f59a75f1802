"""``times.jsonl``: when each thing of a night was seen, one JSON object a line, beside a whole mirror.

Every line has ``at`` (UTC) and ``what``: ``began`` and ``ended`` a recording; ``release`` (``series``, ``number``, and ``late`` when it was
out before the recording began); ``heartbeat``, ``notices``, ``state``, ``status`` (``data``: the document as it came, with its signature
line); ``outage`` (``code``, ``message``) and ``back``.
"""

import asyncio
import contextlib
import datetime
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from skrutinium.errors import NotYet, SchemaError, SkrutiniumError
from skrutinium.mirroring.files import storage_error
from skrutinium.mirroring.mirror import Pulled
from skrutinium.sources.credentials import plain_address

NAME = "times.jsonl"
FORMAT = 1
_LONGEST_LINE = 16 * 1024 * 1024


class Recorder:
    """Writes the times of one run; ``clock`` tells the time. Use it as ``async with``.

    What is told is written by a task of its own, in order; :meth:`failed` waits for what stands in the way of it.
    """

    def __init__(self, path: Path, place: str, clock: Callable[[], datetime.datetime]) -> None:
        self.path = path
        self.releases = 0
        self._place = place
        self._clock = clock
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._told: dict[str, bytes] = {}
        self._first = True
        self._out = False
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin after what is there; half a line at its end, from a recording that was killed, is cut off."""
        await asyncio.to_thread(_mend, self.path)
        self._tell("began", format=FORMAT, place=plain_address(self._place))
        self._writing = asyncio.create_task(self._write())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is due, and that it ended."""
        self._tell("ended")
        self._lines.put_nowait(None)
        if self._writing is not None:
            await self._writing

    async def failed(self) -> None:
        """Return never, but raise :class:`StorageError` when the times cannot be written."""
        assert self._writing is not None
        await asyncio.shield(self._writing)

    # ---------------------------------------------------------------- what is seen
    def release(self, series: str, number: int, _newest: int) -> None:
        """A release is there."""
        self.releases += 1
        self._tell("release", series=series, number=number, **({"late": True} if self._first else {}))

    def look(self, pulled: Pulled) -> None:
        """What a look brought beside releases."""
        if self._out:
            self._out = False
            self._tell("back")
        self._first = False
        for what, data in (
            ("state", pulled.state),
            ("notices", pulled.notices),
            ("heartbeat", pulled.heartbeat),
            ("status", pulled.status),
        ):
            if data is not None and self._told.get(what) != data:
                self._told[what] = data
                self._tell(what, data=data.decode("utf-8", "replace"))

    def trouble(self, error: SkrutiniumError) -> None:
        """The source could not be read; that nothing is there yet is no outage."""
        if not self._out and not isinstance(error, NotYet):
            self._out = True
            self._tell("outage", code=error.code, message=error.message)

    def _tell(self, what: str, **more: object) -> None:
        at = self._clock().astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._lines.put_nowait(
            json.dumps({"at": at, "what": what, **more}, ensure_ascii=False).encode("utf-8") + b"\n"
        )

    async def _write(self) -> None:
        while (line := await self._lines.get()) is not None:
            await asyncio.to_thread(_append, self.path, line)


def _append(path: Path, line: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(line)
    except OSError as error:
        with contextlib.suppress(OSError):
            _mend(path)
        raise storage_error(error, path) from error


def _mend(path: Path) -> None:
    """Cut off half a line at the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            size = end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - 65536)
                file.seek(start)
                at = file.read(end - start).rfind(b"\n")
                if at >= 0:
                    end = start + at + 1
                    break
                end = start
            if end != size:
                file.truncate(end)
    except OSError as error:
        raise storage_error(error, path) from error


def read_times(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file of times, ``at`` as an aware time; raises :class:`SchemaError` with the number of a line that is none."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
            if not line.endswith(b"\n"):
                return  # written when the recording was killed
            try:
                told = json.loads(line)
                told["at"] = datetime.datetime.fromisoformat(told["at"]).astimezone(datetime.UTC)
                if not isinstance(told["what"], str):
                    raise TypeError("no text says what was seen")
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise SchemaError(f"line {number} is no line of times: {error}", address=str(path)) from error
            yield told
