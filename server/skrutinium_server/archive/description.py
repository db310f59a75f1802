"""The description of the formats, made from the schemas: every element and attribute with meaning, type, unit, example.

Pure: schemas and samples come in as bytes. What ``xs:documentation`` says is the meaning; a sentence ``Unit: X.`` and one
``Example: Y.`` in it are taken apart. Where no unit is told it is that of the type, where no example is told it is the first one in
the samples. Source: requirement M7.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from lxml import etree

from skrutinium_server.xml_parsing import xml_parser

XS: Final = "{http://www.w3.org/2001/XMLSchema}"
_UNIT: Final = re.compile(r"\s*\bUnit: (.+?)\.(?=\s|$)")
_EXAMPLE: Final = re.compile(r"\s*\bExample: (.+?)\.?(?=\s+[A-Z][a-z]+:|\s*$)")
_LONGEST_EXAMPLE: Final = 60

# Types whose values have a unit wherever they stand; "-" says that there is none.
_UNITS: Final = {
    "utc": "UTC, to the second",
    "moment": "local time of Prague",
    "dateTime": "local time of Prague",
    "day": "day",
    "percent": "percent with two decimals",
    "years": "years",
    "date": "day",
    "clock": "local time of Prague",
    "share": "hundredths of a percent",
    "zone": "-",
}

# Units that a name tells, in either format, where the documentation does not.
_NAMED_UNITS: Final = (
    (re.compile(r"@(votes|yes|no)"), "votes"),
    (re.compile(r"@(seats|seats-decided|vacant|elected-seats)"), "seats"),
    (re.compile(r"@(expected|reported|protocols)"), "protocols"),
    (re.compile(r"@(eligible|eligible-out|issued)"), "voters"),
    (re.compile(r"@age"), "years"),
    (re.compile(r"@(precincts|precincts-out)"), "precincts"),
    (re.compile(r"@listening"), "connections"),
    (re.compile(r"@POCET_OBVODU"), "districts"),
    (re.compile(r"@KANDIDATU_POCET"), "candidates"),
    (re.compile(r"@(contests|decided)"), "contests"),
    (re.compile(r"@(candidates)"), "candidates"),
    (re.compile(r"@(size|offset)"), "bytes"),
    (re.compile(r"@threshold"), "percent, whole"),
    (re.compile(r"@[A-Z_]*PROC[A-Z_0-9]*"), "percent with two decimals"),
    (re.compile(r"@OKRSKY_(CELKEM|ZPRAC)"), "precincts"),
    (re.compile(r"@(ZAPSANI_VOLICI|VYDANE_OBALKY)"), "voters"),
    (re.compile(r"@ODEVZDANE_OBALKY"), "envelopes"),
    (re.compile(r"@[A-Z_]*HLASY[A-Z_0-9]*"), "votes"),
    (re.compile(r"@(VOLENO_ZASTUP|ZASTUPITELE_POCET|MANDATY[A-Z_]*)"), "seats"),
)


class Field(NamedTuple):
    """One element or attribute at one place.

    ``path`` is the way from the root element, attributes with ``@``; ``need`` is required, optional, or how often.
    ``type`` and ``unit`` and ``example`` are for people.
    """

    path: str
    meaning: str
    type: str
    unit: str
    example: str
    need: str


class Document(NamedTuple):
    """One kind of document: the name of its root element, what it is, and its fields in the order of the schema."""

    root: str
    meaning: str
    fields: tuple[Field, ...]


class Description(NamedTuple):
    """One schema: its path below ``xsd/``, what it is, its documents, and its types with their permitted values."""

    schema: str
    namespace: str
    meaning: str
    documents: tuple[Document, ...]
    types: tuple[tuple[str, str, str], ...]


def parse(data: bytes) -> etree._Element:
    """A schema or sample as a tree; nothing is resolved or loaded."""
    return etree.fromstring(data, xml_parser(remove_comments=True))


def describe(schema: str, data: bytes, samples: Iterable[bytes] = ()) -> Description:
    """Describe the schema in ``data``; ``samples`` are valid documents of it, from which examples are taken."""
    tree = parse(data)
    found = _Examples(samples)
    walk = _Walk(tree, found)
    tops = tree.findall(f"{XS}element")
    referred = {_local(element.get("ref", "")) for element in tree.iter(f"{XS}element")}
    documents = [
        Document(top.get("name", ""), walk.text(top)[0], tuple(walk.fields(top)))
        for top in tops
        if top.get("name") not in referred
    ]
    types = [
        (kind.get("name", ""), walk.text(kind)[0], _facets(kind)) for kind in tree.findall(f"{XS}simpleType")
    ]
    meaning = _written(tree)
    return Description(schema, tree.get("targetNamespace", ""), meaning, tuple(documents), tuple(types))


def gaps(description: Description) -> list[str]:
    """Everything that is not fully told: what has no meaning, no type or no example, as ``PATH: what``."""
    faults = [f"{document.root}: no meaning" for document in description.documents if not document.meaning]
    for document in description.documents:
        for field in document.fields:
            if not field.meaning:
                faults.append(f"{field.path}: no meaning")
            if field.type and not field.example:
                faults.append(f"{field.path}: no example, neither in its documentation nor in a sample")
            if field.type and not field.unit:
                faults.append(f"{field.path}: no unit")
    return faults


class _Examples:
    """The first value at each place of the samples."""

    def __init__(self, samples: Iterable[bytes]) -> None:
        self._found: dict[tuple[str, str], str] = {}
        for data in samples:
            for element in parse(data).iter():
                tag = _local(str(element.tag))
                above = element.getparent()
                outer = "" if above is None else _local(str(above.tag))
                for name, value in element.attrib.items():
                    if value:
                        self._found.setdefault((tag, f"@{_local(name)}"), value)
                if element.text and element.text.strip():
                    self._found.setdefault((outer, tag), element.text.strip())

    def of(self, outer: str, name: str) -> str:
        """An example of attribute ``@name`` of an element, or of the text of element ``name`` in it."""
        value = " ".join(self._found.get((outer, name), "").split())
        return value if len(value) <= _LONGEST_EXAMPLE else f"{value[: _LONGEST_EXAMPLE - 1]}…"


class _Walk:
    """Goes through a schema from a root element; a type within itself is not followed again."""

    def __init__(self, tree: etree._Element, examples: _Examples) -> None:
        self._examples = examples
        self._named: dict[tuple[str, str], etree._Element] = {
            (str(node.tag), node.get("name", "")): node for node in tree if isinstance(node.tag, str)
        }

    def text(self, node: etree._Element) -> tuple[str, str, str]:
        """Meaning, unit and example that the documentation of a node tells."""
        written = _written(node)
        unit, example = _UNIT.search(written), _EXAMPLE.search(written)
        meaning = _EXAMPLE.sub("", _UNIT.sub("", written)).strip()
        return meaning, unit[1] if unit else "", example[1] if example else ""

    def fields(self, element: etree._Element) -> Iterator[Field]:
        """The attributes of a root element, then everything in it, depth first."""
        yield from self._inside(element, element.get("name", ""), ())

    def _inside(
        self, element: etree._Element, path: str, seen: tuple[etree._Element, ...]
    ) -> Iterator[Field]:
        kind = self._complex(element)
        if kind is None or kind in seen:
            return
        name = path.rsplit("/", 1)[-1]
        for attribute in self._attributes(kind):
            need = "required" if attribute.get("use") == "required" else "optional"
            yield self._field(
                attribute, f"{path}/@{attribute.get('name')}", name, f"@{attribute.get('name')}", need
            )
        for child, need in self._children(kind, 1, 1):
            target = self._named[f"{XS}element", _local(child.get("ref", ""))] if child.get("ref") else child
            inner = f"{path}/{target.get('name')}"
            yield self._field(target, inner, name, target.get("name", ""), need, child)
            yield from self._inside(target, inner, (*seen, kind))

    def _field(
        self,
        node: etree._Element,
        path: str,
        outer: str,
        name: str,
        need: str,
        child: etree._Element | None = None,
    ) -> Field:
        meaning, unit, example = self.text(node)
        if child is not None and child is not node:
            meaning = self.text(child)[0] or meaning
        kind = self._simple(node)
        if kind:
            own, of_type = self._type_text(node)
            meaning = meaning or own
            unit = unit or of_type or _UNITS.get(kind) or _unit_of(name)
            example = example or node.get("fixed", "") or self._examples.of(outer, name) or self._first(node)
        return Field(path, meaning, kind, unit, example, need)

    def _type_text(self, node: etree._Element) -> tuple[str, str]:
        kind = self._named.get((f"{XS}simpleType", _local(node.get("type", ""))))
        return self.text(kind)[:2] if kind is not None else ("", "")

    def _first(self, node: etree._Element) -> str:
        """The first permitted value of a type that lists them."""
        kind = node.find(f"{XS}simpleType")
        if kind is None:
            kind = self._named.get((f"{XS}simpleType", _local(node.get("type", ""))))
        value = None if kind is None else kind.find(f".//{XS}enumeration")
        if value is not None:
            return value.get("value", "")
        return "true" if _local(node.get("type", "")) == "boolean" else ""

    def _simple(self, node: etree._Element) -> str:
        """The name of the type of a value; empty for an element that holds elements only."""
        named = node.get("type", "")
        if node.find(f"{XS}simpleType") is not None:
            base = node.find(f"{XS}simpleType/{XS}restriction")
            return _local(base.get("base", "")) if base is not None else "text"
        kind = self._complex(node)
        if kind is not None:
            content = kind.find(f"{XS}simpleContent/{XS}extension")
            return "" if content is None else _local(content.get("base", ""))
        return _local(named)

    def _complex(self, element: etree._Element) -> etree._Element | None:
        inner = element.find(f"{XS}complexType")
        if inner is not None:
            return inner
        return self._named.get((f"{XS}complexType", _local(element.get("type", ""))))

    def _attributes(self, kind: etree._Element) -> Iterator[etree._Element]:
        for node in kind:
            if node.tag == f"{XS}attribute":
                yield node
            elif node.tag == f"{XS}attributeGroup":
                yield from self._attributes(self._named[f"{XS}attributeGroup", _local(node.get("ref", ""))])
            elif node.tag in (f"{XS}simpleContent", f"{XS}complexContent", f"{XS}extension"):
                if node.tag == f"{XS}extension":
                    base = self._named.get((f"{XS}complexType", _local(node.get("base", ""))))
                    if base is not None:
                        yield from self._attributes(base)
                yield from self._attributes(node)

    def _children(
        self, node: etree._Element, least: int, most: int | None
    ) -> Iterator[tuple[etree._Element, str]]:
        for child in node:
            low = min(least, int(child.get("minOccurs", "1"))) if isinstance(child.tag, str) else 0
            told = child.get("maxOccurs", "1") if isinstance(child.tag, str) else "1"
            high = None if told == "unbounded" or most is None else max(most, int(told))
            if child.tag == f"{XS}element":
                yield child, _often(low, high)
            elif child.tag in (f"{XS}sequence", f"{XS}all", f"{XS}complexContent"):
                yield from self._children(child, low, high)
            elif child.tag == f"{XS}extension":
                base = self._named.get((f"{XS}complexType", _local(child.get("base", ""))))
                if base is not None:
                    yield from self._children(base, low, high)
                yield from self._children(child, low, high)
            elif child.tag == f"{XS}choice":
                yield from self._children(child, 0, high)


def _unit_of(name: str) -> str:
    return next((unit for pattern, unit in _NAMED_UNITS if pattern.fullmatch(name)), "-")


def _often(least: int, most: int | None) -> str:
    if most == 1:
        return "required" if least else "optional"
    return f"{least} or more" if most is None else f"{least} to {most}"


def _facets(kind: etree._Element) -> str:
    """What a simple type permits, for people."""
    restriction = kind.find(f"{XS}restriction")
    if restriction is None:
        return ""
    values = [facet.get("value", "") for facet in restriction.findall(f"{XS}enumeration")]
    if values:
        return "one of: " + ", ".join(values)
    told = [f"{_local(str(facet.tag))} {facet.get('value')}" for facet in restriction]
    return "; ".join([_local(restriction.get("base", "")), *told])


def _written(node: etree._Element) -> str:
    return (
        " ".join(" ".join(node.itertext()).split())
        if node.tag == f"{XS}documentation"
        else _documentation(node)
    )


def _documentation(node: etree._Element) -> str:
    found = node.find(f"{XS}annotation/{XS}documentation")
    return "" if found is None else " ".join("".join(found.itertext()).split())


def _local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]
