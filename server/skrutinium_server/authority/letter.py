"""The access letter: what a subscriber is told when access is granted, changed or withdrawn. Pure.

One structure (title, paragraphs, sections of rows), from which the mail's text and the PDF are made, so that both say
the same. Nothing in it is secret: access is by address. Source: M5.
"""

import datetime
import textwrap
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from skrutinium_server.authority.errors import LetterError
from skrutinium_server.authority.letter_wording import WORDINGS, Wording
from skrutinium_server.authority.model import Approved, Revoked, Subscriber
from skrutinium_server.authority.ranges import networks, shown
from skrutinium_server.authority.settings import LetterSettings

Kind = Literal["granted", "changed", "withdrawn"]

WIDTH = 76
"""Characters in a line of the mail."""


class SiteFacts(msgspec.Struct, frozen=True):
    """What a letter says of the site.

    The ``fingerprint`` of its key (groups of four), the ``events`` it has, and by event the ``windows`` of the calendar, lines
    of text.
    """

    fingerprint: str
    events: tuple[str, ...]
    windows: Mapping[str, tuple[str, ...]]


class Section(NamedTuple):
    """A heading with rows (label, text; no label: a paragraph). ``fixed``: set in one width, to be compared by eye."""

    heading: str
    rows: tuple[tuple[str, str], ...]
    fixed: bool = False


class Letter(NamedTuple):
    """A letter as it is to be set; ``number`` counts the letters to this subscriber from 1."""

    language: str
    number: int
    date: datetime.datetime
    subject: str
    reference: str
    sender: tuple[str, str]
    recipient: tuple[str, str, str]
    opening: tuple[str, ...]
    sections: tuple[Section, ...]
    closing: tuple[str, ...]


def compose(
    subscriber: Subscriber, number: int, facts: SiteFacts, settings: LetterSettings, now: datetime.datetime
) -> Letter:
    """The letter that tells a subscriber how it stands; ``now`` is its date, UTC. The subscriber was approved once."""
    words = WORDINGS[settings.language]
    told = subscriber.registration
    kind = _kind(subscriber, number)
    zone = zone_of(settings)
    sections = (
        _withdrawn(subscriber, words) if kind == "withdrawn" else _access(subscriber, facts, settings, words)
    )
    if settings.contacts:
        sections = (*sections, Section(words.contacts, tuple(("", line) for line in settings.contacts)))
    organisation = settings.organisation or words.organiser
    return Letter(
        language=settings.language,
        number=number,
        date=now.astimezone(zone),
        subject=words.subjects[kind].format(id=told.id),
        reference=f"{told.id}/{number:04}",
        sender=(organisation, settings.sender),
        recipient=(told.name, told.email, told.telephone),
        opening=(
            words.greeting,
            words.openings[kind].format(date=_moment(_decided(subscriber), zone)),
        ),
        sections=sections,
        closing=(words.closing, organisation),
    )


def lacking(settings: LetterSettings) -> tuple[str, ...]:
    """The settings without which a letter does not say where to read and whom to call."""
    return tuple(name for name in ("addresses", "contacts") if not getattr(settings, name))


def text_of(letter: Letter, words: Wording) -> str:
    """The letter as plain text, lines of at most :data:`WIDTH` characters but for addresses that are longer."""
    return "\n".join(_lines(letter, words)) + "\n"


def _kind(subscriber: Subscriber, number: int) -> Kind:
    if isinstance(subscriber.standing, Revoked):
        return "withdrawn"
    return "granted" if number == 1 else "changed"


def _decided(subscriber: Subscriber) -> datetime.datetime:
    match subscriber.standing:
        case Approved(decision) | Revoked(decision=decision):
            return decision.time
        case _:
            return subscriber.requested


