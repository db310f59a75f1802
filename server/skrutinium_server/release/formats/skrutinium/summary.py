"""``summary.xml``: one line for tickers for each kind of contest, and the numbers in it.

Shares are hundredths of a percent, made with whole numbers, halves up: ``(20000 * part + whole) // (2 * whole)``. While a
protocol is out the share of protocols is 9999 at most, so no line says 100.00 % too early. Source: design § 4.5 to § 4.7.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from skrutinium_server.release.formats.escaping import attribute, text
from skrutinium_server.release.formats.skrutinium.outline import KINDS, Outline
from skrutinium_server.release.formats.skrutinium.stamp import DECLARATION, Stamp
from skrutinium_server.release.model import State
from skrutinium_server.tally.model import Count, KindTally
from skrutinium_server.tally.tally import Tally

LEADING: Final = 5
"""So many of those ahead are named."""

LONGEST: Final = 200
"""Characters of a line at most."""

_NAMES: Final = {
    "municipal-council": "Municipal councils",
    "ward-council": "Ward councils",
    "regional-council": "Regional councils",
    "senate": "Senate",
    "mayor": "Mayors",
    "referendum": "Referendum",
}
_LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True)
class _Ahead:
    """One of those ahead: its attributes but the numbers, and the name in the line."""

    head: str
    name: str
    votes: int
    seats: int | None


def summary(outline: Outline, tally: Tally, stamp: Stamp, state: State) -> bytes:
    """The document; ``state`` is that of the whole event."""
    definition, country = outline.definition, tally.country
    prefix = _prefix(stamp, state, definition.made_up)
    kinds = "".join(
        _kind(id, country.kinds[id], prefix, _ahead(id, outline, tally))
        for id in KINDS
        if id in country.kinds
    )
    return (
        f'{DECLARATION}<summary {stamp.attributes()} name="{attribute(definition.name)}" state="{state}">\n'
        f"{kinds}</summary>\n"
    ).encode()


def share(part: int, whole: int) -> int:
    """Hundredths of a percent, halves up; 0 of nothing is 0."""
    return (20000 * part + whole) // (2 * whole) if whole else 0


def _prefix(stamp: Stamp, state: State, made_up: bool) -> str:
    """What must not be overlooked: no real election, or one beyond counting."""
    marks = [stamp.phase.upper()] if stamp.phase != "live" else []
    marks += ["MADE UP"] if made_up else []
    marks += [state.upper()] if state in ("final", "certified", "corrected") else []
    return f"{', '.join(marks)}: " if marks else ""


def _kind(id: str, kind: KindTally, prefix: str, ahead: list[_Ahead]) -> str:
    count = kind.count
    voters = _turnout(count)
    counted = share(count.reported, count.expected)
    if count.reported < count.expected:
        counted = min(counted, 9999)
    turnout = "" if voters is None else f' turnout="{voters}"'
    votes = sum(row.votes for row in ahead)
    first = [(row, share(row.votes, votes)) for row in ahead[:LEADING]] if count.reported else []
    rows = "".join(f"  <leading {_leading(row, part)}/>\n" for row, part in first)
    line = _line(_NAMES[id], kind, prefix, counted, voters, first)
    return (
        f' <kind id="{id}" expected="{count.expected}" reported="{count.reported}" share="{counted}"{turnout} '
        f'contests="{kind.contests}" decided="{kind.decided}" seats-decided="{kind.seats_decided}">\n'
        f"  <line>{text(line)}</line>\n{rows} </kind>\n"
    )


def _leading(row: _Ahead, part: int) -> str:
    seats = "" if row.seats is None else f' seats="{row.seats}"'
    return f'{row.head}votes="{row.votes}" share="{part}"{seats}'


def _turnout(count: Count) -> int | None:
    """Voters who got ballots as a share of those on the roll; None unless every reported protocol tells both."""
    told, figures = count.told, count.figures
    if not count.reported or any(told.get(field, 0) != count.reported for field in ("issued", "eligible")):
        return None
    if figures["issued"] > figures["eligible"] or not figures["eligible"]:
        return None
    return share(figures["issued"], figures["eligible"])


def _ahead(id: str, outline: Outline, tally: Tally) -> list[_Ahead]:
    """Everybody with votes in a kind of contest, most votes first; candidates where it has one contest of persons."""
    contests = [row for row in outline.definition.contests if row.kind == id]
    if len(contests) == 1 and contests[0].form == "persons":
        rows = list(_candidates(contests[0].id, outline, tally))
    else:
        rows = list(_committees(tally.country.kinds[id], outline.committee_names))
    return sorted((row for row in rows if row.votes), key=lambda row: -row.votes)


def _committees(kind: KindTally, names: Mapping[str, str | None]) -> Iterator[_Ahead]:
    for id, name in names.items():
        won = kind.committees.get(id)
        if won is not None:
            told = f'name="{attribute(name)}" ' if name else ""
            seats = won.seats if kind.decided else None
            yield _Ahead(f'committee="{id}" {told}', name or f"committee {id}", won.votes, seats)
    unknown = kind.committees.get(None)
    if unknown is not None:
        yield _Ahead(
            "", "lists of unknown committees", unknown.votes, unknown.seats if kind.decided else None
        )


def _candidates(contest: str, outline: Outline, tally: Tally) -> Iterator[_Ahead]:
    for district in tally.contests[contest].districts.values():
        if district.without_candidates:
            return
        names = outline.candidate_names(district.id)
        for number, votes in sorted(district.candidate_votes.get(0, {}).items()):
            name = names.get(number, "")
            told = f'name="{attribute(name)}" ' if name else ""
            yield _Ahead(f'candidate="{number}" {told}', name or f"candidate {number}", votes, None)


def _line(
    name: str,
    kind: KindTally,
    prefix: str,
    counted: int,
    turnout: int | None,
    ahead: list[tuple[_Ahead, int]],
) -> str:
    """Name, progress, turnout, contests decided, and as many of those ahead as there is room for."""
    count = kind.count
    line = f"{prefix}{name}: {count.reported} of {count.expected} protocols ({_percent(counted)})"
    if turnout is not None:
        line += f", turnout {_percent(turnout)}"
    if count.reported:
        line += f", {kind.decided} of {kind.contests} decided"
    separator = "; ahead: "
    for row, part in ahead:
        seats = f" ({row.seats} seats)" if row.seats else ""
        more = f"{separator}{_short(row.name)} {_percent(part)}{seats}"
        if len(line) + len(more) > LONGEST:
            break
        line, separator = line + more, ", "
    return line


def _short(name: str) -> str:
    """A name in the line: on one line, and no longer than there is room for."""
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _percent(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d} %"
