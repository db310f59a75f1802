"""What the operator tells all readers (``notices.xml``, signed), and how the feed says it is (``status.xml``, made at each request).

Source: ``xsd/skrutinium/1.0/skrutinium.xsd``; requirement M11.
"""

import datetime
from dataclasses import dataclass
from typing import Any

from lxml import etree

from skrutinium.documents.attributes import flag, moment, number, optional_moment, optional_number, text
from skrutinium.documents.streaming import into, stream


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
    """All notices; ``number`` counts the versions of the file, 0 before the first. ``planned`` has the next one first.

    ``additions`` as in a :class:`~skrutinium.documents.stamp.Stamp`.
    """

    number: int = 0
    incidents: tuple[Incident, ...] = ()
    planned: tuple[Planned, ...] = ()
    second_site: SecondSite | None = None
    additions: tuple[str, ...] = ()

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


class _Told:
    """What both documents tell, as it comes."""

    def __init__(self) -> None:
        self.incidents: list[Incident] = []
        self.planned: list[Planned] = []
        self.second_site: list[SecondSite] = []
        self.takes = {
            "incident": into(self.incidents, _incident),
            "planned": into(self.planned, lambda one: Planned(moment(one, "time"), text(one, "text"))),
            "second-site": into(
                self.second_site, lambda one: SecondSite(text(one, "address"), text(one, "fingerprint"))
            ),
        }

    def notices(self, version: int, additions: tuple[str, ...]) -> Notices:
        """All of it."""
        second = self.second_site[0] if self.second_site else None
        return Notices(version, tuple(self.incidents), tuple(self.planned), second, additions)


def read_notices(data: bytes, where: str) -> Notices:
    """Read the document part of ``notices.xml``; raises :class:`SchemaError`."""
    told = _Told()
    head = stream(data, "notices", where, told.takes)
    return told.notices(number(head.root, "number"), head.additions)


def read_status(data: bytes, where: str) -> Status:
    """Read ``status.xml``; raises :class:`SchemaError`. Its notices have the number 0: only ``notices.xml`` tells theirs."""
    told, alarms, series = _Told(), list[str](), list[SeriesStatus]()
    takes = {"alarm": into(alarms, lambda one: one.text or ""), "series": into(series, _series)}
    head = stream(data, "status", where, told.takes | takes)
    root = head.root
    return Status(
        moment(root, "time"),
        number(root, "number"),
        number(root, "listening"),
        tuple(alarms),
        tuple(series),
        told.notices(0, head.additions),
        optional_number(root, "target-alive"),
        optional_number(root, "target-delay"),
    )


def _incident(one: etree._Element) -> Incident:
    return Incident(text(one, "id"), moment(one, "begun"), text(one, "text"), optional_moment(one, "ended"))


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
        time=optional_moment(row, "time"),
        state=row.get("state"),
        refused=row.get("refused"),
        not_before=optional_moment(row, "not-before"),
        **numbers,
    )
