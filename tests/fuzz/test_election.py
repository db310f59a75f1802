"""Whatever a law or a definition comes as: it is read as it stands or refused with an ElectionError."""

from functools import cache
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.election.canonical import canonical, read
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.formats import csv_set, volby_batches, volby_registers
from skrutinium_server.election.law import load_law, read_law
from skrutinium_server.election.model import Definition
from skrutinium_server.rehearsal.made_up import Scale, made_up_definition
from tests.election.test_volby_registers import made_registers
from tests.fuzz import test_intake
from tests.fuzz.mutating import mutated

LAW = load_law("cz-municipal-2018")
LAW_BYTES = resources.files("skrutinium_server.election.laws").joinpath("cz-municipal-2018.toml").read_bytes()


@cache
def small() -> Definition:
    """A made-up definition of a few towns."""
    return made_up_definition(
        5, Scale(regions=1, counties=1, councils=6, precincts=9, wards=(2,), candidates=10)
    )


@cache
def tables() -> dict[str, bytes]:
    """Our own set of it."""
    return csv_set.write_set(small())


def sound(definition: Definition) -> None:
    """What was read can be written and read again, and the check says yes or why not."""
    assert read(canonical(definition)) == definition
    try:
        check(definition)
    except ElectionError:
        return
    assert csv_set.read_set(csv_set.write_set(definition)) == definition


@given(
    st.deferred(
        lambda: st.sampled_from(sorted(tables())).flatmap(
            lambda name: st.tuples(st.just(name), mutated([tables()[name]]))
        )
    )
)
def test_mutated_csv_set_is_read_or_refused(drawn: tuple[str, bytes]) -> None:
    """A set with one damaged table is a definition or an ElectionError."""
    name, data = drawn
    try:
        definition = csv_set.read_set({**tables(), name: data})
    except ElectionError:
        return
    sound(definition)


@given(st.deferred(lambda: mutated([canonical(small())])))
def test_mutated_canonical_bytes_are_refused(data: bytes) -> None:
    """Canonical bytes with any change are an ElectionError, or the canonical bytes of other facts."""
    try:
        definition = read(data)
    except ElectionError:
        return
    assert canonical(definition) == data


@given(mutated([LAW_BYTES]))
def test_mutated_law_is_read_or_refused(data: bytes) -> None:
    """A damaged law is a law or an ElectionError."""
    try:
        law = read_law("cz-municipal-2018.toml", data)
    except ElectionError:
        return
    assert law.id == LAW.id


@pytest.mark.parametrize(
    "end", [b"a = " + b"[" * 100_000, b"a = " + b"{a=" * 100_000, b"a = " + b"9" * 5000, b"a." * 10_000]
)
def test_law_that_would_exhaust_the_reader_is_refused(end: bytes) -> None:
    """Nesting without end and numbers of thousands of digits are an ElectionError."""
    with pytest.raises(ElectionError):
        read_law("cz-municipal-2018.toml", end + b"\n" + LAW_BYTES)


@given(st.deferred(lambda: mutated(test_intake.batches())))
def test_mutated_batch_is_told_or_refused(data: bytes) -> None:
    """A damaged batch gives a definition or an ElectionError."""
    try:
        definition = volby_batches.read_batches(LAW, [("1.xml", data)]).definition
    except ElectionError:
        return
    sound(definition)


REGISTERS = {name: text.encode("cp1250") for name, text in made_registers().items()}


@given(
    st.sampled_from(sorted(REGISTERS)).flatmap(
        lambda name: st.tuples(st.just(name), mutated([REGISTERS[name]]))
    )
)
def test_mutated_register_is_read_or_refused(drawn: tuple[str, bytes]) -> None:
    """A damaged register gives a definition or an ElectionError."""
    name, data = drawn
    try:
        definition = volby_registers.read_registers(LAW, {**REGISTERS, name: data})
    except ElectionError:
        return
    sound(definition)


def test_samples_are_sound() -> None:
    """What is mutated is itself accepted."""
    for definition in (
        csv_set.read_set(tables()),
        volby_registers.read_registers(LAW, REGISTERS),
        volby_batches.read_batches(LAW, [("1.xml", test_intake.batches()[0])]).definition,
    ):
        check(definition)
        sound(definition)
