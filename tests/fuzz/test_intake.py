"""Whatever bytes are brought to the door: they are read as they stand or refused with a ReadError, in little time and memory."""

import asyncio
import csv
import datetime
import resource
import struct
import subprocess
import sys
from functools import cache
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.election.law import load_law
from skrutinium_server.intake.errors import ReadError
from skrutinium_server.intake.formats import csv_set, volby_batches
from skrutinium_server.intake.model import Protocol, Received, TakenOver
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.process import frames
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_protocols
from tests.fuzz.mutating import NASTY, mutated

LAW = load_law("cz-municipal-2018")
START = datetime.datetime(2030, 10, 5, 12, tzinfo=datetime.UTC)
ATTRIBUTES = {field.id: field.volby for field in LAW.fields if field.volby is not None}
PROLOGS = (
    b"",
    b'<?xml version="1.0" encoding="ISO-8859-2"?>\r\n',
    b'<?xml version="1.0" encoding="windows-1250"?>\r\n',
    b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<!-- made up -->\n',
)


@cache
def night() -> tuple[Protocol, ...]:
    """The protocols of a small made-up night."""
    definition = made_up_definition(3, SMALL)
    return tuple(made_up_protocols(definition, 3, START, datetime.timedelta(hours=8)))[:9]


def record(protocol: Protocol) -> str:
    """A protocol as the Czech feed would write it."""
    area, precinct = protocol.precinct.split("-")
    contest, district = protocol.district.split(".")
    stamp = protocol.established.strftime("%Y-%m-%dT%H:%M:%S")
    figures = " ".join(f'{ATTRIBUTES[name]}="{value}"' for name, value in protocol.figures.items())
    votes = "".join(
        f'<HLASY_OKRSEK POR_STR_HLAS_LIST="{row.number}" HLASY="{row.votes}"/>\r\n' for row in protocol.lists
    )
    return (
        f'<OKRSEK CIS_OBEC="{area}" CIS_OKRSEK="{precinct}" KODZASTUP="{contest}" CIS_OBVODU="{district}" OZNAC_TYPU="OBEC" '
        f'PORADI_ZPRAC="{protocol.sequence}" DATUM_CAS_ZPRAC="{stamp}" OPAKOVANE="0">\r\n<UCAST_OKRSEK {figures}/>\r\n{votes}</OKRSEK>\r\n'
    )


@cache
def batches() -> tuple[bytes, ...]:
    """Whole batches of three protocols each, in every encoding and with every beginning."""
    made = []
    for place, prolog in enumerate(PROLOGS):
        rows = night()[3 * (place % 3) :][:3]
        made.append(
            prolog
            + (
                f'<VYSLEDKY_OKRSKY xmlns="http://www.volby.cz/kv/" DATUM_CAS_GENEROVANI="2030-10-05T14:34:00">\r\n'
                f'<DAVKA DATUMVOLEB="20301004" PORADI_DAVKY="1" OKRSKY_DAVKA="{len(rows)}" OKRSKY_CELKEM="9" OKRSKY_ZPRAC="2"/>\r\n'
                f"{''.join(map(record, rows))}</VYSLEDKY_OKRSKY>\r\n"
            ).encode("ascii")
        )
    return tuple(made)


Facts = tuple[str, str, str, int, bool, dict[str, int], list[tuple[int, int]]]


def told(element: ElementTree.Element) -> Facts:
    """What one element says, read by expat and from nothing but its attributes; a namespace is read over."""
    own = element.attrib
    area, contest = own["CIS_OBEC"], own["KODZASTUP"]
    children = list(element)
    figures = children[0].attrib
    return (
        f"{area}-{int(own['CIS_OKRSEK'])}",
        contest,
        f"{contest}.{int(own['CIS_OBVODU'])}",
        int(own["PORADI_ZPRAC"]),
        own["OPAKOVANE"] in ("1", "true"),
        {id: int(figures[name]) for id, name in ATTRIBUTES.items() if name in figures},
        [(int(child.attrib["POR_STR_HLAS_LIST"]), int(child.attrib["HLASY"])) for child in children[1:]],
    )


def facts(protocol: Protocol) -> Facts:
    """The same of a protocol that was accepted."""
    assert all(row.candidates is None for row in protocol.lists)
    votes = [(row.number, row.votes) for row in protocol.lists]
    return (
        protocol.precinct,
        protocol.contest,
        protocol.district,
        protocol.sequence,
        protocol.repeated,
        dict(protocol.figures),
        votes,
    )


def agrees(received: Received, batch: bytes) -> None:
    """The bytes taken over stand in the batch where they are said to, and say what was accepted, read in two ways."""
    taken_over = received.taken_over
    assert batch[taken_over.offset :].startswith(taken_over.data)
    assert facts(received.protocol) == told(
        ElementTree.fromstring(taken_over.data.decode(taken_over.encoding))
    )
    assert read_protocol(taken_over, LAW) == received.protocol


