"""The schemas that the package holds: listing them, and saying where a file departs from its own.

Names are paths below ``xsd/`` of the contract, such as ``skrutinium/1.0/skrutinium.xsd``; the last part is enough where it is clear.
"""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from lxml import etree

from skrutinium.documents.parsing import parser, schema, schema_text, well_formed
from skrutinium.errors import ChoiceNeeded, SchemaError

_XS = "{http://www.w3.org/2001/XMLSchema}"
_ENCODINGS = ("UTF-8", "US-ASCII", "ASCII", "ISO-8859-1", "ISO-8859-2", "WINDOWS-1250", "UTF-16")
MOST_REASONS = 20
"""Of one file; more are counted."""


@dataclass(frozen=True, slots=True)
class Held:
    """One schema; ``roots`` are the elements that a document of it may begin with."""

    name: str
    namespace: str
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a document is not valid; ``line`` counts from 1, None when it is not known."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one document: ``name`` of the schema it was held against, None when none fits; ``more`` reasons were left off."""

    where: str
    name: str | None
    reasons: tuple[Reason, ...] = ()
    more: int = 0

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons


@functools.cache
def held_schemas() -> tuple[Held, ...]:
    """All schemas by name; reads files, so it belongs into a thread."""
    root = resources.files("skrutinium").joinpath("_contract", "xsd")
    return tuple(_held(name) for name in sorted(_names(root, "")))


def _names(folder: Traversable, above: str) -> Iterator[str]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _names(one, f"{above}{one.name}/")
        elif one.name.endswith(".xsd"):
            yield above + one.name


def _held(name: str) -> Held:
    root = etree.fromstring(schema_text(name), parser())
    roots = tuple(str(one.get("name")) for one in root.iterchildren(f"{_XS}element"))
    return Held(name, root.get("targetNamespace") or "", roots)


def find_schema(name: str) -> Held:
    """The schema meant by a name or the end of one; raises :class:`ChoiceNeeded` with those there are."""
    there = held_schemas()
    for one in there:
        if one.name == name:
            return one
    wanted = name.removesuffix(".xsd")
    found = [one for one in there if f"/{one.name.removesuffix('.xsd')}".endswith(f"/{wanted}")]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.name for one in (found or there))
    raise ChoiceNeeded(
        f"{'several schemas are' if found else 'no schema is'} named {name!r}; there are: {known}"
    )


def judge(data: bytes, where: str, name: str | None = None) -> Judged:
    """Hold a document against the schema ``name``, or against the one that its first element belongs to.

    A document that is no plain XML is judged too. Raises :class:`ChoiceNeeded` for a name that is not there. Reads files and takes
    time: it belongs into a thread.
    """
    wanted = None if name is None else find_schema(name)
    try:
        root = well_formed(data, where, _ENCODINGS)
    except SchemaError as error:
        cause = error.__cause__
        line = cause.lineno if isinstance(cause, etree.XMLSyntaxError) else None
        return Judged(where, None if wanted is None else wanted.name, (Reason(line, error.message),))
    tag = etree.QName(root)
    candidates = (
        [wanted]
        if wanted is not None
        else [
            one
            for one in held_schemas()
            if one.namespace == (tag.namespace or "") and tag.localname in one.roots
        ]
    )
    if not candidates:
        known = sorted(set(itertools.chain.from_iterable(one.roots for one in held_schemas())))
        text = f"no schema here begins with the element {tag.text}; known are {', '.join(known)}"
        return Judged(where, None, (Reason(root.sourceline, text),))
    verdicts = [_against(root, where, one.name) for one in candidates]
    return min(verdicts, key=lambda one: len(one.reasons) + one.more)


def _against(root: etree._Element, where: str, name: str) -> Judged:
    judging = schema(name)
    if judging.validate(root):
        return Judged(where, name)
    log = list(judging.error_log)
    reasons = tuple(Reason(one.line or None, one.message) for one in log[:MOST_REASONS])
    return Judged(where, name, reasons, len(log) - len(reasons))
