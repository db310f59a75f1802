"""The replay as a feed: the addresses of ``docs/architecture.md`` on this machine."""

import asyncio
import contextlib
import datetime
import json
import re
import urllib.parse
from collections.abc import Callable

from aiohttp import hdrs, web

from skrutinium.errors import ChoiceNeeded, NotYet, SkrutiniumError, StorageError
from skrutinium.replaying.answers import MARK, Found, answer, etag_of, known, not_yet, refusal
from skrutinium.replaying.choosing import Choosing, Chosen
from skrutinium.replaying.finding import TEXT, VOLBY, Finding
from skrutinium.replaying.player import Player
from skrutinium.replaying.recording import SERIES

_LONGEST_WAIT = 60
_COMMENT_EVERY = 10.0
_PREFER = re.compile(r"(?:^|,)\s*wait=([0-9]{1,4})\s*(?:,|$)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_ODATA = re.compile(r"/appdata/([^/]+)/([0-9]{8})/odata/(.+)")


class Server:
    """Serves what the player has reached; :meth:`start` gives the address."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._finding = Finding(player)
        self._choosing = Choosing(player.recording.root, player.recording.run.event)
        self._runner: web.AppRunner | None = None
        self._streams: set[asyncio.Task[object]] = set()
        self.listening = 0

    async def start(self, port: int = 0) -> str:
        """Listen on this machine alone; raises :class:`StorageError` when the port is taken."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise StorageError(f"cannot listen at port {port}: {error.strerror or error}") from error
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End all connections."""
        for task in self._streams:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    # ---------------------------------------------------------------- from an address to an answer
    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return refusal(405, "method", "A replay is only read.", Allow="GET, HEAD")
        if self._player.out:
            return refusal(503, "outage", "At this moment of the night the feed could not be reached.")
        path = urllib.parse.unquote(request.path)
        try:
            return await self._answer(request, path)
        except ChoiceNeeded as error:
            return refusal(404, error.message, "The event has not what was chosen.")
        except NotYet as error:
            return not_yet(f"{error.message}.")
        except SkrutiniumError as error:
            return refusal(500, "damaged", f"The recording is damaged: {error.code}.")

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        run = self._player.recording.run
        if path in ("/", "/access", "/health", "/status"):
            return await self._send(request, self._about(request, path))
        if odata := _ODATA.fullmatch(path):
            return await self._document(request, VOLBY, "newest", "", self._finding.odata(*odata.groups()))
        if not path.startswith(f"/event/{run.event}/"):
            return await self._send(request, lambda: self._finding.at_root(path))
        rest = path.removeprefix(f"/event/{run.event}/")
        if rest.startswith("registers/"):
            return await self._send(request, lambda: self._finding.registers(rest.removeprefix("registers/")))
        rest = rest.removeprefix(f"run/{run.id}/")
        series = SERIES
        if rest.startswith("series/"):
            _, series, rest = f"{rest}//".split("/", 2)
            rest = rest.rstrip("/")
        return await self._in_series(request, series, rest)

    async def _in_series(self, request: web.Request, series: str, rest: str) -> web.StreamResponse:
        what, _, tail = rest.partition("/")
        if rest == "push":
            return await self._push(request, series)
        if rest == "changes":
            since = request.query.get("since", "")
            if not _NUMBER.fullmatch(since):
                return refusal(400, "bad-number", "since is the number of a release.")
            chosen = await self._choosing.chosen(request.query)
            return await self._send(
                request, lambda: self._finding.changes(series, int(since), chosen), series
            )
        if rest == "heartbeat.xml":
            return await self._send(request, self._heartbeat)
        if what == "pack" and _NUMBER.fullmatch(tail):
            return await self._send(request, lambda: self._finding.pack(series, int(tail)), series)
        if what == "checkpoint":
            return await self._send(request, lambda: self._finding.checkpoint(series, tail), series)
        if what == "newest":
            if tail == "manifest.xml":
                return await self._newest(request, series)
            return await self._document(request, series, "newest", "", tail)
        if what in ("release", "at"):
            value, _, document = tail.partition("/")
            return await self._document(request, series, what, value, document)
        raise NotYet("there is no such address in a replay")

    async def _document(
        self, request: web.Request, series: str, what: str, value: str, path: str
    ) -> web.StreamResponse:
        number = self._finding.number(series, what, value)
        return await self._send(request, lambda: self._finding.document(series, number, path), series, number)

    async def _send(
        self,
        request: web.Request,
        find: Callable[[], Found],
        series: str | None = None,
        number: int | None = None,
    ) -> web.Response:
        run = self._player.recording.run
        headers = {"Skrutinium-Run": run.id, "Skrutinium-Phase": run.phase}
        if series is not None:
            headers["Skrutinium-Release"] = str(number or self._player.released.get(series, 0))
        return await asyncio.to_thread(lambda: answer(find(), request, headers))

    def _heartbeat(self) -> Found:
        if self._player.heartbeat is None:
            raise NotYet("no heartbeat was recorded up to here")
        return Found(self._player.heartbeat)

    def _about(self, request: web.Request, path: str) -> Callable[[], Found]:
        player, run = self._player, self._player.recording.run
        replay = {"position": _text(player.position), "paused": player.paused, "speed": str(player.speed)}
        runs = [{"event": run.event, "run": run.id, "phase": run.phase, "readable": True}]
        told: dict[str, dict[str, object]] = {
            "/access": {"address": request.remote, "allowed": True, "replay": replay, "runs": runs},
            "/health": {"alive": True},
            "/status": {"replay": replay, "released": player.released},
        }
        if path == "/":
            return lambda: Found(b"A replay of a recorded night; addresses as of a feed.\n", TEXT)
        return lambda: Found(json.dumps(told[path]).encode(), "application/json")

    # ---------------------------------------------------------------- news
    async def _newest(self, request: web.Request, series: str) -> web.StreamResponse:
        """The newest manifest; with ``Prefer: wait`` as soon as there is another one."""
        after = request.query.get("after")
        if after is not None and not _NUMBER.fullmatch(after):
            return refusal(400, "bad-number", "after is the number of a release.")
        asked = _PREFER.search(request.headers.get("Prefer", ""))
        header = request.headers.get(hdrs.IF_NONE_MATCH)
        applied = {"Preference-Applied": f"wait={asked[1]}"} if asked else {}
        if asked and (after is not None or header is not None):
            turns = self._player.turns
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(int(asked[1]), _LONGEST_WAIT)), self._player.changed:
                    while turns == self._player.turns and not self._news(series, after, header):
                        await self._player.changed.wait()
        if self._player.out:
            return refusal(503, "outage", "At this moment of the night the feed could not be reached.")
        if after is not None and self._player.released.get(series, 0) <= int(after):
            return web.Response(status=204, headers={**MARK, **applied})
        response = await self._document(request, series, "newest", "", "manifest.xml")
        response.headers.update(applied)
        return response

    def _news(self, series: str, after: str | None, header: str | None) -> bool:
        number = self._player.released.get(series, 0)
        if after is not None or number == 0:
            return number > int(after or 0)
        sha256 = self._player.recording.series[series].hashes[number - 1]
        return not any(known(header, etag_of(sha256, gzipped=gzipped)) for gzipped in (True, False))

    async def _push(self, request: web.Request, series: str) -> web.StreamResponse:
        """Server-sent events: each release once, heartbeats as they were recorded."""
        player = self._player
        chosen = await self._choosing.chosen(request.query)
        last = request.headers.get("Last-Event-ID", request.query.get("last-event-id", ""))
        told = int(last) if _NUMBER.fullmatch(last) else max(0, player.released.get(series, 0) - 1)
        response = web.StreamResponse(
            headers={**MARK, hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"}
        )
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        self.listening += 1
        turns, beat = player.turns, player.heartbeat
        try:
            while turns == player.turns and not player.out:
                newest = player.released.get(series, 0)
                for number in range(told + 1, newest + 1):
                    if await self._touched(series, number, chosen):
                        sha256 = player.recording.series[series].hashes[number - 1]
                        await response.write(
                            f"event: release\nid: {number}\ndata: {number} {sha256}\n\n".encode()
                        )
                told = max(told, newest)
                if player.heartbeat is not beat:
                    beat = player.heartbeat
                    await response.write(
                        f"event: heartbeat\ndata: {newest} {_text(player.position)}\n\n".encode()
                    )
                if not await self._stirs(series, told, beat, turns):
                    await response.write(b": replay\n\n")
        except ConnectionError:
            pass  # the reader has gone
        finally:
            self.listening -= 1
            self._streams.discard(task)
        return response

    async def _stirs(self, series: str, told: int, beat: bytes | None, turns: int) -> bool:
        """Wait until there is something to say, for a while; whether there is."""
        player = self._player

        def stirred() -> bool:
            here = (player.released.get(series, 0), player.heartbeat, player.turns, player.out)
            return here != (told, beat, turns, False)

        try:
            async with asyncio.timeout(_COMMENT_EVERY), player.changed:
                await player.changed.wait_for(stirred)
        except TimeoutError:
            return False
        return True

    async def _touched(self, series: str, number: int, chosen: Chosen | None) -> bool:
        return await asyncio.to_thread(self._finding.touched, series, number, chosen)


def _text(time: datetime.datetime) -> str:
    return f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
