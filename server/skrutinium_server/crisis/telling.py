"""A message's subject and body: a plain text that can be read on air. Pure.

The numbers are those of ``summary.xml``: whole numbers and hundredths of a percent, nothing is counted here. Sources: requirement M9, design § 4.5 and § 4.6.
"""

import datetime
import textwrap
import zoneinfo
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from lxml import etree

from skrutinium_server.crisis.errors import UnreadableResults
from skrutinium_server.crisis.model import File, Kind, Results
from skrutinium_server.crisis.recipients import Language
from skrutinium_server.crisis.wording import WORDINGS, Wording

WIDTH: Final = 72
_NAME: Final = 34
"""Letters of a name that leave room for its numbers in the same line."""
_TAG: Final = "{urn:skrutinium:1}"
_ZONES: Final = {"cz": "Europe/Prague", "pl": "Europe/Warsaw", "sk": "Europe/Bratislava"}
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Ahead(msgspec.Struct, frozen=True):
    """One of those ahead: votes, share in hundredths of a percent; ``seats`` None while nothing is decided or where there are none."""

    id: str
    name: str
    votes: int
    share: int
    seats: int | None


class KindTold(msgspec.Struct, frozen=True):
    """One kind of contest as the summary tells it; shares in hundredths of a percent, ``turnout`` None while it is not known."""

    id: str
    expected: int
    reported: int
    share: int
    turnout: int | None
    contests: int
    decided: int
    ahead: tuple[Ahead, ...]


class Told(msgspec.Struct, frozen=True):
    """What a message says beside the files, the same for everybody who gets the same: see :func:`body`."""

    kind: Kind
    language: Language
    results: Results | None
    kinds: tuple[KindTold, ...] = ()
    state: str = "interim"
    corrected: bool = False
    fingerprint: str = ""
    zone: str = "UTC"
    interval: int = 600
    contacts: tuple[str, ...] = ()
    second_site: str = ""
    left_out: tuple[str, ...] = ()


def read_summary(root: etree._Element) -> tuple[str, tuple[KindTold, ...]]:
    """State and kinds of contest of ``summary.xml``; raises :class:`UnreadableResults`."""
    try:
        return root.attrib["state"], tuple(map(_kind, root.iterchildren(f"{_TAG}kind")))
    except (KeyError, ValueError) as error:
        raise UnreadableResults(
            "summary.xml", f"lacks something or has a wrong number ({str(error)[:100]})"
        ) from error


def _kind(element: etree._Element) -> KindTold:
    told = element.attrib
    return KindTold(
        told["id"],
        int(told["expected"]),
        int(told["reported"]),
        int(told["share"]),
        int(told["turnout"]) if "turnout" in told else None,
        int(told["contests"]),
        int(told["decided"]),
        tuple(
            Ahead(
                row.get("committee") or row.get("candidate") or "",
                row.get("name", ""),
                int(row.attrib["votes"]),
                int(row.attrib["share"]),
                int(row.attrib["seats"]) if "seats" in row.attrib else None,
            )
            for row in element.iterchildren(f"{_TAG}leading")
        ),
    )


def zone_of(law: str, told: str = "") -> str:
    """The time zone in which people read times: the one that is told, else that of the law's country, else UTC."""
    return told or _ZONES.get(law.partition("-")[0], "UTC")


def marks(told: Told) -> tuple[str, ...]:
    """What must not be overlooked: a message that only tries out the way, no live run, made-up data. They stand first."""
    words = WORDINGS[told.language]
    found = [words.trial] if told.kind == "test" else []
    if told.results is not None:
        phase = told.results.run.phase
        # A phase that is not known here is said as it is: whatever is not live is marked.
        found += [] if phase == "live" else [words.phases.get(phase, phase.upper())]
        found += [words.made_up] if told.results.made_up else []
    return tuple(dict.fromkeys(found))


def subject(told: Told, part: int = 1, parts: int = 1) -> str:
    """The line that people see in a list of mails: phase first when it is not live, event, release, protocols, time."""
    words = WORDINGS[told.language]
    marked = f"[{' · '.join(marks(told))}] " if marks(told) else ""
    if told.results is None:
        return f"{marked}{words.nothing_yet}"
    results = told.results
    what = words.subjects[told.kind].format(number=results.newest.number)
    counted = words.of.format(part=_number(results.reported, words), whole=_number(results.expected, words))
    local = results.newest.time.astimezone(zoneinfo.ZoneInfo(told.zone))
    several = f" ({part}/{parts})" if parts > 1 else ""
    # A name with line ends could add headers to a mail.
    name = " ".join(results.run.name.split())
    return f"{marked}{name}: {what} · {words.protocols.lower()} {counted} · {local:%H:%M}{several}"


