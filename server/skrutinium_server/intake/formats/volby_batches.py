"""Czech batches of precinct protocols (``VYSLEDKY_OKRSKY``): each record as the exact slice of bytes it came in.

The batch is parsed as a whole, which proves that it is whole; then every ``OKRSEK`` element is cut out of the bytes and
read from the slice alone, so that anybody who holds the slice reads the same figures. A batch may not hold anything
that would make the two differ: no DOCTYPE, and after the start of the root no comments, CDATA or processing instructions.

Stamps are local time without a zone. In the hour that comes twice when summer time ends the first one is taken; nothing
hangs on it, because versions are ordered by ``PORADI_ZPRAC``. A stamp in the hour that is left out in spring is refused.
"""

import datetime
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from lxml import etree

from skrutinium_server.election.law import Law
from skrutinium_server.intake.errors import ReadError
from skrutinium_server.intake.formats.volby_records import (
    RecordReader,
    attributes,
    local_time,
    whole_number,
)
from skrutinium_server.intake.model import Protocol, Received, TakenOver
from skrutinium_server.xml_parsing import xml_parser

FORMAT: Final = "volby-batches"
NAMESPACE: Final = "http://www.volby.cz/kv/"
SENATE_NAMESPACES: Final = (
    "http://www.volby.cz/senat/",
    "http://www.volby.cz/se/",
    "http://www.w3.org/namespace/",
)
"""What the Senate's documents were seen with; the last one is a placeholder that the source left in."""
ROOT: Final = "VYSLEDKY_OKRSKY"
COUNTS: Final = ("PORADI_DAVKY", "OKRSKY_DAVKA", "OKRSKY_CELKEM", "OKRSKY_ZPRAC")
MOST_BYTES: Final = 16 * 2**20
"""Larger batches are refused; the largest known one has 1.8 MB."""
ENCODINGS: Final = ("UTF-8", "ISO-8859-2", "WINDOWS-1250", "US-ASCII")
"""Encodings that contain ASCII, so that markup can be found in the bytes."""

