"""Protocols in our own CSV set: ``protocols.csv`` and ``votes.csv``, described in ``docs/csv-protocols.md``.

The bytes taken over of a protocol are its line of ``protocols.csv`` and its lines of ``votes.csv`` in their order, each
without its line end, joined by LF. Columns have a fixed order and values need no quotes, so the bytes can be read alone.
"""

import datetime
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from skrutinium_server.election.law import Law
from skrutinium_server.election.model import IDENTIFIER
from skrutinium_server.intake.errors import IntakeError, ReadError
from skrutinium_server.intake.model import ListVotes, Protocol, Received, TakenOver

FORMAT: Final = "csv"
PROTOCOLS: Final = "protocols.csv"
VOTES: Final = "votes.csv"
MOST_BYTES: Final = 512 * 2**20
"""Larger files are refused; the votes of all candidates of a whole country take about 150 MiB."""
PROTOCOL_COLUMNS: Final = ("precinct", "contest", "district", "sequence", "established", "repeated")
"""Columns of ``protocols.csv`` before one column a figure, in the order of the law."""
VOTE_COLUMNS: Final = ("precinct", "contest", "list", "candidate", "votes")

_BOM: Final = b"\xef\xbb\xbf"
_REPEATED: Final = {"": False, "false": False, "true": True}
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)

Key = tuple[str, str]


class Line(NamedTuple):
    """One line: where it begins in its file, its bytes without the line end, its values."""

    offset: int
    data: bytes
    values: list[str]


def read_folder(folder: Path, law: Law) -> tuple[Received, ...]:
    """:func:`read_set` of the two files in a folder; ``folder`` may be ``protocols.csv`` itself."""
    folder = folder if folder.is_dir() else folder.parent
    tables: dict[str, bytes] = {}
    for name in (PROTOCOLS, VOTES):
        file = folder / name
        if not file.is_file():
            raise ReadError(str(file), 0, "there is no such file", f"{PROTOCOLS} and {VOTES}", code="missing")
        if file.stat().st_size > MOST_BYTES:
            raise ReadError(
                name, 0, f"{file.stat().st_size} bytes", f"at most {MOST_BYTES}", code="too-large"
            )
        tables[name] = file.read_bytes()
    return read_set(tables, law)


def read_folders(folder: Path, law: Law) -> tuple[Received, ...]:
    """:func:`read_folder`, or where the folder holds no set itself, of all sets in folders in it, in the order of their names.

    So a protocol that was sent several times can be told: each time in another set.
    """
    if folder.is_dir() and not (folder / PROTOCOLS).exists() and not (folder / VOTES).exists():
        sets = sorted(path.parent for path in folder.glob(f"*/{PROTOCOLS}"))
        if sets:
            return tuple(received for one in sets for received in read_folder(one, law))
    return read_folder(folder, law)


def read_set(tables: Mapping[str, bytes], law: Law) -> tuple[Received, ...]:
    """The protocols of both files by name, all or none, in the order of ``protocols.csv``; raises :class:`ReadError`."""
    # Of a whole country there are millions of lines: their values are taken apart again when their protocol is read.
    votes: defaultdict[Key, list[bytes]] = defaultdict(list)
    first: dict[Key, int] = {}
    for line in _lines(VOTES, tables[VOTES], VOTE_COLUMNS):
        key = (line.values[0], line.values[1])
        votes[key].append(line.data)
        first.setdefault(key, line.offset)
    whole = hashlib.sha256(tables[PROTOCOLS])
    whole.update(tables[VOTES])
    sha256 = whole.hexdigest()
    received: list[Received] = []
    seen: set[Key] = set()
    for line in _lines(PROTOCOLS, tables[PROTOCOLS], _columns(law)):
        key = (line.values[0], line.values[1])
        if key in seen:
            problem = f"precinct {key[0]}, contest {key[1]} stands twice"
            raise ReadError(
                PROTOCOLS, line.offset, problem, "one protocol for each in a set", code="protocol-twice"
            )
        seen.add(key)
        rows = votes.pop(key, [])
        data = b"\n".join([line.data, *rows])
        values = [row.decode("ascii").split(",") for row in rows]
        protocol = _protocol(line.values, values, law, PROTOCOLS, line.offset)
        received.append(Received(protocol, TakenOver(data, FORMAT, "UTF-8", PROTOCOLS, sha256, line.offset)))
    for key in votes:
        problem = f"votes of precinct {key[0]}, contest {key[1]}, which {PROTOCOLS} lacks"
        raise ReadError(VOTES, first[key], problem, "a protocol for all votes", code="votes-alone")
    return tuple(received)


