"""From the bytes of a document to its dataclass: all that it says and nothing else, whatever its size, or a reason why not."""

import datetime
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from skrutinium import SchemaError, percent
from skrutinium.documents import notices, protocols_reading, reading, series_reading, streaming
from skrutinium.documents.registers_reading import read_index
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import Protocol
from skrutinium_server.rehearsal.made_up import (
    SMALL,
    made_up_definition,
    made_up_protocols,
    made_up_second_round,
)
from tests.release.publishing import Night, halves
from tests.sdk.written_again import shape_as_read, shape_of
from tests.tally import persons
from tests.tally.made import TIME, nights

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples/skrutinium/1.0"
READERS: dict[str, Callable[[bytes, str], Any]] = {
    "event-results": reading.read_event,
    "area-results": reading.read_area,
    "contest-results": reading.read_contest,
    "district-results": reading.read_district,
    "summary": reading.read_summary,
    "turnout": reading.read_turnout,
    "precinct-results": protocols_reading.read_precinct,
    "protocol-batch": protocols_reading.read_batch,
    "corrections": protocols_reading.read_corrections,
    "manifest": series_reading.read_manifest,
    "checkpoint": series_reading.read_checkpoint,
    "heartbeat": series_reading.read_heartbeat,
    "feed-state": series_reading.read_state,
    "error": series_reading.read_refusal,
    "notices": notices.read_notices,
    "status": notices.read_status,
    "registers": read_index,
}
VALID = {path.stem: path.read_bytes() for path in sorted((SAMPLES / "valid").glob("*.xml"))}
INVALID = {
    path.stem: path.read_bytes()
    for path in sorted((SAMPLES / "invalid").glob("*.xml"))
    if path.stem != "event--schema-other"  # a later minor version: not valid here, and read all the same
}
COUNCIL = VALID["contest-council"]
UNTOLD = {"notices": ("schema", "time"), "status": ("schema",)}
"""Attributes that no dataclass holds: nobody asks when notices were written."""


def name_of(data: bytes) -> str:
    """The name of the root."""
    found = re.search(rb"<([a-z-]+) ", data)
    assert found
    return found[1].decode()


def read(data: bytes, name: str | None = None) -> Any:
    """Read a document by the reader of its root."""
    return READERS[name or name_of(data)](data, "sample.xml")