def _access(
    subscriber: Subscriber, facts: SiteFacts, settings: LetterSettings, words: Wording
) -> tuple[Section, ...]:
    told = subscriber.registration
    events = told.events or facts.events
    ranges = [(words.live, shown(one)) for one in networks(told.live)]
    ranges += [(words.test, shown(one)) for one in networks(told.test)]
    until = (
        words.no_end
        if told.until is None
        else words.until.format(moment=_moment(told.until, zone_of(settings)))
    )
    windows = _windows(facts, events) or settings.windows
    bundles = tuple(
        ("", f"{address}/event/{event}/registers/newest/bundle.zip")
        for address in _addresses(settings)[:1] or ("",)
        for event in events or ("EVENT",)
    )
    sections = [
        Section(
            words.addresses,
            tuple(
                zip(
                    (words.first, *[words.second] * len(_addresses(settings))),
                    _addresses(settings),
                    strict=False,
                )
            ),
        ),
        Section(words.ranges, tuple(ranges), fixed=True),
        Section(
            words.reach, ((words.events, ", ".join(told.events) or words.every_event), (words.end, until))
        ),
        Section(words.check, (("", words.check_text.format(access=_access_page(settings))),)),
        Section(words.fingerprint, (*(("", half) for half in _halves(facts.fingerprint)),), fixed=True),
        Section("", (("", words.fingerprint_use),)),
        Section(words.bundle, (("", words.bundle_use), *bundles)),
        Section(words.windows, tuple(("", line) for line in windows)),
    ]
    if told.test:
        sections.append(Section(words.test_rule, (("", words.test_rule_text),)))
    return tuple(section for section in sections if section.rows)


def _withdrawn(subscriber: Subscriber, words: Wording) -> tuple[Section, ...]:
    assert isinstance(subscriber.standing, Revoked)
    told = subscriber.registration
    ranges = tuple(("", shown(one)) for one in networks((*told.live, *told.test)))
    return Section(words.reason, (("", subscriber.standing.reason),)), Section(
        words.ranges_ended, ranges, fixed=True
    )


def _windows(facts: SiteFacts, events: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of all events; one that holds for some of them only names them."""
    told: dict[str, list[str]] = {}
    for event in events:
        for line in facts.windows.get(event, ()):
            told.setdefault(line, []).append(event)
    return tuple(
        line if len(named) == len(events) else f"{', '.join(named)}: {line}" for line, named in told.items()
    )


def _addresses(settings: LetterSettings) -> tuple[str, ...]:
    return tuple(address.rstrip("/") for address in settings.addresses)


def _access_page(settings: LetterSettings) -> str:
    return f"{_addresses(settings)[0]}/access" if settings.addresses else "/access"


def _halves(fingerprint: str) -> tuple[str, ...]:
    groups = fingerprint.split()
    half = len(groups) // 2
    return " ".join(groups[:half]), " ".join(groups[half:])


def zone_of(settings: LetterSettings) -> ZoneInfo:
    """The time zone that a letter tells times in; raises :class:`LetterError`."""
    try:
        return ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LetterError(
            f"There is no time zone {settings.timezone!r}; [letter] timezone in site.toml takes names such as Europe/Prague.",
            code="letter-timezone",
        ) from error


def _moment(moment: datetime.datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _lines(letter: Letter, words: Wording) -> Iterator[str]:
    yield letter.sender[0]
    yield from (line for line in letter.sender[1:] if line)
    yield ""
    yield from letter.recipient
    yield ""
    yield f"{words.date}: {letter.date:%Y-%m-%d}"
    yield f"{words.reference}: {letter.reference}"
    yield ""
    yield letter.subject
    yield "=" * min(len(letter.subject), WIDTH)
    for paragraph in letter.opening:
        yield ""
        yield from _wrapped(paragraph, "")
    for section in letter.sections:
        yield ""
        if section.heading:
            yield section.heading.upper()
        for label, text in section.rows:
            yield from _wrapped(f"{label}: {text}" if label else text, "  " if section.heading else "")
    yield ""
    for line in letter.closing:
        yield from _wrapped(line, "")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