_DECLARATION: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:<\?xml(\s[^>]{0,200})\?>)?")
_BLANKS: Final = re.compile(rb"\s*")
_COMMENT: Final = (b"<!--", b"--", 4096)
"""How a comment begins, what it may not hold but at its end, and its greatest length."""
MOST_COMMENTS: Final = 32
_ENCODING: Final = re.compile(rb"""\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BEGIN: Final = re.compile(rb"<OKRSEK(?=[\s>/])")
_END: Final = re.compile(rb"</OKRSEK\s*>")
_FORBIDDEN: Final = re.compile(rb"<[!?]")


class Batch(msgspec.Struct, frozen=True):
    """One batch: the election's first day, the batch's number and stamp (UTC), its records in their order.

    ``round`` is that of the Senate where the batch tells it; ``date`` is None only where a batch of the Senate lacks it.

    ``announced``, ``expected`` and ``processed`` are what it says of itself: records in it, in the country, and so far.
    """

    source: str
    sha256: str
    date: datetime.date | None
    number: int
    stamp: datetime.datetime
    announced: int
    expected: int
    processed: int
    records: tuple[Received, ...]
    round: int | None = None


class Unavailable(msgspec.Struct, frozen=True):
    """In place of a batch its source told an error (``CHYBA``): 10 before counting, 30 past the newest batch."""

    source: str
    code: str | None


def read_folder(folder: Path, law: Law) -> Iterator[Batch | Unavailable]:
    """The batches of a folder's ``.xml`` files, by the number in the name; ``folder`` may be one file."""
    files = sorted(folder.glob("*.xml"), key=_file_number) if folder.is_dir() else [folder]
    if not files:
        raise ReadError(str(folder), 0, "no .xml file", "at least one batch")
    for file in files:
        if file.stat().st_size > MOST_BYTES:
            raise ReadError(
                file.name, 0, f"{file.stat().st_size} bytes", f"at most {MOST_BYTES}", code="too-large"
            )
        yield read_batch(file.read_bytes(), file.name, law)


def read_batch(data: bytes, source: str, law: Law) -> Batch | Unavailable:
    """One batch from its bytes, all of it or none; ``source`` is its file name. Raises :class:`ReadError`."""
    encoding, start = _encoding(data, source)
    root = _parse(data, source, start, SENATE_NAMESPACES if law.majority else (NAMESPACE,))
    namespace = etree.QName(root).namespace
    children = list(root)
    if [child.tag for child in children] == [f"{{{namespace}}}CHYBA"]:
        return Unavailable(source, children[0].get("KOD_CHYBY"))
    names = [child.tag for child in children]
    if names[:1] != [f"{{{namespace}}}DAVKA"] or set(names[1:]) - {f"{{{namespace}}}OKRSEK"}:
        raise ReadError(source, start, "unexpected elements in the root", "one DAVKA, then OKRSEK elements")
    if len(children[0]):
        raise ReadError(source, start, "elements in DAVKA", "attributes only")
    slices = list(_slices(data, start))
    if len(slices) != len(names) - 1:
        problem = (
            f"{len(names) - 1} precincts, but {len(slices)} stretches of bytes from <OKRSEK to </OKRSEK>"
        )
        raise ReadError(
            source, start, problem, "each precinct written as <OKRSEK …>…</OKRSEK>", code="slices"
        )
    head = _head(children[0], source, start, law)
    announced, expected, processed, number = (
        whole_number(head[name], name, source, start)
        for name in ("OKRSKY_DAVKA", "OKRSKY_CELKEM", "OKRSKY_ZPRAC", "PORADI_DAVKY")
    )
    # The real first batch of 2022 announced hundreds and held none; any other difference is a batch that was cut.
    if slices and announced != len(slices):
        raise ReadError(
            source,
            start,
            f"OKRSKY_DAVKA announces {announced} precincts, {len(slices)} are there",
            "as many",
            code="count",
        )
    reader = RecordReader(law)
    stamp = local_time(
        root.get("DATUM_CAS_GENEROVANI", ""), "DATUM_CAS_GENEROVANI", reader.zone, source, start
    )
    sha256 = hashlib.sha256(data).hexdigest()
    return Batch(
        source,
        sha256,
        _date(head["DATUMVOLEB"], source, start) if "DATUMVOLEB" in head else None,
        number,
        stamp,
        announced,
        expected,
        processed,
        tuple(
            Received(
                reader.read(record, encoding, source, offset),
                TakenOver(record, FORMAT, encoding, source, sha256, offset),
            )
            for offset, record in slices
        ),
        _round(head.get("KOLO"), source, start),
    )


def _head(element: etree._Element, source: str, start: int, law: Law) -> dict[str, str]:
    """What the batch tells of itself; one of the Senate may tell its round, and the date is not sure to be there."""
    names: tuple[str, ...] = ("DATUMVOLEB", *COUNTS)
    if law.majority is not None:
        names = (*(name for name in ("DATUMVOLEB", "KOLO") if name in element.attrib), *COUNTS)
    return attributes(element, source, start, names)


def _round(value: str | None, source: str, start: int) -> int | None:
    if value not in (None, "1", "2"):
        raise ReadError(source, start, f"KOLO is {value!r}", "1 or 2", code="number")
    return None if value is None else int(value)


def parse_record(
    data: bytes, encoding: str, law: Law, *, source: str = "record", offset: int = 0
) -> Protocol:
    """The protocol that the bytes of one ``OKRSEK`` element tell by themselves; raises :class:`ReadError`."""
    if encoding not in ENCODINGS:
        raise ReadError(
            source, offset, f"the encoding {encoding!r}", f"one of {', '.join(ENCODINGS)}", code="encoding"
        )
    if len(data) > MOST_BYTES:
        raise ReadError(source, offset, f"{len(data)} bytes", f"at most {MOST_BYTES}", code="too-large")
    _forbid(data, source, 0)
    return RecordReader(law).read(data, encoding, source, offset)


def _encoding(data: bytes, source: str) -> tuple[str, int]:
    """The declared encoding and where the root begins."""
    if len(data) > MOST_BYTES:
        raise ReadError(source, 0, f"{len(data)} bytes", f"at most {MOST_BYTES}", code="too-large")
    declaration, start = _prolog(data)
    if data[start : start + 1] != b"<":
        raise ReadError(
            source,
            0,
            f"it begins with {data[:20]!r}",
            f"XML in one of {', '.join(ENCODINGS)}",
            code="not-xml",
        )
    declared = _ENCODING.search(declaration)
    encoding = declared[1].decode("ascii").upper() if declared else "UTF-8"
    if encoding not in ENCODINGS:
        raise ReadError(
            source, 0, f"the encoding {encoding!r}", f"one of {', '.join(ENCODINGS)}", code="encoding"
        )
    _forbid(data, source, start)
    return encoding, start


def _prolog(data: bytes) -> tuple[bytes, int]:
    """The XML declaration, and where what follows it, blanks and comments begins; each byte is looked at once."""
    found = _DECLARATION.match(data)
    assert found is not None  # it matches nothing at all, too
    place = found.end()
    begin, dashes, longest = _COMMENT
    for _ in range(MOST_COMMENTS):
        blanks = _BLANKS.match(data, place)
        place = blanks.end() if blanks else place
        end = data.find(dashes, place + len(begin), place + longest) if data.startswith(begin, place) else -1
        if end < 0 or data[end : end + 3] != b"-->":
            break
        place = end + 3
    return found[1] or b"", place


def _forbid(data: bytes, source: str, start: int) -> None:
    found = _FORBIDDEN.search(data, start)
    if found is not None:
        problem = f"{data[found.start() : found.start() + 12]!r} at byte {found.start()}"
        code = "doctype" if data[found.start() :].startswith(b"<!DOCTYPE") else "markup"
        raise ReadError(
            source, start, problem, "no DOCTYPE, comment, CDATA or processing instruction", code=code
        )


def _parse(data: bytes, source: str, start: int, namespaces: tuple[str, ...]) -> etree._Element:
    try:
        root = etree.fromstring(data, xml_parser())
    except etree.XMLSyntaxError as error:
        problem = f"line {error.lineno}: {error.msg}"
        raise ReadError(
            source, start, problem, "a whole, well-formed batch", code="not-well-formed"
        ) from error
    expected = [f"{{{namespace}}}{ROOT}" for namespace in namespaces]
    if root.tag not in expected:
        raise ReadError(source, start, f"the root is {root.tag!s}", " or ".join(expected), code="root")
    return root


def _slices(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each stretch from a start of a record to the next end of one; ends where either is lacking."""
    while (begin := _BEGIN.search(data, start)) and (end := _END.search(data, begin.end())):
        start = end.end()
        yield begin.start(), data[begin.start() : start]


def _date(value: str, source: str, start: int) -> datetime.date:
    try:
        # fromisoformat takes more forms, such as weeks, than the feed has.
        if not (len(value) == 8 and value.isascii() and value.isdigit()):
            raise ValueError(value)
        return datetime.date.fromisoformat(value)
    except ValueError as error:
        raise ReadError(source, start, f"DATUMVOLEB is {value!r}", "a date as YYYYMMDD") from error


def _file_number(file: Path) -> tuple[int, str]:
    digits = re.findall(r"[0-9]+", file.stem)
    return (int(digits[-1]) if digits else -1, file.name)
