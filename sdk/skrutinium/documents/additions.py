"""What a document of a later minor schema adds to the schema that this package holds, by name.

The names come from the schema itself. It is one of ours: types are named or stand in place, groups are of attributes only, and
nothing is imported.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from skrutinium.documents.parsing import NAMESPACE, parser, schema_text

_XS = "{http://www.w3.org/2001/XMLSchema}"
_MOST = 100
"""So many additions are named; more of them would tell nobody more."""


@dataclass(slots=True)
class Known:
    """What the schema knows of one element: its attributes, and its children by their whole names."""

    attributes: set[str] = field(default_factory=set)
    children: dict[str, "Known"] = field(default_factory=dict)


@functools.cache
def vocabulary(schema: str) -> Mapping[str, Known]:
    """Every element that may be a root by the schema ``schema``, by its whole name."""
    return _Names(etree.fromstring(schema_text(schema), parser())).roots()


def attribute_additions(element: etree._Element, known: Known, path: str = "") -> Iterator[str]:
    """Attributes of an element that the schema does not know, as ``path@name``."""
    return (f"{path}@{name}" for name in map(str, element.attrib) if name not in known.attributes)


def child_additions(child: etree._Element, parent: Known, path: str = "") -> Iterator[str]:
    """What a child of an element is or holds that the schema does not know; what is new is not looked into."""
    name = str(child.tag)
    below = path + name.removeprefix(NAMESPACE)
    known = parent.children.get(name)
    if known is None:
        yield below
        return
    yield from attribute_additions(child, known, f"{below}/")
    for each in child.iterchildren(etree.Element):
        yield from child_additions(each, known, f"{below}/")


class Additions:
    """Gathers additions, each once, in the order in which they are met."""

    def __init__(self) -> None:
        self._met: dict[str, None] = {}

    def take(self, found: Iterator[str]) -> None:
        """Take in what was found, up to a limit."""
        for one in found:
            if len(self._met) >= _MOST:
                return
            self._met[one[:200]] = None

    @property
    def named(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._met)


class _Names:
    def __init__(self, schema: etree._Element) -> None:
        self._schema = schema
        self._types = {str(one.get("name")): one for one in schema.iterchildren(_XS + "complexType")}
        self._groups = {str(one.get("name")): one for one in schema.iterchildren(_XS + "attributeGroup")}
        self._done: dict[str, Known] = {}

    def roots(self) -> dict[str, Known]:
        return dict(map(self._element, self._schema.iterchildren(_XS + "element")))

    def _element(self, declared: etree._Element) -> tuple[str, Known]:
        inline = declared.find(_XS + "complexType")
        known = Known() if inline is None else self._content(inline, Known())
        if (named := declared.get("type")) is not None:
            known = self._type(named)
        return NAMESPACE + str(declared.get("name")), known

    def _type(self, name: str) -> Known:
        """A named type; one that is simple has neither attributes nor children."""
        if name not in self._done:
            self._done[name] = Known()  # first, so that a type may hold itself
            if name in self._types:
                self._content(self._types[name], self._done[name])
        return self._done[name]

    def _content(self, node: etree._Element, known: Known) -> Known:
        for part in node.iterchildren(etree.Element):
            match str(part.tag).removeprefix(_XS):
                case "attribute":
                    known.attributes.add(str(part.get("name")))
                case "attributeGroup":
                    self._content(self._groups[str(part.get("ref"))], known)
                case "element":
                    name, below = self._element(part)
                    known.children[name] = below
                case "extension":
                    base = self._type(str(part.get("base")))
                    known.attributes |= base.attributes
                    known.children |= base.children
                    self._content(part, known)
                case "sequence" | "choice" | "all" | "complexContent" | "simpleContent":
                    self._content(part, known)
                case _:  # annotations
                    pass
        return known
