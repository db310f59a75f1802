"""The calendar of an event as XML of ours and as iCalendar (RFC 5545). Pure."""

from collections.abc import Iterator, Sequence

from icalendar import Calendar as Component
from icalendar import Event

from skrutinium_server.election.calendar import TITLES, Calendar, Entry
from skrutinium_server.election.model import Definition
from skrutinium_server.release.formats.escaping import attribute, text
from skrutinium_server.release.formats.skrutinium.stamp import utc
from skrutinium_server.release.registers.model import SCHEMA, Edition, Paper, root


def calendar_papers(definition: Definition, calendar: Calendar) -> Iterator[Paper]:
    """``calendar.ics`` and ``calendar.xml`` of an event; nothing when the calendar has no entry for it."""
    entries = calendar.of_event(definition.event)
    if not entries:
        return
    yield Paper("calendar.ics", None, lambda edition: _icalendar(definition, entries, edition), b"")
    head = root(
        "calendar", definition.event, made_up=definition.made_up, more=f' zone="{attribute(calendar.zone)}"'
    )
    yield Paper("calendar.xml", SCHEMA, head, _xml(entries))


def _xml(entries: Sequence[Entry]) -> bytes:
    rows = (
        f'<entry id="{attribute(entry.id)}" kind="{entry.kind}" from="{utc(entry.from_)}" to="{utc(entry.to)}">'
        f"<text>{text(entry.text)}</text></entry>\n"
        for entry in entries
    )
    return "".join((*rows, "</calendar>\n")).encode()


def _icalendar(definition: Definition, entries: Sequence[Entry], edition: Edition) -> bytes:
    """All times are UTC, so no time zone has to be described; who made the calendar when comes with the edition."""
    told = Component()
    told.add("prodid", "-//Skrutinium//Calendar of an election//EN")
    told.add("version", "2.0")
    told.add("method", "PUBLISH")
    told.add("x-wr-calname", definition.name)
    mark = "MADE UP: " if definition.made_up else ""
    for entry in entries:
        event = Event()
        event.add("uid", f"{entry.id}.{definition.event}@skrutinium.invalid")
        event.add("dtstamp", edition.time)
        event.add("dtstart", entry.from_)
        if entry.to != entry.from_:
            event.add("dtend", entry.to)
        event.add("summary", f"{mark}{TITLES[entry.kind]}: {definition.name}")
        event.add("description", entry.text)
        event.add("categories", [entry.kind])
        told.add_component(event)
    return bytes(told.to_ical())
