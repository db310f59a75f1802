"""The registers of an event in a mirror: each index with its documents, the file ``newest`` last."""

import asyncio

from skrutinium.documents.registers import RegistersSource
from skrutinium.documents.registers_reading import read_index
from skrutinium.errors import ChainError, NotYet
from skrutinium.mirroring.files import StoreFiles, digest
from skrutinium.sources.source import matches, number_and_hash
from skrutinium.trust.signing import KeyRing


async def mirror_registers(
    source: RegistersSource, keys: KeyRing, event: str, store: StoreFiles, *, whole: bool
) -> bool:
    """Fetch the newest registers, with ``whole`` those of every version; whether there was anything new.

    Raises what the source raises, :class:`SignatureError`, :class:`DamagedError`, :class:`ChainError`.
    """
    folder = f"event/{event}/registers"
    try:
        number, sha256 = await source.newest()
    except NotYet:
        return False  # an event may have none
    path = store.root / folder / "newest"
    seen = 0
    if await asyncio.to_thread(path.is_file):
        seen, held = number_and_hash(await asyncio.to_thread(path.read_bytes), str(path))
        if (seen, held) == (number, sha256):
            return False
    newest = sha256
    for each in range(min(seen + 1, number), number + 1) if whole else (number,):
        try:
            newest = await _version(source, keys, event, store, each)
        except NotYet:
            if each == number:
                raise
    await asyncio.to_thread(store.sync)
    await asyncio.to_thread(store.put, f"{folder}/newest", f"{number} {newest}\n".encode("ascii"))
    return True


async def _version(source: RegistersSource, keys: KeyRing, event: str, store: StoreFiles, number: int) -> str:
    """All editions of one version; the hash of the newest index."""
    data, line = await source.index(number)
    where = f"{source.where} registers {number}"
    await keys.check(data, line, where)
    index = await asyncio.to_thread(read_index, data, where)
    if (index.event, index.definition) != (event, number):
        raise ChainError(
            f"registers {index.definition} of {index.event}; asked for {number} of {event}", address=where
        )
    for row in index.documents:
        if await asyncio.to_thread(store.has_object, row.sha256):
            continue
        document = await source.document(number, row)
        if wrong := matches(row, document, f"{source.where} {row.path}"):
            raise wrong
        await asyncio.to_thread(store.put_object, row.sha256, document)
    for edition in range(1, index.edition + 1):
        if edition < index.edition:  # earlier editions name documents that need not be there any more
            older, older_line = await source.index(number, edition)
            await keys.check(older, older_line, where)
        else:
            older, older_line = data, line
        name = f"event/{event}/registers/{number:09d}{'' if edition == 1 else f'.{edition}'}.xml"
        await asyncio.to_thread(store.put, f"{name}.sig", older_line)
        await asyncio.to_thread(store.put, name, older)
    return digest(data)
