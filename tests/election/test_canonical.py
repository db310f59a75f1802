"""Equal facts have equal bytes; bytes that are anything else than canonical are refused."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.election.canonical import KEYS, canonical, in_order, read, sha256
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import CanonicalError
from skrutinium_server.election.model import Definition
from tests.election.made import SMALL, definitions


@given(definitions())
def test_canonical_bytes_read_back(definition: Definition) -> None:
    """Any definition reads back from its bytes as the same facts in order."""
    check(definition)
    data = canonical(definition)
    assert read(data) == in_order(definition)
    assert data.endswith(b"}\n")
    assert canonical(read(data)) == data


@given(definitions(), st.randoms(use_true_random=False))
def test_order_of_tables_does_not_matter(definition: Definition, random: random.Random) -> None:
    """Shuffled tables give the same bytes and hash."""
    shuffled = {
        name: tuple(random.sample(getattr(definition, name), len(getattr(definition, name)))) for name in KEYS
    }
    other = msgspec.structs.replace(definition, **shuffled)
    assert sha256(canonical(other)) == sha256(canonical(definition))


@pytest.mark.parametrize(
    "data",
    [
        canonical(SMALL)[:-1],
        canonical(SMALL) + b"\n",
        canonical(SMALL).replace(b":", b": ", 1),
        canonical(SMALL).replace(b'"version":1', b'"version":1,"colour":"red"'),
        canonical(SMALL).replace(b'"version":1', b'"version":"1"'),
        canonical(SMALL).replace(b'"id":"101-1"', b'"id":"101-9"', 1),
        canonical(SMALL)[:100],
        b"",
        b"\xff",
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    """Blanks, a missing line end, another order, unknown fields, wrong types and cut bytes are errors."""
    with pytest.raises(CanonicalError):
        read(data)
