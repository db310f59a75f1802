"""Our own CSV set of protocols: round trip, bytes taken over, strict reading."""

import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.intake.door import admit
from skrutinium_server.intake.errors import IntakeError, ReadError
from skrutinium_server.intake.formats.csv_set import FORMAT, parse_record, read_set, write_set
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.intake.reading import FORMATS, read_path, read_protocol
from tests.intake.made import INDEX, LAW, ORIGIN, WHOLE, read

RECORDS = [record.protocol for record in read(WHOLE).records]
SET = write_set(RECORDS, LAW)
NUMBER = st.integers(0, 999_999_999)
IDENTIFIER = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,8}", fullmatch=True)
CANDIDATES = st.dictionaries(NUMBER, NUMBER, min_size=1, max_size=3).map(lambda rows: tuple(rows.items()))
LISTS = st.lists(
    st.builds(ListVotes, NUMBER, NUMBER, st.none() | CANDIDATES),
    max_size=4,
    unique_by=lambda votes: votes.number,
).map(tuple)
PROTOCOL = st.builds(
    Protocol,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    NUMBER,
    st.datetimes(timezones=st.just(datetime.UTC), min_value=datetime.datetime(1990, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    st.dictionaries(st.sampled_from([field.id for field in LAW.fields]), NUMBER),
    LISTS,
    st.booleans(),
)


@given(
    protocols=st.lists(PROTOCOL, max_size=4, unique_by=lambda protocol: (protocol.precinct, protocol.contest))
)
def test_set_reads_back_as_written(protocols: list[Protocol]) -> None:
    """Any protocols come back the same from the files, and each from its own bytes alone."""
    received = read_set(write_set(protocols, LAW), LAW)
    assert [record.protocol for record in received] == protocols
    for record in received:
        assert parse_record(record.taken_over.data, LAW) == record.protocol


def test_bytes_taken_over_are_the_lines() -> None:
    """The bytes are the protocol's line and its lines of votes, without line ends, joined by LF; the offset is the line's."""
    tables = {name: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n") for name, data in SET.items()}
    first = read_set(tables, LAW)[0].taken_over
    assert first.data == (
        b"500011-1,500011,500011.1,1,2030-10-05T12:31:34Z,false,100,50,49,300\n500011-1,500011,1,,200\n500011-1,500011,2,,100"
    )
    assert tables["protocols.csv"][first.offset :].startswith(first.data.split(b"\n")[0])
    assert (first.data, first.format) == (read_set(SET, LAW)[0].taken_over.data, FORMAT)


def test_folder_goes_through_the_door(tmp_path: Path) -> None:
    """A folder of both formats' files reads as the same protocols, and they are admitted."""
    for name, data in SET.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "1.xml").write_bytes(WHOLE)
    for form in FORMATS:
        received = read_path(form, tmp_path, LAW, INDEX)
        assert [record.protocol for record in received] == RECORDS
        for record in received:
            assert read_protocol(record.taken_over, LAW) == record.protocol
            assert (
                admit(record.protocol, record.taken_over, ORIGIN, INDEX, LAW).taken_over == record.taken_over
            )
    fax = msgspec.structs.replace(read_set(SET, LAW)[0].taken_over, format="fax")
    with pytest.raises(ReadError, match="fax"):
        read_protocol(fax, LAW)
    (tmp_path / "votes.csv").unlink()
    with pytest.raises(ReadError, match="no such file"):
        read_path("csv", tmp_path, LAW, INDEX)


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("protocols.csv", "precinct,", "okrsek,", "header"),
        ("protocols.csv", "eligible,issued", "issued,eligible", "header"),
        ("protocols.csv", "500011-1,", "500011-1,,", "values"),
        ("protocols.csv", "500011-1", "500011 1", "identifier"),
        ("protocols.csv", "500011-1", '"500011-1"', "quotes"),
        ("protocols.csv", "500011-1", "500011-ž", "encoding"),
        ("protocols.csv", "500011-1,500011,", "500012-7,500012,", "protocol-twice"),
        ("protocols.csv", ",100,50,", ",-100,50,", "number"),
        ("protocols.csv", ",100,50,", ",1e9,50,", "number"),
        ("protocols.csv", ",100,50,", f",{'9' * 5000},50,", "number"),
        ("protocols.csv", ",false,", ",no,", "repeated"),
        ("protocols.csv", "12:31:34Z", "12:31:34", "stamp"),
        ("protocols.csv", "12:31:34Z", "12:61:34Z", "stamp"),
        ("votes.csv", "500011-1,500011,2,,100", "500011-9,500011,2,,100", "votes-alone"),
        ("votes.csv", "500011,2,,100", "500011,1,,100", "votes-twice"),
        ("votes.csv", "500011,2,,100", "500011,2,1,100", "total"),
        ("votes.csv", "500011,2,,100", "500011,2,,", "number"),
        ("votes.csv", "500011,2,,100", "500011,2,100", "values"),
    ],
)
def test_broken_set_is_refused(file: str, old: str, new: str, code: str) -> None:
    """Any fault refuses the whole set and names file and byte."""
    broken = SET[file].decode().replace(old, new, 1).encode()
    assert broken != SET[file]
    with pytest.raises(ReadError) as caught:
        read_set({**SET, file: broken}, LAW)
    assert caught.value.code == code


def test_empty_file_is_refused() -> None:
    """A file without its header line is no table."""
    with pytest.raises(ReadError, match="no header line"):
        read_set({**SET, "votes.csv": b""}, LAW)


@given(data=st.binary(max_size=200) | st.text("0123456789,.-\n", max_size=200).map(str.encode))
def test_any_bytes_as_a_record_are_refused(data: bytes) -> None:
    """Whatever is given as one record, nothing but a ReadError comes of it."""
    with pytest.raises(ReadError):
        parse_record(data, LAW)


def test_votes_of_another_precinct_are_refused_in_a_record() -> None:
    """The lines of a record belong together."""
    data = read_set(SET, LAW)[0].taken_over.data
    with pytest.raises(ReadError, match="another precinct"):
        parse_record(data.replace(b"\n500011-1", b"\n500011-2", 1), LAW)


def test_set_holds_one_protocol_of_a_precinct_and_contest() -> None:
    """Two versions, or figures that the law lacks, cannot be written and are told."""
    for protocols in ([RECORDS[0]] * 2, [msgspec.structs.replace(RECORDS[0], figures={"other": 1})]):
        with pytest.raises(IntakeError):
            write_set(protocols, LAW)


def test_folder_of_sets_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """Protocols that were sent twice stand in two sets; a folder that is a set itself is read alone."""
    again = [msgspec.structs.replace(record, sequence=record.sequence + 900) for record in RECORDS]
    for name, records in (("02", again), ("01", RECORDS)):
        (tmp_path / name).mkdir()
        for file, data in write_set(records, LAW).items():
            (tmp_path / name / file).write_bytes(data)
    found = [one.protocol for one in read_path("csv", tmp_path, LAW, INDEX)]
    assert found == [*RECORDS, *again]
    for file, data in write_set(RECORDS[:1], LAW).items():
        (tmp_path / file).write_bytes(data)
    assert [one.protocol for one in read_path("csv", tmp_path, LAW, INDEX)] == RECORDS[:1]
    (tmp_path / "votes.csv").unlink()
    with pytest.raises(ReadError, match="there is no such file"):
        read_path("csv", tmp_path, LAW, INDEX)
