"""Reading a feed by its address (``docs/architecture.md``, addresses of the feed)."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from skrutinium.documents.aside import aside
from skrutinium.documents.parsing import LARGEST
from skrutinium.documents.registers import RegisterRow, RegistersSource
from skrutinium.documents.registers_reading import read_index
from skrutinium.documents.series import Run
from skrutinium.documents.series_reading import read_checkpoint, read_manifest
from skrutinium.errors import ChoiceNeeded, DamagedError, NotYet
from skrutinium.sources.choosing import Choice
from skrutinium.sources.expanding import Expanding
from skrutinium.sources.packs import Member, Unpacking
from skrutinium.sources.source import Material, SeriesSource
from skrutinium.sources.spooling import Spool, spooled
from skrutinium.sources.transport import LARGEST_ARCHIVE, Answer, Transport

_SMALL = 64 * 1024


class Address:
    """A feed at the transport's base address."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @property
    def where(self) -> str:
        """The base address."""
        return self.transport.base

    async def state(self) -> bytes:
        """The state file with its signature line."""
        return await body(self.transport, "/state.xml")

    async def notices(self, etag: str | None = None) -> Answer:
        """What the operator tells, with its signature line; no body when it is what had that ``etag``."""
        return await self.transport.get("/notices.xml", etag=etag)

    async def status(self) -> bytes:
        """How the feed says it is."""
        return await body(self.transport, "/status.xml")

    async def key(self, key_id: str) -> tuple[bytes, bytes | None]:
        """A public key and the signature line beside it."""
        pem = await body(self.transport, f"/keys/{key_id}.pem", _SMALL)
        try:
            return pem, await body(self.transport, f"/keys/{key_id}.pem.sig", _SMALL)
        except NotYet:
            return pem, None

    def series(self, run: Run, series: str = "skrutinium") -> SeriesSource:
        """The series of that run."""
        return self.feed_series(run, series)

    def feed_series(self, run: Run, series: str = "skrutinium") -> "AddressSeries":
        """The same, with what only a feed offers."""
        prefix = f"/event/{run.event}" if run.current else f"/event/{run.event}/run/{run.id}"
        if series != "skrutinium":
            prefix += f"/series/{series}"
        return AddressSeries(self.transport, prefix)

    def registers(self, event: str) -> RegistersSource:
        """What there is to read before the election."""
        return AddressRegisters(self.transport, f"/event/{event}/registers")

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()


async def body(transport: Transport, path: str, limit: int = LARGEST) -> bytes:
    """What lies at a path, whole; raises what the transport raises."""
    answer = await transport.get(path, limit=limit)
    if answer.body is None:
        raise DamagedError("'not modified' without having asked for it", address=answer.address)
    return answer.body


async def pack(transport: Transport, path: str) -> Spool:
    """The documents of an archive at a path, by one request without retries."""
    where = transport.base + path
    async with aclosing(_tar(transport, path, where)) as pieces:
        return await spooled(pieces, where)


async def _tar(transport: Transport, path: str, where: str) -> AsyncGenerator[bytes, None]:
    """An archive while it comes, gzipped or not."""
    stretch: Expanding | None = None
    first = True
    async with aclosing(transport.pieces(path, LARGEST_ARCHIVE)) as pieces:
        async for piece in pieces:
            if first and piece[:1] == b"\x1f":  # no name in a tar begins so
                stretch = Expanding(LARGEST_ARCHIVE, where)
            first = False
            for part in [piece] if stretch is None else stretch.take(piece):
                yield part
    if stretch is not None:
        stretch.end()


class Below:
    """What lies below one address."""

    def __init__(self, transport: Transport, prefix: str) -> None:
        self.transport = transport
        self.prefix = prefix

    @property
    def where(self) -> str:
        """That address."""
        return self.transport.base + self.prefix


