"""From what was found to what is sent: limits and conditions of the request are held against it, and what is sent is counted."""

from concurrent.futures import Executor

from aiohttp.web import BaseRequest, StreamResponse

from skrutinium_server.feed.conditional import read_conditions
from skrutinium_server.feed.connections import Connections, Registered
from skrutinium_server.feed.downloads import stored
from skrutinium_server.feed.kinds import kind_of
from skrutinium_server.feed.refusals import FREE, PRECONDITION, Refusal
from skrutinium_server.feed.representation import Answer, StoredAnswer
from skrutinium_server.feed.response import Dateline, nothing_later, ok, unchanged
from skrutinium_server.feed.targets import asked_of


class Settling:
    """Counts for ``connections``; files are read by ``executor``."""

    def __init__(self, connections: Connections, dateline: Dateline, executor: Executor) -> None:
        self._connections = connections
        self._dateline = dateline
        self._executor = executor

    def settled(
        self,
        request: BaseRequest,
        registered: Registered,
        found: Answer | StoredAnswer | Refusal | StreamResponse,
    ) -> tuple[StreamResponse | Refusal, int]:
        """What is sent in the end, when limits and conditions are held against what was found; and bytes of its body."""
        if isinstance(found, StreamResponse):
            return found, 0
        usage = registered.usage
        if isinstance(found, Refusal):
            limited = None if found.status in FREE else self._connections.spend(registered)
            return limited or found, 0
        bodyless = request.method == "HEAD"
        kind = kind_of(asked_of(request.raw_path))
        conditions = read_conditions(request.method, request.headers)
        etag = found.representation.etag
        failed = conditions.failed(etag, found.modified)
        same = not failed and conditions.not_modified(etag, found.modified)
        if same or (found.known and not failed):
            usage.unchanged[kind] += 1
            return (unchanged if same else nothing_later)(found, self._dateline.line()), 0
        limited = self._connections.spend(registered)
        if limited is not None or failed:
            return limited or PRECONDITION, 0
        part = conditions.part(etag, found.representation.size)
        if isinstance(part, Refusal):
            return part, 0
        size = len(part) if part is not None else found.representation.size
        size = 0 if bodyless else size
        usage.answered[kind] += 1
        usage.bytes += size
        if isinstance(found, StoredAnswer):
            return (
                stored(found, part, self._dateline.line(), bodyless, registered, self._executor),
                size,
            )
        return ok(found, self._dateline.line(), bodyless, part), size
