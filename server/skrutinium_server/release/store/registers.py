"""The registers in the release store: an index for each version of the definition, signed, and documents as objects.

``event/EVENT/registers/000000001.xml`` is the index of definition 1, ``000000001.2.xml`` its second edition (the calendar
has changed, for instance), each with its signature beside; ``newest`` holds the newest number and the hash of its index. An
edition is never rewritten, and its signature is there before it. Source: requirement M7, design § 4.3 and § 4.4.
"""

import datetime
import hashlib
import re
from pathlib import Path
from typing import Final

import msgspec
from lxml import etree

from skrutinium_server.release.store.errors import StoreDamaged, StoreMissing
from skrutinium_server.release.store.layout import Layout, signature_of
from skrutinium_server.release.store.model import Newest
from skrutinium_server.release.store.reading import NAMESPACE, StoreReader
from skrutinium_server.release.store.writing import StoreWriter, write_whole
from skrutinium_server.xml_parsing import xml_parser

_NEWEST: Final = re.compile(rb"([1-9][0-9]{0,8}) ([0-9a-f]{64})\n?")
_INDEX: Final = re.compile(r"([0-9]{9})(?:\.([1-9][0-9]{0,5}))?\.xml")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class RegisterRow(msgspec.Struct, frozen=True):
    """One document as an index lists it; ``size`` and hash are those of the uncompressed bytes, ``schema`` None: no XML.

    ``definition``, its hash and ``time`` say with what the document was written last.
    """

    path: str
    size: int
    sha256: str
    schema: str | None
    definition: int
    definition_sha256: str
    time: datetime.datetime


class Registers(msgspec.Struct, frozen=True):
    """An index as read from the store; ``sha256`` is that of its bytes, ``rows`` are by path."""

    event: str
    definition: int
    edition: int
    sha256: str
    rows: dict[str, RegisterRow]


class RegistersReader:
    """The registers in the store that lies in ``root``; every read is checked as in :class:`.reading.StoreReader`."""

    def __init__(self, root: Path) -> None:
        self._reader = StoreReader(root)
        self.layout: Layout = self._reader.layout

    def newest(self, event: str) -> Newest | None:
        """Number and hash of the newest index, None before the first."""
        path = self.layout.registers_newest(event)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreDamaged(path, f"cannot be read ({error.strerror or error})") from error
        found = _NEWEST.fullmatch(data)
        if found is None:
            raise StoreDamaged(path, "does not hold a number and a hash")
        return Newest(int(found[1]), found[2].decode("ascii"))

    def edition(self, event: str, number: int) -> int:
        """The newest edition of the registers of one version of the definition, 0 when there is none."""
        folder = self.layout.registers(event)
        if not folder.is_dir():
            return 0
        found = (_INDEX.fullmatch(path.name) for path in folder.iterdir())
        return max((int(match[2] or 1) for match in found if match and int(match[1]) == number), default=0)

    def index_bytes(self, event: str, number: int) -> tuple[bytes, bytes]:
        """The exact bytes of the index of one version of the definition, newest edition, and its signature line.

        Raises :class:`StoreMissing` when there is none.
        """
        edition = self.edition(event, number)
        path = self.layout.registers_index(event, number, edition or 1)
        try:
            return path.read_bytes(), signature_of(path).read_bytes()
        except FileNotFoundError as error:
            raise StoreMissing(f"registers {number} of the event {event}") from error

    def index(self, event: str, number: int) -> Registers:
        """The index of one version of the definition, newest edition. Raises :class:`StoreMissing`, :class:`StoreDamaged`."""
        data, _ = self.index_bytes(event, number)
        return read_index(self.layout.registers_index(event, number, self.edition(event, number) or 1), data)

    def document(self, row: RegisterRow) -> bytes:
        """The uncompressed bytes of a document, checked against its hash."""
        return self._reader.object(row.sha256)


def read_index(path: Path, data: bytes) -> Registers:
    """Read an index; raises :class:`StoreDamaged`. It was validated when it was written."""
    try:
        element = etree.fromstring(data, xml_parser())
        if element.tag != NAMESPACE + "registers":
            raise StoreDamaged(path, f"is no index of registers but {str(element.tag)[:200]!r}")
        rows = (_row(child) for child in element.iter(NAMESPACE + "document"))
        return Registers(
            event=element.attrib["event"],
            definition=int(element.attrib["definition"]),
            edition=int(element.attrib["edition"]),
            sha256=hashlib.sha256(data).hexdigest(),
            rows={row.path: row for row in rows},
        )
    except etree.XMLSyntaxError as error:
        raise StoreDamaged(path, f"is not well-formed ({str(error)[:200]})") from error
    except KeyError as error:
        raise StoreDamaged(path, f"lacks the attribute {error}") from error
    except ValueError as error:
        raise StoreDamaged(path, f"has an attribute that is wrong ({str(error)[:200]})") from error


def _row(element: etree._Element) -> RegisterRow:
    told = element.attrib
    if not _HASH.fullmatch(told["sha256"]):  # it becomes the name of a file
        raise ValueError(f"{told['sha256'][:80]!r} is no SHA-256")
    return RegisterRow(
        path=told["path"],
        size=int(told["size"]),
        sha256=told["sha256"],
        schema=told.get("schema"),
        definition=int(told["definition"]),
        definition_sha256=told["definition-sha256"],
        time=datetime.datetime.fromisoformat(told["time"]),
    )


def put_index(writer: StoreWriter, event: str, number: int, edition: int, data: bytes) -> None:
    """Publish an index whose documents are stored: signature, index, then the name of the newest.

    An older definition's index leaves ``newest`` as it is. Raises :class:`.errors.StoreWriteFailed`.
    """
    path = writer.layout.registers_index(event, number, edition)
    write_whole(signature_of(path), writer.signer.line(data))
    write_whole(path, data)
    put_newest(writer, event, number, hashlib.sha256(data).hexdigest())


def put_newest(writer: StoreWriter, event: str, number: int, sha256: str) -> None:
    """Name the newest index, unless a newer one is named already."""
    newest = RegistersReader(writer.layout.root).newest(event)
    if newest is None or ((newest.number, newest.sha256) != (number, sha256) and newest.number <= number):
        write_whole(writer.layout.registers_newest(event), f"{number} {sha256}\n".encode("ascii"))