def parse_record(data: bytes, law: Law, *, source: str = "record", offset: int = 0) -> Protocol:
    """The protocol that the bytes taken over tell by themselves; raises :class:`ReadError`."""
    first, *rest = [_values(line, source, offset) for line in data.split(b"\n")]
    if len(first) != len(_columns(law)) or any(len(values) != len(VOTE_COLUMNS) for values in rest):
        raise ReadError(
            source,
            offset,
            "another number of values in a line",
            f"{len(_columns(law))}, then {len(VOTE_COLUMNS)}",
        )
    if any(values[:2] != first[:2] for values in rest):
        raise ReadError(
            source, offset, "votes of another precinct or contest", f"{first[0]}, {first[1]} in every line"
        )
    return _protocol(first, rest, law, source, offset)


def write_set(protocols: Iterable[Protocol], law: Law) -> dict[str, bytes]:
    """Both files by name; reads back as the same protocols. Raises IntakeError for what the set cannot hold."""
    lines, votes = ([head] for head in heads(law))
    written: set[Key] = set()
    for protocol in protocols:
        key = (protocol.precinct, protocol.contest)
        unknown = protocol.figures.keys() - {field.id for field in law.fields}
        if key in written or unknown:
            problem = f"unknown figures {', '.join(sorted(unknown))}" if unknown else "a second protocol"
            where = f"Precinct {key[0]}, contest {key[1]}"
            raise IntakeError(
                where,
                problem,
                f"one protocol with figures of the law {law.id}",
                "Write another set.",
                code="set",
            )
        written.add(key)
        lines.append(_line(protocol, law))
        votes += _vote_lines(protocol)
    return {
        PROTOCOLS: "".join(f"{line}\n" for line in lines).encode("ascii"),
        VOTES: "".join(f"{line}\n" for line in votes).encode("ascii"),
    }


def write_alone(protocol: Protocol, law: Law) -> TakenOver:
    """A protocol as what is taken over of a set that holds nothing else; its figures must be those of the law."""
    line = _line(protocol, law)
    rows = "\n".join(_vote_lines(protocol))
    data = f"{line}\n{rows}" if rows else line
    head, votes_head = heads(law)
    whole = hashlib.sha256(f"{head}\n{line}\n{votes_head}\n".encode("ascii"))
    whole.update(f"{rows}\n".encode("ascii") if rows else b"")
    return TakenOver(data.encode("ascii"), FORMAT, "UTF-8", PROTOCOLS, whole.hexdigest(), len(head) + 1)


def heads(law: Law) -> tuple[str, str]:
    """The header lines of ``protocols.csv`` and ``votes.csv``, without line ends."""
    return ",".join(_columns(law)), ",".join(VOTE_COLUMNS)


def _line(protocol: Protocol, law: Law) -> str:
    stamp = protocol.established.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    place = (
        protocol.precinct,
        protocol.contest,
        protocol.district,
        str(protocol.sequence),
        stamp,
        "true" if protocol.repeated else "false",
    )
    return ",".join((*place, *[str(protocol.figures.get(field.id, "")) for field in law.fields]))


def _vote_lines(protocol: Protocol) -> list[str]:
    lines = []
    for row in protocol.lists:
        begin = f"{protocol.precinct},{protocol.contest},{row.number},"
        lines.append(f"{begin},{row.votes}")
        lines += [f"{begin}{number},{count}" for number, count in row.candidates or ()]
    return lines


def _columns(law: Law) -> tuple[str, ...]:
    return (*PROTOCOL_COLUMNS, *(field.id for field in law.fields))


