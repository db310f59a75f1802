"""What always holds for the documents of the format skrutinium, over made-up nights."""

import base64
import hashlib
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import Protocol
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA
from skrutinium_server.release.validate import Validator
from tests.release.publishing import Documents, Night, halves, unstamped
from tests.tally.made import nights

CUTS = st.lists(st.integers(0, 40), max_size=4)
NAMESPACE = {"s": "urn:skrutinium:1"}


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def validate(validator: Validator, documents: Documents) -> None:
    for path, data in documents.items():
        validator.validate(path, data, SCHEMA)


@given(night=nights(), cuts=CUTS)
def test_every_document_is_valid(
    validator: Validator, night: tuple[Definition, list[Protocol]], cuts: list[int]
) -> None:
    """Every document of every release of a night is valid, starts with one declaration and ends with one newline."""
    definition, protocols = night
    run = Night(definition)
    validate(validator, run.cut())
    for part in halves(protocols, cuts):
        for protocol in part:
            run.take(protocol)
        written = run.cut()
        validate(validator, written)
        for data in written.values():
            assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<')
            assert data.endswith(b">\n")
            assert b"\r" not in data
            assert data.count(b"<?xml") == 1


@given(night=nights(), cuts=CUTS)
def test_changes_add_up_to_the_snapshot(night: tuple[Definition, list[Protocol]], cuts: list[int]) -> None:
    """Releases 1…n applied by path are what a full write at n makes, apart from the stamp of what did not change."""
    definition, protocols = night
    run = Night(definition)
    run.cut()
    for part in halves(protocols, cuts):
        for protocol in part:
            run.take(protocol)
        run.cut()

        assert unstamped(run.snapshot) == unstamped(run.whole())


@given(night=nights(distinct=True), cuts=CUTS, order=st.randoms(use_true_random=False))
def test_step_by_step_and_from_scratch(
    night: tuple[Definition, list[Protocol]], cuts: list[int], order: random.Random
) -> None:
    """The documents are the same bytes whether the tally took every version in its order or only those that count."""
    definition, protocols = night
    steps = Night(definition)
    for part in halves(protocols, cuts):
        for protocol in part:
            steps.take(protocol)
        steps.cut()
    scratch = Night(definition)
    newest: dict[tuple[str, str], Protocol] = {}
    for protocol in protocols:
        key = (protocol.precinct, protocol.contest)
        if key not in newest or protocol.sequence > newest[key].sequence:
            newest[key] = protocol
    counting = list(newest.values())
    order.shuffle(counting)
    for protocol in counting:
        scratch.take(protocol)
    results = [path for path in steps.whole() if not path.startswith("precinct/")]

    left, right = unstamped(steps.whole()), unstamped(scratch.whole())

    assert left.keys() == right.keys()
    assert {path: left[path] for path in results} == {path: right[path] for path in results}


@given(night=nights())
def test_same_input_same_bytes(night: tuple[Definition, list[Protocol]]) -> None:
    """Two runs of the same night write the same bytes, protocols and corrections included."""
    definition, protocols = night
    first, second = Night(definition), Night(definition)
    for run in (first, second):
        run.cut()
        for protocol in protocols:
            run.take(protocol)
        run.cut()

    assert first.snapshot == second.snapshot


@given(night=nights())
def test_nothing_is_lost_in_a_batch(night: tuple[Definition, list[Protocol]]) -> None:
    """A batch holds every arrival in the order of the ledger, and the bytes taken over give the hash it names."""
    definition, protocols = night
    run = Night(definition)
    for protocol in protocols:
        run.take(protocol)
    written = run.cut()

    if not protocols:
        assert "batch/1.xml" not in written
        return
    rows = etree.fromstring(written["batch/1.xml"]).findall("s:protocol", NAMESPACE)
    taken_over = [base64.b64decode(row.findtext("s:taken-over", "", NAMESPACE)) for row in rows]
    assert taken_over == [msgspec.json.encode(protocol) for protocol in protocols]
    assert [row.get("sha256") for row in rows] == [hashlib.sha256(data).hexdigest() for data in taken_over]
    assert [int(row.get("entry", "")) for row in rows] == list(range(2, len(protocols) + 2))


@given(night=nights())
def test_figures_are_those_of_the_protocol(night: tuple[Definition, list[Protocol]]) -> None:
    """Read back, the protocols of a batch have the figures and votes that came in: nothing added, nothing left out."""
    definition, protocols = night
    run = Night(definition)
    for protocol in protocols:
        run.take(protocol)
    written = run.cut()
    if not protocols:
        return
    for row, protocol in zip(etree.fromstring(written["batch/1.xml"]), protocols, strict=True):
        figures = {one.get("field"): int(one.get("value", "")) for one in row.findall("s:figure", NAMESPACE)}
        lists = {
            int(one.get("number", "")): int(one.get("votes", "")) for one in row.findall("s:list", NAMESPACE)
        }

        assert figures == protocol.figures
        assert lists == {one.number: one.votes for one in protocol.lists}
        for one in row.findall("s:list", NAMESPACE):
            told = dict(
                next(
                    (
                        each.candidates or ()
                        for each in protocol.lists
                        if each.number == int(one.get("number", ""))
                    ),
                    (),
                )
            )
            assert {int(c.get("number", "")): int(c.get("votes", "")) for c in one} == told
