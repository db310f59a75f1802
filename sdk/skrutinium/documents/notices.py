"""What the operator tells all readers (``notices.xml``, signed), and how the feed says it is (``status.xml``, made at each request).

Source: ``xsd/skrutinium/1.0/skrutinium.xsd``; requirement M11.
"""

import datetime
from dataclasses import dataclass
from typing import Any

from lxml import etree

from skrutinium.documents.attributes import flag, moment, number, optional_number, text
from skrutinium.documents.parsing import NAMESPACE, children, document


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong with publication, or went wrong until ``ended``."""

    id: str
    begun: datetime.datetime
    text: str
    ended: datetime.datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.ended is None


@dataclass(frozen=True, slots=True)
class Planned:
    """A change at ``time``."""

    time: datetime.datetime
    text: str


@dataclass(frozen=True, slots=True)
class SecondSite:
    """Where else the same releases are read; ``fingerprint`` of its key is 64 hexadecimal digits."""

    address: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Notices:
    """All notices; ``number`` counts the versions of the file, 0 before the first. ``planned`` has the next one first."""

    number: int = 0
    incidents: tuple[Incident, ...] = ()
    planned: tuple[Planned, ...] = ()
    second_site: SecondSite | None = None

    @property
    def open(self) -> tuple[Incident, ...]:
        """The incidents that go on."""
        return tuple(one for one in self.incidents if one.open)


@dataclass(frozen=True, slots=True)
class SeriesStatus:
    """One series of one run; ``release`` to ``age`` are None before its first release. ``age`` in seconds.

    ``alive``: age of the publisher's last sign of life in seconds, None when the run is closed or there was none yet;
    ``delay``: longest time of the last hour between a release being written and being served, in milliseconds;
    ``refused``: why the reader may not read the run (a code of refusals), None when it may; ``not_before``: from when on
    it may be read, None for now or never.
    """

    event: str
    run: str
    id: str
    phase: str
    current: bool
    open: bool
    release: int | None
    time: datetime.datetime | None
    state: str | None
    expected: int | None
    reported: int | None
    age: int | None
    alive: int | None = None
    delay: int | None = None
    refused: str | None = None
    not_before: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How a feed is by its own word, which nothing signs; ``number`` is that of its state file.

    ``listening`` counts the connections that wait for news. The service level that the feed aims at, None when it tells none:
    ``target_alive`` for :attr:`SeriesStatus.alive` in seconds, ``target_delay`` for :attr:`SeriesStatus.delay` in milliseconds.
    """

    time: datetime.datetime
    number: int
    listening: int
    alarms: tuple[str, ...]
    series: tuple[SeriesStatus, ...]
    notices: Notices
    target_alive: int | None = None
    target_delay: int | None = None


def read_notices(data: bytes, where: str) -> Notices:
    """Read the document part of ``notices.xml``; raises :class:`SchemaError`."""
    root = document(data, "notices", where)
    return _told(root, number(root, "number"))


def read_status(data: bytes, where: str) -> Status:
    """Read ``status.xml``; raises :class:`SchemaError`. Its notices have the number 0: only ``notices.xml`` tells theirs."""
    root = document(data, "status", where)
    return Status(
        moment(root, "time"),
        number(root, "number"),
        number(root, "listening"),
        tuple(one.text or "" for one in children(root, "alarm")),
        tuple(map(_series, children(root, "series"))),
        _told(root, 0),
        optional_number(root, "target-alive"),
        optional_number(root, "target-delay"),
    )


def _told(root: etree._Element, version: int) -> Notices:
    second = root.find(NAMESPACE + "second-site")
    return Notices(
        version,
        tuple(
            Incident(text(one, "id"), moment(one, "begun"), text(one, "text"), _optional_moment(one, "ended"))
            for one in children(root, "incident")
        ),
        tuple(Planned(moment(one, "time"), text(one, "text")) for one in children(root, "planned")),
        None if second is None else SecondSite(text(second, "address"), text(second, "fingerprint")),
    )


def _series(row: etree._Element) -> SeriesStatus:
    numbers: dict[str, Any] = {
        name: optional_number(row, name)
        for name in ("release", "expected", "reported", "age", "alive", "delay")
    }
    return SeriesStatus(
        event=text(row, "event"),
        run=text(row, "run"),
        id=text(row, "id"),
        phase=text(row, "phase"),
        current=flag(row, "current"),
        open=flag(row, "open"),
        time=_optional_moment(row, "time"),
        state=row.get("state"),
        refused=row.get("refused"),
        not_before=_optional_moment(row, "not-before"),
        **numbers,
    )


def _optional_moment(element: etree._Element, name: str) -> datetime.datetime | None:
    return moment(element, name) if name in element.attrib else None
