"""A feed whose clock is wrong, as its reader sees it: ``Date`` headers and the times of heartbeats, signed again with its own key."""

import datetime
import email.utils
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from skrutinium.testing.faults import Answer, Fault, Pass, Request, whole
from skrutinium_server.release.store.signing import Signer, split_signed

_ALIVE: Final = re.compile(rb'(?<= alive=")[^"]+(?=")')
_PUSHED: Final = re.compile(rb"(?<=event: heartbeat\ndata: )([0-9]+) ([0-9TZ:.+-]+)")


def skewed(seconds: int, signer: Signer) -> Fault:
    """The feed's clock is ``seconds`` ahead (behind, below zero). ``signer`` has the key of the feed's releases."""
    off = datetime.timedelta(seconds=seconds)

    async def skew(request: Request, pass_on: Pass) -> Answer:
        headers = request.headers.copy()
        headers["Accept-Encoding"] = "identity"  # what is packed hides its times
        answer = await pass_on(replace(request, headers=headers))
        told = answer.headers.copy()
        if date := told.get("Date"):
            shifted = email.utils.parsedate_to_datetime(date) + off
            told["Date"] = email.utils.format_datetime(shifted, usegmt=True)
        path = request.target.partition("?")[0]
        if told.get("Content-Type", "").startswith("text/event-stream"):
            return Answer(answer.status, told, _events(answer.body, off))
        if not path.endswith("/heartbeat.xml") or answer.status != 200 or request.method == "HEAD":
            return replace(answer, headers=told)
        document, _ = split_signed(await whole(answer.body))
        document = _ALIVE.sub(lambda found: _shifted(found[0], off), document)
        data = document + signer.line(document)
        told["Content-Length"] = str(len(data))
        told.pop("Repr-Digest", None)
        return Answer(answer.status, told, _one(data))

    return skew


def _shifted(time: bytes, off: datetime.timedelta) -> bytes:
    moment = datetime.datetime.fromisoformat(time.decode("ascii")) + off
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode("ascii")


async def _events(body: AsyncIterator[bytes], off: datetime.timedelta) -> AsyncIterator[bytes]:
    """A stream of events, whole ones at a time."""
    change: Callable[[re.Match[bytes]], bytes] = lambda found: found[1] + b" " + _shifted(found[2], off)  # noqa: E731
    held = b""
    async for piece in body:
        held += piece
        ready, end, held = held.rpartition(b"\n\n")
        if end:
            yield _PUSHED.sub(change, ready + end)
    if held:
        yield held


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