def _lines(file: str, data: bytes, columns: tuple[str, ...]) -> Iterator[Line]:
    offset = len(_BOM) if data.startswith(_BOM) else 0
    header = True
    while offset < len(data):
        end = data.find(b"\n", offset)
        end = len(data) if end < 0 else end
        line = data[offset:end].removesuffix(b"\r")
        if line:
            values = _values(line, file, offset)
            if header and values != list(columns):
                raise ReadError(
                    file, offset, f"the header {','.join(values)[:200]!r}", ",".join(columns), code="header"
                )
            if len(values) != len(columns):
                raise ReadError(
                    file, offset, f"{len(values)} values", f"{len(columns)} as in the header", code="values"
                )
            if not header:
                yield Line(offset, line, values)
            header = False
        offset = end + 1
    if header:
        raise ReadError(file, 0, "no header line", ",".join(columns), code="header")


def _values(line: bytes, file: str, offset: int) -> list[str]:
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError as error:
        problem = f"a letter outside ASCII ({line[error.start : error.start + 4]!r})"
        raise ReadError(
            file, offset, problem, "identifiers, numbers and times only", code="encoding"
        ) from error
    if not text.isprintable() or '"' in text:
        raise ReadError(
            file, offset, "quotes or control characters", "plain values without quotes", code="quotes"
        )
    return text.split(",")


def _protocol(values: list[str], rows: list[list[str]], law: Law, file: str, offset: int) -> Protocol:
    precinct, contest, district, sequence, established, repeated, *figures = values
    for name, value in zip(PROTOCOL_COLUMNS, (precinct, contest, district), strict=False):
        if not IDENTIFIER.fullmatch(value):
            raise ReadError(
                file, offset, f"{name} is {value[:70]!r}", "letters, digits, '.' and '-'", code="identifier"
            )
    if repeated not in _REPEATED:
        raise ReadError(file, offset, f"repeated is {repeated!r}", "true, false or nothing", code="repeated")
    return Protocol(
        precinct,
        contest,
        district,
        _number(sequence, "sequence", file, offset),
        _time(established, file, offset),
        {
            field.id: _number(value, field.id, file, offset)
            for field, value in zip(law.fields, figures, strict=True)
            if value
        },
        _lists(rows, file, offset),
        _REPEATED[repeated],
    )


def _lists(rows: list[list[str]], file: str, offset: int) -> tuple[ListVotes, ...]:
    totals: dict[int, int] = {}
    candidates: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for _, _, list_, candidate, votes in rows:
        number, count = _number(list_, "list", file, offset), _number(votes, "votes", file, offset)
        place, into = (
            (_number(candidate, "candidate", file, offset), candidates[number])
            if candidate
            else (number, totals)
        )
        if place in into:
            what = f"candidate {candidate} of list {list_}" if candidate else f"list {list_}"
            raise ReadError(file, offset, f"{what} stands twice", "each once", code="votes-twice")
        into[place] = count
    for number in candidates:
        if number not in totals:
            raise ReadError(
                file,
                offset,
                f"candidates of list {number} without its total",
                "a row with an empty candidate",
                code="total",
            )
    return tuple(
        ListVotes(number, count, tuple(candidates[number].items()) if number in candidates else None)
        for number, count in totals.items()
    )


def _number(value: str, name: str, file: str, offset: int) -> int:
    if not (value.isdigit() and value.isascii() and len(value) <= 9):
        raise ReadError(
            file, offset, f"{name} is {value[:40]!r}", "a whole number of at most nine digits", code="number"
        )
    return int(value)


def _time(value: str, file: str, offset: int) -> datetime.datetime:
    expected = "a time with its zone such as 2030-10-05T14:00:00Z"
    if not _TIME.fullmatch(value):
        raise ReadError(file, offset, f"established is {value[:40]!r}", expected, code="stamp")
    try:
        return datetime.datetime.fromisoformat(value).astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        raise ReadError(
            file, offset, f"established is {value!r} ({error})", expected, code="stamp"
        ) from error
