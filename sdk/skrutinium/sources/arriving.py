"""What a feed sends of all that changed, while it comes: manifests that are taken into a chain, and documents that they name."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from skrutinium.documents.parsing import LARGEST
from skrutinium.documents.series import Document, Manifest
from skrutinium.errors import DamagedError
from skrutinium.sources.address import AddressSeries
from skrutinium.sources.choosing import Choice
from skrutinium.sources.packs import Member
from skrutinium.trust.chain import Chain

_MANIFEST = re.compile(r"manifest/[0-9]{1,9}\.xml")


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest that was taken into the chain, its bytes and its signature line."""

    manifest: Manifest
    data: bytes
    line: bytes


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A document that is what its row says; ``data`` is None when it is larger than what is held."""

    row: Document
    data: bytes | None


async def signed_members(
    source: AddressSeries,
    chain: Chain,
    largest: int = LARGEST,
    choice: Choice | None = None,
    until: int | None = None,
) -> AsyncGenerator[SignedManifest | SignedDocument, None]:
    """What follows in ``chain``, by one request without retries: manifests in order, each taken into the chain, and documents by their hashes.

    Of a document at most ``largest`` bytes are held. Manifests after ``until`` are left aside, and documents of theirs. Raises
    :class:`DamagedError` when something is not as it should be, at the latest after the last, and what a chain raises: nothing counts
    before this has ended.
    """
    where = source.where
    rows: dict[str, Document] = {}
    came: set[str] = set()
    unsigned: Member | None = None

    def most(name: str) -> int:
        return LARGEST if name.startswith("manifest/") else largest

    async with aclosing(source.arriving(chain.number, most, choice)) as members:
        async for member in members:
            if member.name in came:
                raise DamagedError(f"{member.name} comes twice", address=where)
            came.add(member.name)
            if unsigned is not None:
                if member.name != f"{unsigned.name}.sig":
                    break
                name, data, line = unsigned.name, _held(unsigned, where), _held(member, where)
                unsigned = None
                if until is None or int(name[len("manifest/") : -len(".xml")]) <= until:
                    manifest = await chain.take(data, line, f"{where} {name}")
                    rows.update((row.path, row) for row in manifest.documents)
                    yield SignedManifest(manifest, data, line)
            elif _MANIFEST.fullmatch(member.name):
                unsigned = member
            elif wrong := _wrong(member, rows.get(member.name), where):
                if until is None:  # else a version after it
                    raise wrong
            else:
                yield SignedDocument(rows[member.name], member.data)
    if unsigned is not None:
        raise DamagedError(f"{unsigned.name} comes without its signature", address=where)


def _held(member: Member, where: str) -> bytes:
    if member.data is None:
        raise DamagedError(
            f"{member.name} has {member.size} bytes; at most {LARGEST} are read", address=where
        )
    return member.data


def _wrong(member: Member, row: Document | None, where: str) -> DamagedError | None:
    """What is wrong with a document by its row in the manifests before it; None when nothing."""
    if row is None:
        return DamagedError(f"{member.name} is in no manifest before it", address=where)
    if (member.size, member.sha256) != (row.size, row.sha256):
        return DamagedError(
            f"has {member.size} bytes with the hash {member.sha256}; {row.size} with {row.sha256} are announced",
            address=f"{where} {member.name}",
        )
    return None