@given(st.deferred(lambda: mutated(batches())))
def test_mutated_batch_is_read_as_it_stands_or_refused(data: bytes) -> None:
    """A damaged batch is refused whole, or each record equals what expat reads of its slice and of the whole batch."""
    try:
        batch = volby_batches.read_batch(data, "1.xml", LAW)
    except ReadError:
        return
    if isinstance(batch, volby_batches.Batch):
        for received in batch.records:
            agrees(received, data)
        records = ElementTree.fromstring(data).findall("{*}OKRSEK")
        assert [facts(received.protocol) for received in batch.records] == [told(one) for one in records]


@given(
    st.deferred(lambda: mutated([record(row).strip().encode() for row in night()], 3)),
    st.sampled_from((*volby_batches.ENCODINGS, "UTF-16", "idna", "rot13", "", "\0")),
)
def test_mutated_record_is_read_as_it_stands_or_refused(data: bytes, encoding: str) -> None:
    """A damaged slice on its own is refused, or says what expat reads."""
    try:
        protocol = volby_batches.parse_record(data, encoding, LAW)
    except ReadError:
        return
    assert facts(protocol) == told(ElementTree.fromstring(data.decode(encoding).strip()))


@cache
def tables() -> dict[str, bytes]:
    """The CSV set of a few protocols."""
    return csv_set.write_set(night()[:3], LAW)


@given(
    st.deferred(
        lambda: st.tuples(
            mutated([tables()[csv_set.PROTOCOLS]]), mutated([tables()[csv_set.VOTES]]), st.integers(0, 2)
        )
    )
)
def test_mutated_csv_set_is_read_as_it_stands_or_refused(drawn: tuple[bytes, bytes, int]) -> None:
    """A damaged set is refused whole, or its protocols add up to its lines and can each be read alone."""
    protocols, votes, which = drawn
    good = tables()
    given_ = {
        csv_set.PROTOCOLS: good[csv_set.PROTOCOLS] if which == 1 else protocols,
        csv_set.VOTES: good[csv_set.VOTES] if which == 2 else votes,
    }
    try:
        received = csv_set.read_set(given_, LAW)
    except ReadError:
        return
    for one in received:
        assert read_protocol(one.taken_over, LAW) == one.protocol
        start = given_[csv_set.PROTOCOLS][one.taken_over.offset :]
        assert start.startswith(one.taken_over.data.split(b"\n")[0])
    lines = list(csv.reader(given_[csv_set.VOTES].decode("utf-8-sig").split("\n")[1:]))
    rows = [(row.number, "", row.votes) for one in received for row in one.protocol.lists]
    rows += [
        (row.number, str(n), v)
        for one in received
        for row in one.protocol.lists
        for n, v in row.candidates or ()
    ]
    theirs = [(int(row[2]), str(int(row[3])) if row[3] else "", int(row[4].strip())) for row in lines if row]
    assert sorted(rows) == sorted(theirs)
    again = csv_set.read_set(csv_set.write_set([one.protocol for one in received], LAW), LAW)
    assert [one.protocol for one in again] == [one.protocol for one in received]


@given(
    st.deferred(
        lambda: mutated(
            [
                b"\n".join(
                    (tables()["protocols.csv"].split(b"\n")[1], *tables()["votes.csv"].split(b"\n")[1:3])
                )
            ],
            3,
        )
    )
)
def test_mutated_csv_record_is_read_or_refused(data: bytes) -> None:
    """A damaged stretch of lines is a protocol or a ReadError."""
    taken_over = TakenOver(data, "csv", "UTF-8", "protocols.csv", "0" * 64, 0)
    try:
        protocol = read_protocol(taken_over, LAW)
    except ReadError:
        return
    assert protocol.precinct.encode() == data.split(b",")[0]


MESSAGE = {
    "do": "take",
    "run": "night",
    "records": [{"data": b"a" * 300, "offset": 3}],
    "now": None,
    "speed": 60,
}


def framed(data: bytes) -> bytes:
    """Bytes as one frame."""
    return struct.pack(">I", len(data)) + data