def body(told: Told, names: Iterable[str], part: int = 1, parts: int = 1) -> str:
    """The text: what it is, the table, what is attached, how to check it, whom to call; no line is longer than 72 unless a name is."""
    words = WORDINGS[told.language]
    sections = [_marked(told, words), _wrapped(words.reasons[told.kind])]
    if told.results is None:
        sections.append([words.nothing_yet.capitalize() + "."])
    else:
        sections += [_heading(told, told.results, words), *(_table(kind, words) for kind in told.kinds)]
        if told.corrected:
            sections.append(_wrapped(words.corrected))
    if told.kind in ("begin", "release", "unchanged"):
        sections.append(_wrapped(words.every.format(minutes=max(1, -(-told.interval // 60)))))
    if parts > 1:
        sections.append([words.part.format(part=part, parts=parts)])
    sections.append([f"{words.files}:", *(f"  {name}" for name in names)] if (names := list(names)) else [])
    sections.append([f"{words.left_out}:", *(f"  {name}" for name in told.left_out)] if told.left_out else [])
    sections.append(_second_site(told, words))
    if told.fingerprint:
        sections.append(_checking(told, words))
    if told.contacts:
        sections.append([f"{words.call}:", *(f"  {line}" for line in told.contacts)])
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def note(told: Told) -> File:
    """``READ-ME.txt`` in the recipient's language."""
    results = told.results
    assert results is not None
    words = WORDINGS[told.language]
    text = words.note.format(
        name=results.run.name,
        number=results.newest.number,
        moment=_moment(results.newest.time, told.zone, words),
        marks="".join(f"{line}\n" for line in _marked(told, words)),
    )
    return File("READ-ME.txt", text.encode())


def _marked(told: Told, words: Wording) -> list[str]:
    found = marks(told)
    if not found:
        return []
    result = told.results is not None and (told.results.run.phase != "live" or told.results.made_up)
    return [f"*** {' · '.join(found)} ***", *([words.no_result] if result else [])]


def _heading(told: Told, results: Results, words: Wording) -> list[str]:
    moment = _moment(results.newest.time, told.zone, words)
    return [
        *textwrap.wrap(results.run.name, WIDTH),
        f"{words.release.format(number=results.newest.number)}, {words.changed.format(moment=moment)} ({told.zone})",
        words.states.get(told.state, told.state),
    ]


def _table(kind: KindTold, words: Wording) -> list[str]:
    name = words.kinds.get(kind.id) or words.other_kind.format(id=kind.id)
    lines = [name.upper(), "-" * min(WIDTH, len(name))]
    count = words.of.format(part=_number(kind.reported, words), whole=_number(kind.expected, words))
    lines.append(_row(words.protocols, f"{count}  ({_share(kind.share, words)})"))
    if kind.turnout is not None:
        lines.append(_row(words.turnout, _share(kind.turnout, words)))
    decided = words.of.format(part=_number(kind.decided, words), whole=_number(kind.contests, words))
    if kind.decided:
        lines.append(_row(words.decided, decided))
    if not kind.reported:
        return [*lines, words.none_reported]
    seats = any(one.seats is not None for one in kind.ahead)
    if kind.ahead:
        lines += ["", _columns("", words.votes, words.share, words.seats if seats else "")]
    for place, one in enumerate(kind.ahead, 1):
        lines += _ahead(place, one, words)
    if seats and kind.decided < kind.contests:
        lines += ["", *_wrapped(words.seats_so_far.format(decided=decided))]
    return lines


def _row(name: str, value: str) -> str:
    return f"{name + ':':<22}{value}"


def _ahead(place: int, one: Ahead, words: Wording) -> Iterator[str]:
    name = one.name or (words.unnamed.format(id=one.id) if one.id else words.others)
    numbers = _number(one.votes, words), _share(one.share, words), "" if one.seats is None else str(one.seats)
    first, *rest = textwrap.wrap(f"{place}. {name}", _NAME, subsequent_indent="   ", break_long_words=False)
    *before, last = [first, *rest]
    yield from before
    yield _columns(last, *numbers)


def _columns(name: str, votes: str, share: str, seats: str) -> str:
    return f"{name:<{_NAME}} {votes:>13} {share:>10} {seats:>9}".rstrip()


def _second_site(told: Told, words: Wording) -> list[str]:
    return [f"{words.second_site}:", f"  {told.second_site}"] if told.second_site else []


def _checking(told: Told, words: Wording) -> list[str]:
    groups = told.fingerprint.split()
    return [
        f"{words.check}:",
        *_wrapped(words.check_text, "  "),
        *_wrapped(f"{words.fingerprint}:", "  "),
        *(f"    {' '.join(groups[at : at + 8])}" for at in range(0, len(groups), 8)),
    ]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _moment(moment: datetime.datetime, zone: str, words: Wording) -> str:
    local = moment.astimezone(zoneinfo.ZoneInfo(zone))
    return words.moment.format(
        day=local.day,
        month=_MONTHS[local.month - 1],
        number=local.month,
        year=local.year,
        hour=local.hour,
        minute=local.minute,
    )


def _number(number: int, words: Wording) -> str:
    return f"{number:,}".replace(",", words.thousands)


def _share(hundredths: int, words: Wording) -> str:
    whole, rest = divmod(hundredths, 100)
    return f"{whole}{words.decimal}{rest:02d} %"
