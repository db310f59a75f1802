"""Czech batches: exact slices, strict reading, clear refusals."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.intake.errors import ReadError
from skrutinium_server.intake.formats.volby_batches import (
    Batch,
    Unavailable,
    parse_record,
    read_batch,
    read_folder,
)
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.intake.reading import read_protocol
from tests.intake.made import LAW, RECORDS, WHOLE, batch_bytes, read

FIRST, SECOND = RECORDS
UTC = datetime.UTC


def test_batch_tells_protocols_and_itself() -> None:
    """Head and records come out as whole numbers, UTC times and identifiers; an absent figure is unknown, not zero."""
    batch = read(WHOLE)
    assert (batch.date, batch.number, batch.announced, batch.expected, batch.processed) == (
        datetime.date(2030, 10, 4),
        1,
        2,
        9,
        2,
    )
    assert batch.stamp == datetime.datetime(2030, 10, 5, 12, 34, tzinfo=UTC)
    assert [record.protocol for record in batch.records] == [
        Protocol(
            "500011-1",
            "500011",
            "500011.1",
            1,
            datetime.datetime(2030, 10, 5, 12, 31, 34, tzinfo=UTC),
            {"eligible": 100, "issued": 50, "returned": 49, "valid-votes": 300},
            (ListVotes(1, 200), ListVotes(2, 100)),
        ),
        Protocol(
            "500012-7",
            "500012",
            "500012.2",
            2,
            datetime.datetime(2030, 10, 5, 12, 32, tzinfo=UTC),
            {"eligible": 10, "issued": 5, "valid-votes": 0},
            (),
            repeated=True,
        ),
    ]


def test_bytes_taken_over_are_the_slice() -> None:
    """The bytes of each record stand at its offset in the batch, and tell the same protocol alone."""
    batch = read(WHOLE)
    assert [record.taken_over.data.decode() for record in batch.records] == list(RECORDS)
    for record in batch.records:
        taken_over = record.taken_over
        assert WHOLE[taken_over.offset :].startswith(taken_over.data)
        assert (taken_over.encoding, taken_over.source_sha256) == ("ISO-8859-2", batch.sha256)
        assert read_protocol(taken_over, LAW) == record.protocol


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ("", "UTF-8"),
        ("\n", "UTF-8"),
        ('<?xml version="1.0" encoding="utf-8"?>\n', "UTF-8"),
        ('<?xml version="1.0" encoding="UTF-8"?>\n<!-- TEST: made up -->\n', "UTF-8"),
        ("<?xml version='1.0' encoding='windows-1250'?>", "WINDOWS-1250"),
    ],
)
def test_declared_encodings_are_read(declaration: str, encoding: str) -> None:
    """The declaration tells the encoding, UTF-8 without one; comments before the root are read over."""
    batch = read(batch_bytes(FIRST, declaration=declaration))
    assert [record.taken_over.encoding for record in batch.records] == [encoding]


def test_byte_order_mark_is_read_over() -> None:
    """Offsets count from the first byte of the file, mark included."""
    data = b"\xef\xbb\xbf" + batch_bytes(FIRST, declaration='<?xml version="1.0" encoding="UTF-8"?>')
    (record,) = read(data).records
    assert data[record.taken_over.offset :].startswith(record.taken_over.data)


def test_batch_without_records_is_a_batch() -> None:
    """A batch may announce records and hold none, as the first one of a real night did."""
    assert read(batch_bytes(count=572)).records == ()


def test_error_document_is_no_batch() -> None:
    """An error of the source is told as such, with its code."""
    data = b'<VYSLEDKY_OKRSKY xmlns="http://www.volby.cz/kv/" DATUM_CAS_GENEROVANI="2030-10-03T16:35:00"><CHYBA KOD_CHYBY="10"/></VYSLEDKY_OKRSKY>'
    assert read_batch(data, "1.xml", LAW) == Unavailable("1.xml", "10")


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2030-07-01T12:00:00", datetime.datetime(2030, 7, 1, 10, tzinfo=UTC)),
        ("2030-01-01T00:30:00", datetime.datetime(2029, 12, 31, 23, 30, tzinfo=UTC)),
        ("2030-10-27T02:30:00", datetime.datetime(2030, 10, 27, 0, 30, tzinfo=UTC)),
    ],
)
def test_stamps_are_local_time(stamp: str, moment: datetime.datetime) -> None:
    """Stamps are Prague time in summer and in winter; of the hour that comes twice it is the first one."""
    record = FIRST.replace("2030-10-05T14:31:34", stamp).encode()
    assert parse_record(record, "UTF-8", LAW).established == moment


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('PLATNE_HLASY="300"', "", "attribute-missing"),
        ('ZAPSANI_VOLICI="100"', "", "attribute-missing"),
        ('POR_STR_HLAS_LIST="2"', "", "attribute-missing"),
        (' CIS_OKRSEK="1"', "", "attribute-missing"),
        (' CIS_OKRSEK="1"', ' CIS_OKRSEK="1" CIS_OKRSEK="2"', "not-well-formed"),
        (' CIS_OKRSEK="1"', ' CIS_OKRSEK="1" CIS_OKRSKU="2"', "attribute-unknown"),
        ('VYDANE_OBALKY="50"', 'VYDANE_OBALKY="50" VYDANE="50"', "attribute-unknown"),
        ('HLASY="200"', 'HLASY="200" PROC="1"', "attribute-unknown"),
        ('PLATNE_HLASY="300"', 'PLATNE_HLASY="-300"', "number"),
        ('PLATNE_HLASY="300"', 'PLATNE_HLASY="3e2"', "number"),
        ('PLATNE_HLASY="300"', 'PLATNE_HLASY="300.0"', "number"),
        ('PLATNE_HLASY="300"', 'PLATNE_HLASY=""', "number"),
        ('PLATNE_HLASY="300"', 'PLATNE_HLASY="&#1635;00"', "number"),
        ('HLASY="200"', f'HLASY="{"9" * 5000}"', "number"),
        ('CIS_OBEC="500011"', 'CIS_OBEC="../etc"', "code"),
        ('POR_STR_HLAS_LIST="2"', 'POR_STR_HLAS_LIST="1"', "list-twice"),
        ('OPAKOVANE="0"', 'OPAKOVANE="2"', "protocol-source"),
        ('OZNAC_TYPU="OBEC"', 'OZNAC_TYPU="KRAJ"', "protocol-source"),
        ("2030-10-05T14:31:34", "2030-10-05T14:31:34Z", "stamp"),
        ("2030-10-05T14:31:34", "2030-13-05T14:31:34", "stamp"),
        ("2030-10-05T14:31:34", "2030-03-31T02:30:00", "stamp"),
        ("2030-10-05T14:31:34", "0001-01-01T00:00:00", "stamp"),
        ('HLASY="200"/>', 'HLASY="200">5</HLASY_OKRSEK>', "protocol-source"),
        ('HLASY="200"/>', 'HLASY="200"/>200', "protocol-source"),
        ('HLASY="200"/>', 'HLASY="200"><X/></HLASY_OKRSEK>', "protocol-source"),
        ('HLASY="200"/>', 'HLASY="200"/><X/>', "protocol-source"),
        ('HLASY="200"/>', 'HLASY="200"/><!-- seen -->', "markup"),
        ('HLASY="200"/>', 'HLASY="200"/><![CDATA[ ]]>', "markup"),
        ('HLASY="200"/>', 'HLASY="200"/><?seen?>', "markup"),
        ('HLASY="200"', 'HLASY="&votes;"', "not-well-formed"),
        ("<OKRSEK ", "<OKRSEK/><OKRSEK ", "slices"),
        ("<OKRSEK ", '<v:OKRSEK xmlns:v="http://www.volby.cz/kv/"/><OKRSEK ', "slices"),
    ],
)
def test_broken_record_is_refused_with_its_place(old: str, new: str, code: str) -> None:
    """What is missing, doubled, unknown, no number or out of place refuses the batch and says from which byte."""
    data = batch_bytes(SECOND, FIRST.replace(old, new, 1))
    with pytest.raises(ReadError) as caught:
        read_batch(data, "1.xml", LAW)
    assert caught.value.code == code
    assert "1.xml, from byte" in str(caught.value)
    assert "expected" in str(caught.value)


BOMB = '<!DOCTYPE VYSLEDKY_OKRSKY [<!ENTITY a "1"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-xml"),
        (b"HTTP/1.1 500 Internal Server Error", "not-xml"),
        (WHOLE.decode().encode("utf-16"), "not-xml"),
        (batch_bytes(FIRST, declaration=BOMB), "doctype"),
        (
            batch_bytes(FIRST, declaration='<!DOCTYPE VYSLEDKY_OKRSKY SYSTEM "file:///etc/hostname">'),
            "doctype",
        ),
        (batch_bytes(FIRST, declaration='<?xml version="1.0" encoding="UTF-7"?>'), "encoding"),
        (
            batch_bytes(FIRST, declaration='<?xml version="1.0" encoding="UTF-8"?>').replace(
                b"OBEC=", b"OB\xe1C="
            ),
            "not-well-formed",
        ),
        (WHOLE.replace(b"VYSLEDKY_OKRSKY", b"VYSLEDKY"), "root"),
        (WHOLE.replace(b"volby.cz/kv", b"volby.cz/ps"), "root"),
        (WHOLE.replace(b"<DAVKA", b"<CHYBA/><DAVKA"), "protocol-source"),
        (WHOLE.replace(b'DATUMVOLEB="20301004"', b'DATUMVOLEB="2030-W01"'), "protocol-source"),
        (WHOLE.replace(b'DATUMVOLEB="20301004"', b""), "attribute-missing"),
        (batch_bytes(FIRST, count=2), "count"),
        (b" " * (16 * 2**20 + 1), "too-large"),
    ],
)
def test_broken_batch_is_refused(data: bytes, code: str) -> None:
    """Other things than a whole batch of this format in a known encoding are refused before anything is read of them."""
    with pytest.raises(ReadError) as caught:
        read_batch(data, "1.xml", LAW)
    assert caught.value.code == code


@given(end=st.integers(0, len(WHOLE.rstrip()) - 1))
def test_truncated_batch_is_refused(end: int) -> None:
    """A batch that ends too early at any byte is refused."""
    with pytest.raises(ReadError):
        read_batch(WHOLE[:end], "1.xml", LAW)


@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_altered_batch_is_read_from_its_bytes_or_refused(place: int, byte: int) -> None:
    """One byte changed anywhere: a clear refusal, or protocols that their own bytes tell; nothing else is ever raised."""
    data = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]
    try:
        batch = read_batch(data, "1.xml", LAW)
    except ReadError:
        return
    assert isinstance(batch, Batch)
    for record in batch.records:
        taken_over = record.taken_over
        assert data[taken_over.offset :].startswith(taken_over.data)
        assert parse_record(taken_over.data, taken_over.encoding, LAW) == record.protocol


@given(data=st.binary(max_size=300))
def test_any_bytes_as_a_record_are_refused_or_read(data: bytes) -> None:
    """Whatever is given as one record, nothing but a ReadError comes of it."""
    with pytest.raises(ReadError):
        parse_record(data, "ISO-8859-2", LAW)


def test_unknown_encoding_of_a_record_is_refused() -> None:
    """The encoding told beside the bytes is checked too."""
    with pytest.raises(ReadError) as caught:
        parse_record(FIRST.encode(), "EBCDIC", LAW)
    assert caught.value.code == "encoding"


def test_folder_is_read_by_number(tmp_path: Path) -> None:
    """Files come in the order of the number in their name; one file stands for itself; an empty folder is an error."""
    with pytest.raises(ReadError):
        list(read_folder(tmp_path, LAW))
    for name in ("10.xml", "9.xml", "vysledky_okrsky_00011.xml"):
        (tmp_path / name).write_bytes(WHOLE)
    assert [batch.source for batch in read_folder(tmp_path, LAW)] == [
        "9.xml",
        "10.xml",
        "vysledky_okrsky_00011.xml",
    ]
    assert [batch.source for batch in read_folder(tmp_path / "9.xml", LAW)] == ["9.xml"]
