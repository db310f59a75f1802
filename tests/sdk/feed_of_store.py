"""A feed of a store on a real socket: the documented addresses and nothing else, with faults that a test can set."""

import asyncio
import gzip
import io
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from skrutinium.sources.packs import members
from tests.sdk.store_builder import CONTESTS, EVENT, RUN, SERIES, tar


class StoreFeed:
    """Serves the store in ``root``; ``faults`` maps a path to what is answered instead, once each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.series = root / "event" / EVENT / RUN / SERIES
        self.faults: dict[str, list[web.Response]] = {}
        self.truncate: set[str] = set()
        self.push = True
        self.waits = False
        self.asked: Counter[str] = Counter()
        self.opened: asyncio.Queue[str | None] = asyncio.Queue()
        self.news = asyncio.Condition()
        self.url = ""
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._streams: set[asyncio.Task[object]] = set()

    async def start(self) -> "StoreFeed":
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]  # the same again after a stop
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def stop(self) -> None:
        self.end_streams()
        if self._runner is not None:
            await self._runner.cleanup()

    def end_streams(self) -> None:
        """Cut every push connection."""
        for task in self._streams:
            task.cancel()

    async def tell(self) -> None:
        """Wake the push connections: the store has grown."""
        async with self.news:
            self.news.notify_all()

    async def read(self, path: Path) -> bytes:
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise web.HTTPNotFound(
                text='<error xmlns="urn:skrutinium:1" code="not-yet" status="404">'
                "<message>There is no such document.</message></error>",
                content_type="application/xml",
            ) from None

    async def newest(self) -> int:
        return int((await self.read(self.series / "newest")).split()[0])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        self.asked[path.rsplit("/", 1)[0] if path.startswith("/object/") else path] += 1
        if self.faults.get(path):
            fault = self.faults[path].pop()
            return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        prefix = f"/event/{EVENT}/"
        if path == f"{prefix}push":
            return await self.stream(request)
        body = await self.body(path, prefix, request)
        if path in self.truncate:
            body = body[: len(body) // 2]
        headers = {"ETag": f'"{hash(body)}"'}
        known = request.headers.get("If-None-Match")
        if self.waits and path == f"{prefix}newest/manifest.xml" and "Prefer" in request.headers:
            headers["Preference-Applied"] = request.headers["Prefer"]
            if known == headers["ETag"]:
                await self.wait(float(request.headers["Prefer"].removeprefix("wait=")), request)
                body = await self.body(path, prefix, request)
                headers["ETag"] = f'"{hash(body)}"'
        if known == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=gzip.compress(body), headers={**headers, "Content-Encoding": "gzip"})

    async def wait(self, seconds: float, request: web.Request) -> None:
        """Hold an answer back until there is news, or the time is over."""
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            async with asyncio.timeout(seconds), self.news:
                await self.news.wait()
        except TimeoutError:
            pass
        finally:
            self._streams.discard(task)

    async def body(self, path: str, prefix: str, request: web.Request) -> bytes:
        if path.startswith("/object/"):
            sha256 = path.rpartition("/")[2]
            found = self.root / "objects" / sha256[:2] / sha256[2:4] / f"{sha256}.gz"
            return gzip.decompress(await self.read(found))
        if not path.startswith(prefix):
            return await self.read(self.root / path.lstrip("/"))
        what, _, rest = path.removeprefix(prefix).partition("/")
        if what == "registers":
            return await self.registers(rest)
        if what == "heartbeat.xml":
            return await self.read(self.series / what)
        if what == "pack":
            return await self.read(self.series / "pack" / f"{int(rest):09d}.tar.gz")
        if what == "changes":
            return await self.changes(int(request.query["since"]), request.query)
        if what == "checkpoint":
            return await self.checkpoint(rest)
        if what == "newest":
            return await self.manifest(await self.newest(), rest)
        if what != "release":
            raise web.HTTPNotFound
        number, _, rest = rest.partition("/")
        return await self.manifest(int(number), rest)

    async def registers(self, rest: str) -> bytes:
        folder = self.root / "event" / EVENT / "registers"
        number, _, path = rest.partition("/")
        if number == "newest" and await asyncio.to_thread((folder / "newest").exists):
            number = (await self.read(folder / "newest")).split()[0].decode()
        elif number == "newest":
            number = "0"
        there = await asyncio.to_thread(
            lambda: sorted(
                folder.glob(f"{int(number.partition('.')[0]):09d}*.xml"), key=lambda one: len(one.name)
            )
        )
        index = there[-1] if there else folder / "none"
        if "." in number:
            version, edition = map(int, number.split("."))
            index = folder / f"{version:09d}{'' if edition == 1 else f'.{edition}'}.xml"
        if not await asyncio.to_thread(index.exists):
            raise web.HTTPNotFound(
                text='<error xmlns="urn:skrutinium:1" code="no-registers" status="404">'
                "<message>The registers are not published.</message></error>",
                content_type="application/xml",
            )
        if path.startswith("registers.xml"):
            return await self.read(index.with_name(index.name + path.removeprefix("registers.xml")))
        found = re.search(
            rf'path="{re.escape(path)}" size="[0-9]+" sha256="([0-9a-f]+)"', (await self.read(index)).decode()
        )
        assert found, path
        return gzip.decompress(
            await self.read(self.root / "objects" / found[1][:2] / found[1][2:4] / f"{found[1]}.gz")
        )

    async def manifest(self, number: int, name: str) -> bytes:
        if not name.startswith("manifest"):
            return await self.document(number, name)
        end = name.removeprefix("manifest")
        return await self.read(self.series / "manifest" / f"{number:09d}{end}")

    async def document(self, number: int, path: str) -> bytes:
        """A document as of a release."""
        for each in range(number, 0, -1):
            rows = (await self.manifest(each, "manifest.xml")).decode()
            if found := re.search(rf'path="{re.escape(path)}" size="[0-9]+" sha256="([0-9a-f]+)"', rows):
                sha256 = found[1]
                packed = self.root / "objects" / sha256[:2] / sha256[2:4] / f"{sha256}.gz"
                return gzip.decompress(await self.read(packed))
        raise web.HTTPNotFound

    async def checkpoint(self, name: str) -> bytes:
        stem, _, end = name.partition(".")
        folder = self.series / "checkpoint"
        if stem == "newest":
            there = await asyncio.to_thread(lambda: sorted(one.name for one in folder.glob("*.xml.gz")))
            if not there:
                raise web.HTTPNotFound
            stem = there[-1].partition(".")[0]
        data = await self.read(folder / f"{int(stem):09d}.{end}{'' if end.endswith('sig') else '.gz'}")
        return data if end.endswith("sig") else gzip.decompress(data)

    async def changes(self, since: int, chosen: Mapping[str, str]) -> bytes:
        """As a feed: ``only``, ``contest`` and ``kind`` limit the documents; of contests there are those of the store builder."""
        contests = set(filter(None, chosen.get("contest", "").split(",")))
        for kind in filter(None, chosen.get("kind", "").split(",")):
            contests |= {id for id, (held, _) in CONTESTS.items() if held == kind} or {kind}
        if contests - CONTESTS.keys():
            raise web.HTTPNotFound(
                text='<error xmlns="urn:skrutinium:1" code="no-contest" status="404">'
                "<message>The event has no such contest.</message></error>",
                content_type="application/xml",
            )
        wanted = {f"contest/{one}.xml" for one in contests} | set(chosen.get("only", "").split(","))
        manifests: list[tuple[str, bytes]] = []
        documents: dict[str, bytes] = {}
        for number in range(since + 1, await self.newest() + 1):
            manifests += [
                (f"manifest/{number:09d}{end}", await self.manifest(number, f"manifest{end}"))
                for end in (".xml", ".xml.sig")
            ]
            pack = gzip.decompress(await self.read(self.series / "pack" / f"{number:09d}.tar.gz"))
            documents |= {
                name: data
                for name, data in members(io.BytesIO(pack), "pack")
                if "manifest" not in name and (len(chosen) == 1 or name in wanted)
            }
        return tar([*manifests, *documents.items()])

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if not self.push:
            raise web.HTTPServiceUnavailable
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        last = request.headers.get("Last-Event-ID")
        self.opened.put_nowait(last)
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        told = int(last) if last else await self.newest() - 1
        try:
            while True:
                for number in range(told + 1, await self.newest() + 1):
                    await response.write(f"event: release\nid: {number}\ndata: {number} abc\n\n".encode())
                    told = number
                async with self.news:
                    await self.news.wait()
        finally:
            self._streams.discard(task)