async def received(data: bytes) -> list[Any]:
    """All messages of a stream that ends."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    messages = []
    while (message := await frames.receive(reader)) is not None:
        messages.append(message)
    return messages


PACKED = msgspec.msgpack.encode(MESSAGE)


@given(
    mutated([framed(PACKED), framed(PACKED) * 2])
    | mutated([PACKED]).map(framed)
    | st.binary(max_size=40).map(framed)
)
def test_mutated_frames_are_maps_or_refused(data: bytes) -> None:
    """A damaged frame is a map with text keys or a ValueError."""
    try:
        messages = asyncio.run(received(data))
    except ValueError:
        return
    for message in messages:
        assert isinstance(message, dict)
        assert all(isinstance(key, str) for key in message)


@pytest.mark.parametrize("nested", [b"\x91", b"\x81\xa1a"])
def test_deep_frame_is_refused(nested: bytes) -> None:
    """Lists and maps nested without end are a ValueError, not the end of the interpreter's stack."""
    with pytest.raises(ValueError, match="msgpack"):
        asyncio.run(received(framed(b"\x81\xa1a" + nested * 100_000 + b"\x01")))


HEAD = b'<VYSLEDKY_OKRSKY xmlns="http://www.volby.cz/kv/" DATUM_CAS_GENEROVANI="2030-10-05T14:34:00">'
DAVKA = b'<DAVKA DATUMVOLEB="20301004" PORADI_DAVKY="1" OKRSKY_DAVKA="0" OKRSKY_CELKEM="9" OKRSKY_ZPRAC="2"/>'
END = b"</VYSLEDKY_OKRSKY>"
LAUGHS = b"".join(b'<!ENTITY a%d "%s">' % (n + 1, b"&a%d;" % n * 10) for n in range(12))
BOMBS = {
    "laughs": b'<!DOCTYPE a [<!ENTITY a0 "ha">' + LAUGHS + b"]>" + HEAD + b"&a12;" + END,
    "laughs in the declaration": b'<?xml version="1.0"?><!DOCTYPE a [' + LAUGHS + b"]><a>&a9;</a>",
    "file": b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + HEAD + b"&a;" + END,
    "deep": HEAD + b"<a>" * 2**20 + b"</a>" * 2**20 + END,
    "blanks before": b" " * 2**20 + b"x",
    "blanks in between": HEAD + DAVKA + b" " * (15 * 2**20) + END,
    "comments before": b"<!-- a -->" * 2**20,
    "comment without end": b"<!--" + b"- " * 2**20,
    "records without end": HEAD + DAVKA + b"<OKRSEK/>" * 2**20 + END,
    "records in records": HEAD + DAVKA + b"<OKRSEK>" * 100 + b"</OKRSEK>" * 100 + b"<OKRSEK/>" * 2**20 + END,
    "records in the heading": HEAD
    + DAVKA[:-2]
    + b">"
    + b"<OKRSEK></OKRSEK>" * 2**18
    + b"</DAVKA>"
    + b"<OKRSEK/>" * 2**18
    + END,
    "starts only": HEAD + b"<OKRSEK " * 2**20,
    "attributes": HEAD[:-1] + b"".join(b' a%d="b"' % n for n in range(2**20)) + b">" + DAVKA + END,
    "namespaces": HEAD[:-1] + b"".join(b' xmlns:a%d="b"' % n for n in range(2**16)) + b">" + DAVKA + END,
    "one attribute": HEAD[:-1] + b' a="' + b"b" * (15 * 2**20) + b'">' + DAVKA + END,
    "too large": b" " * (17 * 2**20),
}
HARMLESS = {"namespaces"}
"""Odd, but a batch without records all the same."""
READ = """
import resource, sys
from skrutinium_server.election.law import load_law
from skrutinium_server.intake.errors import ReadError
from skrutinium_server.intake.formats.volby_batches import read_batch
law = load_law("cz-municipal-2018")
try:
    read_batch(sys.stdin.buffer.read(), "1.xml", law)
except ReadError as error:
    print("refused", error.code, len(str(error)) < 2_000)
else:
    print("read", True)
"""


def limited() -> None:
    """No more than 2 GiB, and 20 seconds of work."""
    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_costs_little_time_and_memory(name: str) -> None:
    """What is made to be read for hours or into all memory is done with within narrow limits, refused or harmless."""
    done = subprocess.run(
        [sys.executable, "-c", READ], input=BOMBS[name], capture_output=True, preexec_fn=limited, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(b"read" if name in HARMLESS else b"refused"), done.stdout
    assert done.stdout.endswith(b"True\n"), done.stdout


def test_nasty_fragments_are_what_they_should_be() -> None:
    """The samples that are mutated are themselves accepted, so that a mutation has something to break."""
    for data in batches():
        batch = volby_batches.read_batch(data, "1.xml", LAW)
        assert isinstance(batch, volby_batches.Batch)
        assert len(batch.records) == 3
        for one in batch.records:
            agrees(one, data)
    assert len(csv_set.read_set(tables(), LAW)) == 3
    assert asyncio.run(received(framed(PACKED))) == [MESSAGE]
    assert len(set(NASTY)) == len(NASTY)
