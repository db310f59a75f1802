"""Attributes of an element as Python values; strict even where no schema was at hand.

Each function raises :class:`SchemaError` that names element, attribute and value.
"""

import datetime
import functools
from fractions import Fraction

from lxml import etree

from skrutinium.documents.parsing import NAMESPACE
from skrutinium.errors import SchemaError

_LONGEST_NUMBER = 15
_FIGURE = NAMESPACE + "figure"


def _wrong(element: etree._Element, name: str, expected: str) -> SchemaError:
    tag = etree.QName(element).localname
    return SchemaError(
        f"{tag}/@{name} is {element.get(name)!r}; expected {expected} (line {element.sourceline})"
    )


def text(element: etree._Element, name: str) -> str:
    """A required text."""
    value = element.get(name)
    if value is None:
        raise _wrong(element, name, "a text")
    return value


def optional_number(element: etree._Element, name: str) -> int | None:
    """A whole number, zero or more; None when the attribute is absent."""
    value = element.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER):
        raise _wrong(element, name, "a whole number")
    return int(value)


def number(element: etree._Element, name: str) -> int:
    """A required whole number, zero or more."""
    value = element.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER):
        raise _wrong(element, name, "a whole number")
    return int(value)


def optional_flag(element: etree._Element, name: str) -> bool | None:
    """True or false; None when the attribute is absent."""
    value = element.get(name)
    if value is None:
        return None
    if value not in ("true", "false", "1", "0"):
        raise _wrong(element, name, "true or false")
    return value in ("true", "1")


def flag(element: etree._Element, name: str) -> bool:
    """True or false; false when the attribute is absent."""
    return bool(optional_flag(element, name))


def moment(element: etree._Element, name: str) -> datetime.datetime:
    """A required moment in UTC."""
    value = text(element, name)
    try:
        result = datetime.datetime.fromisoformat(value)
    except ValueError as error:
        raise _wrong(element, name, "a moment such as 2018-10-06T15:00:00Z") from error
    if result.tzinfo is not datetime.UTC:  # what fromisoformat makes of Z, and of an offset of zero
        raise _wrong(element, name, "a moment in UTC, with Z")
    return result


def day(element: etree._Element, name: str) -> datetime.date:
    """A required day."""
    value = text(element, name)
    try:
        return datetime.date.fromisoformat(value[:10])
    except ValueError as error:
        raise _wrong(element, name, "a day such as 2018-10-05") from error


def optional_moment(element: etree._Element, name: str) -> datetime.datetime | None:
    """A moment in UTC; None when the attribute is absent."""
    return moment(element, name) if name in element.attrib else None


def optional_day(element: etree._Element, name: str) -> datetime.date | None:
    """A day; None when the attribute is absent."""
    return day(element, name) if name in element.attrib else None


def share(element: etree._Element, name: str) -> Fraction:
    """A required share of the whole, told in hundredths of a percent."""
    value = optional_share(element, name)
    if value is None:
        raise _wrong(element, name, "a share in hundredths of a percent")
    return value


def optional_share(element: etree._Element, name: str) -> Fraction | None:
    """A share of the whole, told in hundredths of a percent; None when the attribute is absent."""
    value = optional_number(element, name)
    if value is None:
        return None
    if value > 10_000:
        raise _wrong(element, name, "a share in hundredths of a percent, at most 10000")
    return _hundredths_of_percent(value)


@functools.cache
def _hundredths_of_percent(value: int) -> Fraction:
    """There are ten thousand of them, and each takes as long to make as an attribute takes to read."""
    return Fraction(value, 10_000)


def figures(element: etree._Element) -> dict[str, int]:
    """The fields of the law that an element tells."""
    return {text(figure, "field"): number(figure, "value") for figure in element.iterchildren(_FIGURE)}
