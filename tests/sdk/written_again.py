"""Writes what was read back into the shape of XML, from the schema alone, so that a test can compare it with the document itself."""

import base64
import dataclasses
import datetime
import enum
from fractions import Fraction
from typing import Any

from lxml import etree

from skrutinium.documents import protocols, results, series

Shape = tuple[dict[str, str], dict[str, list[Any]], str]
"""Attributes, children by name in their order, and text of an element."""

_DEFAULTS = {
    ("repeated", "false"),
    ("active", "true"),
    ("runoff", "false"),
    ("made-up", "false"),
    ("checkpoint", "false"),
    ("title-before", ""),
    ("title-after", ""),
}
_NAMES = {(results.List, "standing"): "candidates"}
_CHILDREN = {
    "unnumbered": "unnumbered-list",
    "awaited": "awaited",
    "leading": "leading",
    "tied": "tied",
    "planned": "planned",
    "series": "series",
}
_MERGED = {"out", "district", "notices"}
_TEXTS = {"line", "message", "alarm"}


def shape_of(element: etree._Element) -> Shape:
    """The shape of a document, without attributes that say what their absence says."""
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    children: dict[str, list[Any]] = {}
    for child in element:
        children.setdefault(etree.QName(child).localname, []).append(shape_of(child))
    return _without_defaults(attributes), children, "".join((element.text or "").split())


def shape_as_read(value: Any) -> Shape:
    """The shape that a dataclass stands for."""
    attributes: dict[str, str] = {}
    children: dict[str, list[Any]] = {}
    text = ""
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        name = _NAMES.get((type(value), field.name), field.name.replace("_", "-"))
        if held is None or field.name in ("additions", "told_by"):
            continue
        if field.name in _MERGED and dataclasses.is_dataclass(held):
            more, below, _ = shape_as_read(held)
            attributes = more | attributes
            children |= below
        elif isinstance(value, protocols.TakenOver) and field.name == "data":
            text = base64.b64encode(held).decode()
        elif name in _TEXTS or (isinstance(value, series.Refusal) and name == "expected"):
            children[name] = [({}, {}, "".join(held.split()))]
        elif isinstance(held, dict):
            children |= _mapping(value, field.name, held)
        elif isinstance(held, tuple):
            if held:
                children[_child(field.name)] = [_item(value, one) for one in held]
        elif dataclasses.is_dataclass(held):
            children[name] = [shape_as_read(held)]
        else:
            attributes[name] = _scalar(held)
    if isinstance(value, results.EventResults) and not value.held:
        del attributes["held"]
    return _without_defaults(attributes), children, text


def _child(field: str) -> str:
    return _CHILDREN.get(field) or field.removesuffix("s")


def _item(value: Any, one: Any) -> Shape:
    if isinstance(one, str):
        return ({"id": one}, {}, "") if isinstance(value, series.Run) else ({}, {}, one)
    return shape_as_read(one)


def _mapping(value: Any, field: str, held: dict[Any, int]) -> dict[str, list[Any]]:
    if not held:
        return {}
    if field == "candidates":
        rows: list[Shape] = [
            ({"number": str(one), "votes": str(votes)}, {}, "") for one, votes in held.items()
        ]
        return {"candidate": rows}
    told_by = getattr(value, "told_by", {})
    return {
        "figure": [
            (
                {"field": one, "value": str(number)}
                | ({"protocols": str(told_by[one])} if one in told_by else {}),
                {},
                "",
            )
            for one, number in held.items()
        ]
    }


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case enum.Enum():
            return str(value.value)
        case datetime.datetime():
            assert value.utcoffset() == datetime.timedelta(0)
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case datetime.date():
            return value.isoformat()
        case Fraction():
            hundredths = value * 10_000
            assert hundredths.denominator == 1
            return str(hundredths.numerator)
        case _:
            return str(value)


def _without_defaults(attributes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if (name, value) not in _DEFAULTS}