class AddressSeries(Below):
    """One series of a feed."""

    async def newest_manifest(self, etag: str | None = None) -> Answer:
        """The newest manifest, or no body when it is the one with that ``etag``."""
        return await self.transport.get(f"{self.prefix}/newest/manifest.xml", etag=etag)

    async def look(self, etag: str | None = None, *, after: int = 0, wait: float = 0) -> Answer:
        """The same by one request; with ``wait`` it is answered in so many seconds, sooner when there is another than ``etag`` or a later than ``after``."""
        query = f"?after={after}" if wait and after and etag is None else ""
        return await self.transport.once(f"{self.prefix}/newest/manifest.xml{query}", etag=etag, wait=wait)

    async def newest(self) -> tuple[int, str]:
        """Number and hash of the newest manifest."""
        data = await body(self.transport, f"{self.prefix}/newest/manifest.xml")
        return read_manifest(data, self.where).release, hashlib.sha256(data).hexdigest()

    async def signature(self, number: int) -> bytes:
        """The signature line of one manifest."""
        return await body(self.transport, f"{self.prefix}/release/{number}/manifest.xml.sig", _SMALL)

    async def manifest(self, number: int) -> tuple[bytes, bytes]:
        """A manifest and its signature line."""
        data = await body(self.transport, f"{self.prefix}/release/{number}/manifest.xml")
        return data, await self.signature(number)

    async def arriving(
        self, since: int, most: Callable[[str], int], choice: Choice | None = None
    ) -> AsyncGenerator[Member, None]:
        """All that changed after release ``since``, member by member while it comes: manifests with signatures, then documents (of a choice), by name.

        It is one request without retries; what is larger than ``most`` says for its name comes without its bytes. Raises
        :class:`ChoiceNeeded` when the feed does not know what is chosen, and :class:`DamagedError` at the latest after the last member, so nothing counts before this has ended.
        """
        path = self._changes(since, choice)
        where = self.transport.base + path
        unpacking = Unpacking(where, most)
        async with aclosing(_tar(self.transport, path, where)) as pieces:
            async for piece in pieces:
                for member in unpacking.take(piece):
                    yield member
                await asyncio.sleep(0)  # a fast line would otherwise keep the loop for itself
        unpacking.end()

    def _changes(self, since: int, choice: Choice | None) -> str:
        return f"{self.prefix}/changes?since={since}{choice.query if choice else ''}"

    async def release(self, number: int) -> Material:
        """Everything of one release, by one request."""
        path = f"{self.prefix}/pack/{number}"
        spool = await self.transport.retried(lambda: pack(self.transport, path), path)
        parts = [await asyncio.to_thread(spool.read, name) for name in ("manifest.xml", "manifest.xml.sig")]
        return Material(parts[0], parts[1], spool.load)

    async def object(self, sha256: str) -> bytes:
        """A document by its hash."""
        return await body(self.transport, f"/object/{sha256}")

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        """A checkpoint and its signature line."""
        name = "newest" if number is None else str(number)
        data = await body(self.transport, f"{self.prefix}/checkpoint/{name}.xml")
        if number is None:  # between two requests the newest may become another one
            number = read_checkpoint(data, self.where).release
        return data, await body(self.transport, f"{self.prefix}/checkpoint/{number}.xml.sig", _SMALL)

    async def heartbeat(self) -> bytes:
        """The heartbeat with its signature line."""
        return await body(self.transport, f"{self.prefix}/heartbeat.xml", _SMALL)


class AddressRegisters(Below):
    """The registers of one event at a feed."""

    async def newest(self) -> tuple[int, str]:
        """Number and hash of the newest index."""
        data = await self._index(f"{self.prefix}/newest/registers.xml")
        index = await aside(read_index, data, self.where)
        return index.definition, hashlib.sha256(data).hexdigest()

    async def index(self, number: int, edition: int | None = None) -> tuple[bytes, bytes]:
        """An index of one version of the definition, the newest edition unless told, and its signature line."""
        version = str(number) if edition is None else f"{number}.{edition}"
        path = f"{self.prefix}/{version}/registers.xml"
        return await self._index(path), await body(self.transport, f"{path}.sig", _SMALL)

    async def _index(self, path: str) -> bytes:
        try:
            return await body(self.transport, path)
        except (
            ChoiceNeeded
        ) as error:  # the code no-registers, which also answers a choice, says here that there are none
            raise NotYet("there are no such registers", address=self.transport.base + path) from error

    async def document(self, number: int, row: RegisterRow, /) -> bytes:
        """A document of that index."""
        return await body(self.transport, f"{self.prefix}/{number}/{row.path}")
