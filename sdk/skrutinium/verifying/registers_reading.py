"""From the bytes of registers to what verifying compares results with; each function raises :class:`SchemaError`.

Only what results can be compared with is kept; every other document is validated piece by piece and let go.
"""

import io
from collections.abc import Callable

from lxml import etree

from skrutinium.documents import parsing
from skrutinium.documents.attributes import number
from skrutinium.documents.parsing import NAMESPACE, children
from skrutinium.documents.registers import SCHEMA, RegisterRow
from skrutinium.errors import SchemaError
from skrutinium.verifying.registers import PERSON, Registers


def take(registers: Registers, row: RegisterRow, data: bytes, event: str) -> None:
    """Validate a document by the schema that the index names, and keep what it says of the event."""
    if row.schema is None:
        return
    read = _READ.get(row.path.removeprefix("registers/").split("/", 1)[0].removesuffix(".xml"))
    if row.schema != SCHEMA or not row.path.startswith("registers/") or read is None:
        _valid(data, row.schema, row.path)
        return
    name = "candidates" if row.path.startswith("registers/candidates/") else row.path[10:-4]
    root = parsing.document(data, name, row.path, schema=SCHEMA)
    told = root.get("event"), root.get("definition"), root.get("definition-sha256")
    due = event, str(row.definition), row.definition_sha256
    if told != due:
        raise SchemaError(f"is of {' / '.join(map(str, told))}; the index says {' / '.join(due)}")
    read(registers, root)


def _valid(data: bytes, schema: str, where: str) -> None:
    """Validate what is not kept; large documents never stand in memory as a tree."""
    if b"<!DOCTYPE" in data[:4096]:
        raise SchemaError("holds a DOCTYPE, which is never accepted", address=where)
    try:
        judge = parsing.schema(schema)
    except FileNotFoundError:
        raise SchemaError(f"the schema {schema} is none that this package knows", address=where) from None
    steps = etree.iterparse(
        io.BytesIO(data),
        schema=judge,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    ended = False
    try:
        for _, element in steps:
            element.clear()
            parent = element.getparent()
            ended = parent is None
            if parent is not None and len(parent) > 1:
                del parent[0]
    except etree.XMLSyntaxError as error:
        raise SchemaError(str(error), address=where) from error
    if not ended:  # a parser that validates as it goes does not tell that the document was cut off
        raise SchemaError("not well-formed: it ends before its root element does", address=where)


def _areas(registers: Registers, root: etree._Element) -> None:
    for row in children(root, "area"):
        registers.areas[row.attrib["id"]] = dict(row.attrib)
        if (parent := row.get("parent")) is not None:
            registers.children.setdefault(parent, set()).add(row.attrib["id"])


def _contests(registers: Registers, root: etree._Element) -> None:
    registers.contests.update((row.attrib["id"], dict(row.attrib)) for row in children(root, "contest"))


def _districts(registers: Registers, root: etree._Element) -> None:
    for row in children(root, "district"):
        registers.districts[row.attrib["id"]] = dict(row.attrib)
        registers.divisions.setdefault(row.attrib["contest"], set()).add(row.attrib["id"])


def _precincts(registers: Registers, root: etree._Element) -> None:
    for row in children(root, "precinct"):
        registers.precincts[row.attrib["id"]] = dict(row.attrib)
        registers.polls[row.attrib["id"]] = {
            poll.attrib["contest"]: dict(poll.attrib) for poll in children(row, "poll")
        }


def _committees(registers: Registers, root: etree._Element) -> None:
    registers.committees.update((row.attrib["id"], dict(row.attrib)) for row in children(root, "committee"))


def _lists(registers: Registers, root: etree._Element) -> None:
    for row in children(root, "list"):
        of_district = registers.lists.setdefault(row.attrib["district"], {})
        of_district[number(row, "number")] = dict(row.attrib)
    for row in children(root, "unnumbered-list"):
        registers.unnumbered.setdefault(row.attrib["district"], []).append(dict(row.attrib))


def _candidates(registers: Registers, root: etree._Element) -> None:
    for ballot in children(root, "ballot"):
        key = ballot.attrib["district"], number(ballot, "list")
        registers.persons[key] = {
            number(row, "number"): tuple(map(row.get, PERSON))
            for row in ballot.iterchildren(NAMESPACE + "candidate")
        }


_READ: dict[str, Callable[[Registers, etree._Element], None]] = {
    "areas": _areas,
    "contests": _contests,
    "districts": _districts,
    "precincts": _precincts,
    "committees": _committees,
    "lists": _lists,
    "candidates": _candidates,
}
NEEDED = frozenset(f"registers/{name}.xml" for name in _READ if name != "candidates")
"""The registers that every index has to have; candidates may be unknown."""
