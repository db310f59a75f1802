"""The one form of a definition in bytes: equal facts have equal bytes and one SHA-256.

Compact JSON in UTF-8 in the order of the model's fields, every table sorted by its key, one line feed at the end.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from skrutinium_server.election.errors import CanonicalError
from skrutinium_server.election.model import AreaFirstRound, ContestFirstRound, Definition, FirstRound

_BY_ID: Final[Callable[[Any], Any]] = lambda thing: thing.id  # noqa: E731

KEYS: Final[dict[str, Callable[[Any], Any]]] = {
    "areas": _BY_ID,
    "contests": _BY_ID,
    "districts": _BY_ID,
    "precincts": _BY_ID,
    "polls": lambda poll: (poll.precinct, poll.contest),
    "committees": _BY_ID,
    "lists": lambda row: (row.contest, row.district, row.number),
    "unnumbered_lists": lambda row: (row.contest, row.district, row.committee or "", row.name),
    "candidates": lambda row: (row.contest, row.district, row.list, row.number),
}
"""What each table of a definition is sorted by; but for unnumbered lists the key is unique too."""

_LEFT_OUT: Final = (b',"committee":null}', b',"first_round":null}')
"""Ends of a candidate and of the definition that say nothing. They are left out, so that facts without them have the
bytes that they had before there was such a field. In a text the quotes would be escaped, so no text looks like them."""

_decoder = msgspec.json.Decoder(Definition, strict=True)


def in_order(definition: Definition) -> Definition:
    """The same facts with every table sorted."""
    tables = {name: tuple(sorted(getattr(definition, name), key=key)) for name, key in KEYS.items()}
    first = None if definition.first_round is None else _first_in_order(definition.first_round)
    return msgspec.structs.replace(definition, first_round=first, **tables)


def _first_in_order(first: FirstRound) -> FirstRound:
    contests = sorted(first.contests, key=lambda row: row.contest)
    candidates = tuple(sorted(first.candidates, key=KEYS["candidates"]))
    return msgspec.structs.replace(
        first,
        contests=tuple(map(_contest_in_order, contests)),
        candidates=candidates,
        areas=tuple(sorted(first.areas, key=_of_area)),
    )


def _of_area(row: AreaFirstRound) -> tuple[str, str, str, int]:
    return row.contest, row.area, row.figure or "", row.candidate or 0


def _contest_in_order(row: ContestFirstRound) -> ContestFirstRound:
    return msgspec.structs.replace(
        row, figures=dict(sorted(row.figures.items())), candidates=dict(sorted(row.candidates.items()))
    )


def canonical(definition: Definition) -> bytes:
    """The canonical bytes of a definition, whatever the order of its tables."""
    data = msgspec.json.encode(in_order(definition))
    for end in _LEFT_OUT:
        data = data.replace(end, b"}")
    return data + b"\n"


def sha256(data: bytes) -> str:
    """The SHA-256 of canonical bytes, hexadecimal: what a run and every release name as their definition."""
    return hashlib.sha256(data).hexdigest()


def read(data: bytes) -> Definition:
    """The definition in canonical bytes; raises :class:`CanonicalError` when they are not exactly that."""
    try:
        definition = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CanonicalError(
            f"Not a definition: {error}; expected canonical JSON as it was stored"
        ) from error
    if canonical(definition) != data:
        raise CanonicalError(
            "The definition is not in canonical form (order of tables or of fields, blanks, line end); "
            "expected the bytes exactly as they were stored"
        )
    return definition
