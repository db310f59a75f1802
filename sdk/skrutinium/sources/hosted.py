"""Reading a release store by the address of any web server: the public folder of an event, a mirror, an object store.

The layout is that of the folder (``docs/architecture.md``); no program answers there, so nothing can be asked for but files.
"""

import hashlib

from skrutinium.documents.aside import aside
from skrutinium.documents.parsing import LARGEST
from skrutinium.documents.registers import RegisterRow, RegistersSource
from skrutinium.documents.registers_reading import read_index
from skrutinium.documents.series import Run
from skrutinium.documents.series_reading import read_manifest, read_state
from skrutinium.errors import ChainError, DamagedError, NotYet, SkrutiniumError
from skrutinium.sources.address import Address, Below, body, pack
from skrutinium.sources.source import Material, SeriesSource, Source, number_and_hash
from skrutinium.sources.transport import Transport, expand
from skrutinium.trust.signing import split_line, split_signed

_SMALL = 64 * 1024
_MOST_EDITIONS = 1000
"""No version of a definition has as many: whoever has an answer to everything is not asked for ever."""


async def remote_source(transport: Transport) -> Source:
    """What answers there: a release store as plain files when the newest release of a run lies where a store has it, else a feed."""
    feed = Address(transport)
    try:
        told, _ = split_signed(await feed.state(), "state.xml")
        state = await aside(read_state, told, "state.xml")
    except SkrutiniumError:
        return feed  # whoever reads next is told what is wrong
    for run in state.runs:
        for series in run.series:
            try:
                await transport.get(f"/event/{run.event}/{run.id}/{series}/newest", limit=_SMALL)
            except SkrutiniumError:
                continue
            return Hosted(transport)
    return feed


class Hosted(Address):
    """The release store at the transport's base address: state and keys lie where a feed has them."""

    def series(self, run: Run, series: str = "skrutinium") -> SeriesSource:
        """The series of that run."""
        return HostedSeries(self.transport, f"/event/{run.event}/{run.id}/{series}")

    def registers(self, event: str) -> RegistersSource:
        """What there is to read before the election."""
        return HostedRegisters(self.transport, f"/event/{event}/registers")


class _Files(Below):
    """Files of a release store behind a web server."""

    async def _expanded(self, path: str, limit: int = LARGEST) -> bytes:
        """A gzipped file; some servers say that it is and it comes unpacked, others send it as it is."""
        data = await body(self.transport, path, limit)
        if not data.startswith(b"\x1f\x8b"):
            return data
        return await aside(expand, data, limit, self.transport.base + path)

    async def newest(self) -> tuple[int, str]:
        """Number and hash of the newest manifest (or index) by the file ``newest``."""
        path = f"{self.prefix}/newest"
        return number_and_hash(await body(self.transport, path, _SMALL), self.transport.base + path)

    async def object(self, sha256: str) -> bytes:
        """A document by its hash."""
        return await self._expanded(f"/objects/{sha256[:2]}/{sha256[2:4]}/{sha256}.gz")


class HostedSeries(_Files):
    """One series in a release store behind a web server."""

    async def manifest(self, number: int) -> tuple[bytes, bytes]:
        """A manifest and its signature line."""
        path = f"{self.prefix}/manifest/{number:09d}.xml"
        return await body(self.transport, path), await body(self.transport, f"{path}.sig", _SMALL)

    async def release(self, number: int) -> Material:
        """A release by its pack: one request for all of its documents."""
        manifest, signature = await self.manifest(number)
        path = f"{self.prefix}/pack/{number:09d}.tar.gz"
        spool = await self.transport.retried(lambda: pack(self.transport, path), path)
        return Material(manifest, signature, spool.load)

    async def checkpoint(self, number: int | None = None) -> tuple[bytes, bytes]:
        """A checkpoint and its signature line; the newest is found by the manifests, since a folder cannot be listed here."""
        if number is None:
            number = await self._newest_checkpoint()
        path = f"{self.prefix}/checkpoint/{number:09d}.xml"
        return await self._expanded(f"{path}.gz"), await body(self.transport, f"{path}.sig", _SMALL)

    async def _newest_checkpoint(self) -> int:
        newest, _ = await self.newest()
        for number in range(newest, 0, -1):
            data = await body(self.transport, f"{self.prefix}/manifest/{number:09d}.xml")
            manifest = await aside(read_manifest, data, self.where)
            if manifest.release != number:
                raise ChainError(
                    f"release {manifest.release} in place of release {number}", address=self.where
                )
            if manifest.checkpoint:
                return number
        raise NotYet("there is no checkpoint yet", address=self.where)

    async def heartbeat(self) -> bytes:
        """The heartbeat with its signature line."""
        return await body(self.transport, f"{self.prefix}/heartbeat.xml", _SMALL)


class HostedRegisters(_Files):
    """The registers of one event in a release store behind a web server."""

    async def index(self, number: int, edition: int | None = None) -> tuple[bytes, bytes]:
        """An index of one version of the definition, and its signature line; the newest is asked for until there is no later.

        Some servers answer everything with a page of theirs: what is no index of that edition counts as none, unless the store says that
        there is a later one; that raises :class:`DamagedError`.
        """
        if edition is not None:
            return await self._read(self._index(number, edition))
        data, line = await self._read(self._index(number, 1))
        for later in range(2, _MOST_EDITIONS + 1):
            path = self._index(number, later)
            try:
                found, its_line = await self._read(path)
            except NotYet:
                break
            if wrong := await aside(_wrong_index, found, its_line, number, later, self.transport.base + path):
                await self._check_last(number, data, wrong)
                break
            data, line = found, its_line
        return data, line

    async def _read(self, path: str) -> tuple[bytes, bytes]:
        return await body(self.transport, path), await body(self.transport, f"{path}.sig")

    async def _check_last(self, number: int, data: bytes, wrong: SkrutiniumError) -> None:
        """Raise unless the newest index of that number is this one."""
        newest, sha256 = await self.newest()
        if newest == number and hashlib.sha256(data).hexdigest() != sha256:
            raise DamagedError(f"no index, but the store names one: {wrong.message}", address=wrong.address)

    def _index(self, number: int, edition: int) -> str:
        return f"{self.prefix}/{number:09d}{'' if edition == 1 else f'.{edition}'}.xml"

    async def document(self, _number: int, row: RegisterRow, /) -> bytes:
        """A document of that index."""
        return await self.object(row.sha256)


def _wrong_index(data: bytes, line: bytes, number: int, edition: int, where: str) -> SkrutiniumError | None:
    """Why that is no signed index of that version and edition (whose signature it is, whoever reads it checks); None when it is."""
    try:
        split_line(line, f"{where}.sig")
        index = read_index(data, where)
    except SkrutiniumError as error:
        return error
    if (index.definition, index.edition) != (number, edition):
        told = f"registers {index.definition}, edition {index.edition}"
        return ChainError(f"{told} in place of {number}, edition {edition}", address=where)
    return None
