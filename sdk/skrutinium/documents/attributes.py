"""Attributes of an element as Python values; strict even where no schema was at hand.

Each function raises :class:`SchemaError` that names element, attribute and value.
"""

import datetime

from lxml import etree

from skrutinium.errors import SchemaError


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
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise _wrong(element, name, "a whole number")
    return int(value)


def number(element: etree._Element, name: str) -> int:
    """A required whole number, zero or more."""
    value = optional_number(element, name)
    if value is None:
        raise _wrong(element, name, "a whole number")
    return value


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
    if result.utcoffset() != datetime.timedelta(0):
        raise _wrong(element, name, "a moment in UTC, with Z")
    return result.astimezone(datetime.UTC)


def day(element: etree._Element, name: str) -> datetime.date:
    """A required day."""
    value = text(element, name)
    try:
        return datetime.date.fromisoformat(value[:10])
    except ValueError as error:
        raise _wrong(element, name, "a day such as 2018-10-05") from error