@pytest.fixture(params=["as a tree", "by pieces"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of any size are read as small ones are, then as large ones are."""
    if request.param == "by pieces":
        monkeypatch.setattr(streaming, "WHOLE", 0)


# ------------------------------------------------------------------ all that it says
@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", sorted(VALID))
def test_what_is_read_is_all_that_the_document_says(name: str) -> None:
    """Written back, what was read of a sample is the sample: nothing lost, nothing changed, nothing added."""
    attributes, children, text = shape_as_read(read(VALID[name]))
    due, due_children, _ = shape_of(etree.fromstring(VALID[name]))
    assert attributes == {one: value for one, value in due.items() if one not in UNTOLD.get(name, ())}
    assert (children, text) == (due_children, "")


def check_all(run: Night, parts: list[Any]) -> None:
    """Every document of every release reads back as it was written."""
    run.cut()
    for part in parts:
        for protocol in part:
            run.take(protocol)
        for path, data in run.cut().items():
            assert shape_as_read(read(data)) == shape_of(etree.fromstring(data)), path


@given(night=nights(), cuts=st.lists(st.integers(0, 40), max_size=3), size=st.sampled_from((0, 2**20)))
def test_documents_of_councils_read_as_written(
    night: tuple[Definition, list[Protocol]], cuts: list[int], size: int
) -> None:
    """What the publisher writes of councils, in any order of protocols and corrections, is read without loss, large or small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "WHOLE", size)
        check_all(Night(night[0]), halves(night[1], cuts))


@given(night=persons.nights(), cuts=st.lists(st.integers(0, 40), max_size=3))
def test_documents_of_single_persons_read_as_written(
    night: tuple[Definition, list[Protocol]], cuts: list[int]
) -> None:
    """The same of contests of single persons, in both rounds."""
    check_all(Night(night[0], persons.SENATE), halves(night[1], cuts))


def made_up(which: str) -> Definition:
    """A made-up election: councils, or one of the rounds of the Senate."""
    if which == "councils":
        return made_up_definition(7, SMALL)
    first = made_up_definition(7, SMALL, persons.SENATE.id)
    return first if which == "first round" else made_up_second_round(first, 7)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("which", ["councils", "first round", "second round"])
def test_made_up_night_reads_as_written(which: str) -> None:
    """Every document of a made-up night, from its empty first release to its end with seats and rounds, is read without loss."""
    definition = made_up(which)
    law = load_law(definition.law)
    protocols = list(made_up_protocols(definition, 7, TIME, datetime.timedelta(hours=1), 5))
    run = Night(definition, law)
    check_all(run, [protocols[: len(protocols) // 2], protocols[len(protocols) // 2 :]])
    results = [read(data) for path, data in run.snapshot.items() if path.startswith("contest/")]
    rows = [row for contest in results for district in contest.districts for row in district.candidates]
    elected = [
        one
        for contest in results
        for district in contest.districts
        for list_ in district.lists
        for one in list_.candidates
        if one.elected
    ]
    assert bool(elected) == (which == "councils")
    assert any(row.runoff for row in rows) == (which == "first round")
    rounds = {district.first_round is not None for contest in results for district in contest.districts}
    assert rounds == {which == "second round"}


@given(night=nights(), cuts=st.lists(st.integers(0, 40), max_size=3))
def test_exact_shares_are_those_of_the_summary(
    night: tuple[Definition, list[Protocol]], cuts: list[int]
) -> None:
    """Shares computed from votes are what the summary tells, once rounded as it is; and there is none where it tells none."""
    run = Night(night[0])
    for part in halves(night[1], cuts):
        for protocol in part:
            run.take(protocol)
        run.cut()
        event, summary = read(run.snapshot["event.xml"]), read(run.snapshot["summary.xml"])
        for kind, told in zip(event.kinds, summary.kinds, strict=True):
            assert kind.id == told.id
            turnout = kind.count.turnout
            assert (turnout is None) == (told.turnout is None)
            assert turnout is None or percent(turnout) == percent(told.turnout)
            exact = sorted((kind.share(one) for one in kind.committees if one.votes), reverse=True)
            assert [percent(one.share) for one in told.leading if one.votes] == [
                percent(one) for one in exact[:5]
            ]
            assert sum(exact, Fraction(0)) in (0, 1)


# ------------------------------------------------------------------ or a reason why not
@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", sorted(INVALID))
def test_invalid_documents_are_refused(name: str) -> None:
    """Every invalid sample is refused by the reader of its kind, with the place that it came from."""
    data = INVALID[name]
    with pytest.raises(SchemaError) as caught:
        read(data)
    assert caught.value.address == "sample.xml"


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", ["contest-council", "batch", "heartbeat", "summary"])
def test_documents_cut_off_anywhere_are_refused(name: str) -> None:
    """A document that ends at any byte before its end is refused."""
    data = VALID[name].rstrip()
    for end in range(len(data)):
        with pytest.raises(SchemaError):
            read(data[:end], name_of(data))


BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
INCLUDE = b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'


def hostile() -> dict[str, bytes]:
    """Documents made to hurt whoever reads them."""
    head, _, rest = COUNCIL.partition(b"\n")
    return {
        "billion laughs": head + BOMB + rest.replace(b'name="Horn', b'name="&b;Horn', 1),
        "DOCTYPE after a comment": head + b"<!-- <a> -->" + BOMB + rest,
        "DOCTYPE in small letters": head + b"<!doctype a>" + rest,
        "external entity": head + b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + rest,
        "undeclared entity in a text": VALID["summary"].replace(b"<line>", b"<line>&b;", 1),
        "undeclared entity in a name": COUNCIL.replace(b'name="', b'name="&b;', 1),
        "XInclude": COUNCIL.replace(b"<count", INCLUDE + b"<count", 1),
        "other namespace": COUNCIL.replace(b"urn:skrutinium:1", b"urn:skrutinium:2"),
        "no namespace": COUNCIL.replace(b' xmlns="urn:skrutinium:1"', b"", 1),
        "mismatched tags": COUNCIL.replace(b"</count>", b"</district>", 1),
        "two roots": COUNCIL + COUNCIL.partition(b"\n")[2],
        "text after the root": COUNCIL + b"text",
        "half a comment after the root": COUNCIL + b"<!--",
        "UTF-16": COUNCIL.replace(b"UTF-8", b"UTF-16", 1).decode().encode("UTF-16"),
        "another encoding": COUNCIL.replace(b'encoding="UTF-8"', b'encoding="ISO-8859-2"', 1),
        "bytes that are no UTF-8": COUNCIL.replace(b'name="', b'name="\xff', 1),
        "a byte order mark": b"\xef\xbb\xbf" + COUNCIL,
        "NUL": COUNCIL.replace(b'name="', b'name="\0', 1),
        "nested without end": b'<contest-results xmlns="urn:skrutinium:1">' + b"<a>" * 100_000,
        "another document": VALID["event"],
        "nothing": b"",
        "text": b"not yet",
        "JSON": b'{"schema": "1.0"}',
    }


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", sorted(hostile()))
def test_hostile_documents_are_refused(name: str) -> None:
    """Entities, DOCTYPE, XInclude, other encodings, what is not well-formed: refused, whatever the size."""
    with pytest.raises(SchemaError):
        read(hostile()[name], "summary" if "text" in name and "entity" in name else "contest-results")


@pytest.mark.usefixtures("either_way")
def test_deep_prologue_is_looked_through_once() -> None:
    """A megabyte of white space, comments and instructions before the root takes no time that grows faster than it does."""
    for filling in (
        b" " * 10**6,
        b"<!-- -->" * 10**5,
        b"<?a b?>" * 10**5,
        b"<!--" * 10**5,
        b"<a b='" * 10**5,
    ):
        head, _, rest = COUNCIL.partition(b"\n")
        try:
            assert read(head + filling + rest, "contest-results").id
        except SchemaError:
            assert filling[:9] in (b"<!--<!--<", b"<a b='<a ")


# ------------------------------------------------------------------ a later minor version
def later(data: bytes) -> bytes:
    """A document of schema 1.1 with additions at the root, deep inside, and a new child of the root."""
    data = data.replace(b'schema="1.0"', b'schema="1.1" mood="good"', 1)
    data = data.replace(b"<figure ", b'<figure unit="voters" ', 1)
    return data.replace(
        b"<district ", b'<forecast by="nobody"><figure field="a" value="1"/></forecast><district ', 1
    )


@pytest.mark.usefixtures("either_way")
def test_additions_of_a_later_version_are_passed_over_and_named() -> None:
    """A document of schema 1.1 says what one of 1.0 says, and names what was passed over, each once."""
    known, told = read(COUNCIL), read(later(COUNCIL))
    assert set(told.additions) == {"@mood", "count/figure/@unit", "forecast"}
    assert (told.schema, known.additions) == ("1.1", ())
    assert (told.districts, told.count, told.name) == (known.districts, known.count, known.name)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", sorted(one for one in VALID if b'schema="1.0"' in VALID[one]))
def test_later_version_without_additions_names_none(name: str) -> None:
    """The vocabulary of the schema is whole: no valid sample holds anything that would be told to be an addition."""
    told = read(VALID[name].replace(b'schema="1.0"', b'schema="1.7"', 1))
    found = told.notices.additions if name == "status" else told.additions
    assert found == ()


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("version", ["2.0", "1.00", "1.x", "", "0.9", "1.1 ", "11.1"])
def test_other_versions_are_refused(version: str) -> None:
    """Only later minor versions of this schema are read without it."""
    with pytest.raises(SchemaError):
        read(COUNCIL.replace(b'schema="1.0"', f'schema="{version}"'.encode(), 1))


@pytest.mark.usefixtures("either_way")
def test_later_version_in_a_comment_counts_for_nothing() -> None:
    """Whoever writes a later version elsewhere than at the root does not get around validation."""
    trick = COUNCIL.replace(
        b"<contest-results", b'<!-- <contest-results schema="1.1"> -->\n<contest-results', 1
    )
    assert read(trick) == read(COUNCIL)
    with pytest.raises(SchemaError):
        read(trick.replace(b'state="complete"', b'state="almost"', 1))


@given(st.fractions(0, 1), st.integers(0, 6))
def test_percent_is_the_nearest_decimal(share: Fraction, places: int) -> None:
    """A share in percent is written to its places, never further off than half of the last one, halves up."""
    off = Fraction(percent(share, places)) - share * 100
    half = Fraction(1, 2 * 10**places)
    assert -half < off <= half
