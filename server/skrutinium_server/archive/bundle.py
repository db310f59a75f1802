"""The bundle: everything there is to read before the night in one zip that works from a disc, without a network.

Pure: the same files and facts give the same bytes. Source: requirement M10.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from skrutinium_server.archive.contract import contract, descriptions
from skrutinium_server.archive.rendering import html, page

_LEVEL: Final = 6
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say; the bytes depend on no clock
_UNIX: Final = 3
_MODE: Final = 0o100644

_CARDS: Final = {
    "skrutinium/1.0/skrutinium.xsd": (
        "Documents of the night",
        "Results, releases, corrections and states, format skrutinium.",
    ),
    "skrutinium/1.0/registers.xsd": ("Documents before it", "Registers, codebooks and the calendar."),
    "skrutinium/1.0/rehearsal.xsd": ("Tests and rehearsals", "Receipts of readers."),
}


class BundleFacts(msgspec.Struct, frozen=True):
    """What the start page says. ``date`` and ``definition_sha256`` are text, ``addresses`` those of the feed.

    ``calendar`` are lines for people; ``fingerprint`` is the key's, in groups of four.
    """

    event: str
    name: str
    date: str
    definition: int
    definition_sha256: str
    made_up: bool
    addresses: tuple[str, ...]
    calendar: tuple[str, ...]
    fingerprint: str
    key_id: str


class Member(NamedTuple):
    """A file as pages list it; ``page`` is the description of its schema."""

    path: str
    size: int
    sha256: str
    schema: str | None
    page: str | None


_GROUPS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "registers/",
        "Registers",
        "Areas, contests, districts, precincts, committees, lists, candidates (by county).",
    ),
    ("rows/", "The same in the Czech row format", "XML in UTF-8, and CSV in windows-1250 with semicolons."),
    (
        "csv-set/",
        "The same as one set of tables",
        "CSV in UTF-8 with commas, a file a table; reads back as the definition.",
    ),
    ("codebooks/", "Codebooks", "What codes in documents mean, as XML and as CSV."),
    ("xsd/", "Schemas", "XSD 1.0; each compiles by itself, without a network."),
)


def bundle(
    facts: BundleFacts,
    documents: Mapping[str, tuple[bytes, str | None]],
    public_key: bytes,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """The zip; ``documents`` are bytes and schema by path, ``sign`` makes the signature line of ``SHA256SUMS``."""
    files = {path: data for path, (data, _) in documents.items()} | contract()
    key = f"key/{facts.key_id}.pem"
    files[key] = public_key
    files["key/fingerprint.txt"] = f"{facts.fingerprint}\n".encode()
    files |= format_pages(facts.made_up)
    schemas = {path: schema for path, (_, schema) in documents.items()}
    members = [_member(path, data, schemas.get(path)) for path, data in sorted(files.items())]
    files["files.html"] = page("files.html", facts=facts, files=members, made_up=facts.made_up)
    files["index.html"] = _index(facts, members, key)
    files["SHA256SUMS"] = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items())
    ).encode()
    files["SHA256SUMS.sig"] = sign(files["SHA256SUMS"])
    return _zip(files)


def format_pages(made_up: bool) -> dict[str, bytes]:
    """The description of every schema as ``format/….html``."""
    return {
        format_page(told.schema): html(
            told,
            home="../index.html",
            home_title="Everything to read before the night",
            xsd=f"../xsd/{told.schema}",
            made_up=made_up,
        )
        for told in descriptions().values()
    }


def format_page(schema: str) -> str:
    """The page that describes a schema."""
    return f"format/{schema.removesuffix('.xsd').replace('/', '-')}.html"


def _index(facts: BundleFacts, members: Sequence[Member], key: str) -> bytes:
    groups = [
        (title, about, [member for member in members if member.path.startswith(start)])
        for start, title, about in _GROUPS
    ]
    others = {
        schema: (schema.rpartition("/")[2].removesuffix(".xsd"), told.meaning.partition(" Written for")[0])
        for schema, told in descriptions().items()
        if schema not in _CARDS and "/rows/" not in schema
    }
    cards = [(title, format_page(schema), about) for schema, (title, about) in (_CARDS | others).items()]
    return page(
        "index.html",
        facts=facts,
        formats=cards,
        key=key,
        calendar=facts.calendar,
        groups=[group for group in groups if group[2]],
        count=len(members),
        made_up=facts.made_up,
    )


def _member(path: str, data: bytes, schema: str | None) -> Member:
    described = format_page(schema) if schema is not None and schema in descriptions() else None
    return Member(path, len(data), hashlib.sha256(data).hexdigest(), schema, described)


def _zip(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as target:
        for path, data in sorted(files.items()):
            member = zipfile.ZipInfo(path, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = _UNIX
            member.external_attr = _MODE << 16
            target.writestr(member, data, compresslevel=_LEVEL)
    return archive.getvalue()
