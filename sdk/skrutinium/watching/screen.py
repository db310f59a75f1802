"""Drawing a night in a terminal of any size with plain ANSI sequences; pure: a view, a size and a clock's word in, lines out."""

import re
from dataclasses import dataclass

from skrutinium.documents.results import Committee, Kind
from skrutinium.following.news import Health
from skrutinium.watching.view import View, grouped, share, turnout

_RESET = "\x1b[0m"
_STYLES = {
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
    "bar": "\x1b[38;5;39m",
    "rest": "\x1b[38;5;240m",
    "good": "\x1b[32m",
    "warn": "\x1b[33m",
    "live": "\x1b[1;97;41m",
    "rehearsal": "\x1b[1;30;43m",
    "test": "\x1b[1;97;45m",
    "stale": "\x1b[1;97;41m",
}
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_KINDS = {
    "municipal-council": "Municipal councils",
    "ward-council": "Ward councils",
    "regional-council": "Regional councils",
    "senate": "Senate",
    "mayor": "Mayors",
    "referendum": "Referendums",
}
_PARTS = " ▏▎▍▌▋▊▉"


def plain(text: str) -> str:
    """The text without its styles."""
    return _SEQUENCE.sub("", text)


def safe(text: str) -> str:
    """A text from a feed without anything a terminal would obey."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def bar(part: int, whole: int, width: int) -> str:
    """A bar of ``width`` characters, exact to an eighth of one."""
    eighths = 0 if whole <= 0 else min(part, whole) * width * 8 // whole
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (_PARTS[rest] if rest and full < width else "")
    return drawn.ljust(width)


def fit(text: str, width: int) -> str:
    """The text in exactly ``width`` characters."""
    return text.ljust(width) if len(text) <= width else text[: max(0, width - 1)] + "…"


def clip(line: str, width: int) -> str:
    """The line cut to ``width`` characters; styles count nothing and are all kept."""
    if len(plain(line)) <= width:
        return line
    out, left = [], width
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z])", line):
        if _SEQUENCE.fullmatch(part):
            out.append(part)
        else:
            out.append(part[:left])
            left -= len(part[:left])
    return "".join(out)


@dataclass(frozen=True, slots=True)
class Screen:
    """A drawing surface of that size; ``colour`` off leaves only the text."""

    width: int
    height: int
    colour: bool = True

    def draw(self, view: View, health: Health | None = None, age: float = 0, note: str = "") -> list[str]:
        """At most ``height`` lines of at most ``width`` characters; ``age`` in seconds since the release came."""
        head = [*self._head(view, health, age), self._progress(view), ""]
        room = max(0, self.height - len(head) - 1)
        kinds = [kind for kind in view.kinds if kind.contests] or list(view.kinds)
        latest = min(len(view.latest), max(2, room // 4)) if room >= 10 else 0
        body: list[str] = []
        for index, kind in enumerate(kinds):
            left = room - len(body) - (latest + 2 if latest else 0)
            body += self._kind(kind, left // (len(kinds) - index))
        if latest:
            body += self._latest(view, room - len(body) - 2)
        lines = [*head, *body[:room]]
        lines += [""] * (self.height - 1 - len(lines))
        lines = [clip(line, self.width) for line in lines[: self.height - 1]]
        return [*lines, self._style("dim", fit(note or "Ctrl-C ends", self.width))]

    def _style(self, name: str, text: str) -> str:
        return f"{_STYLES[name]}{text}{_RESET}" if self.colour else text

    def _head(self, view: View, health: Health | None, age: float) -> list[str]:
        mark = f" {view.phase.upper()} "
        if view.made_up:
            mark += "· MADE-UP NAMES AND NUMBERS "
        channel = f" · {health.channel}" if health and health.channel != "none" else ""
        number, time = f"release {view.number}", f" · {view.time:%H:%M:%S} UTC"
        told = (f"{time} · {_age(age)}{channel}", f" · {_age(age)}{channel}", f" · {_age(age)}", "")
        style = view.phase if view.phase in _STYLES else "test"
        if health and health.stale:
            mark += f"· STALE: the publisher has been silent for {health.silent:.0f} s "
            style = "stale"
        # Where there is little room, how old it is matters more than when it was.
        right = next((number + one for one in told if len(mark) + len(number + one) < self.width), number)
        banner = fit(mark, max(0, self.width - len(right) - 1)) + right
        finality = self._style("good" if view.all_in else "warn", view.state)
        name = fit(safe(view.name), max(10, self.width - len(view.run) - len(view.state) - 10)).rstrip()
        second = f"{self._style('bold', name)} · run {safe(view.run)} · {finality}"
        return [self._style(style, fit(banner, self.width)), second]

    def _progress(self, view: View) -> str:
        words = f" {grouped(view.reported)} of {grouped(view.expected)} protocols, {share(view.reported, view.expected)}"
        if view.arrived:
            words += f", +{view.arrived}"
        width = max(8, self.width - len(words))
        drawn = bar(view.reported, view.expected, width)
        filled = drawn.rstrip()
        rest = "░" * (width - len(filled))
        return self._style("good" if view.all_in else "bar", filled) + self._style("rest", rest) + words

    def _kind(self, kind: Kind, room: int) -> list[str]:
        if room < 2:
            return []
        count = kind.count
        name = _KINDS.get(kind.id, kind.id)
        facts = f"{grouped(count.reported)}/{grouped(count.expected)} protocols · turnout {turnout(kind)}"
        if self.width >= 70:
            facts += f" · {grouped(kind.decided)} of {grouped(kind.contests)} decided"
        lines = [
            f"{self._style('bold', name)}  {self._style('dim', fit(facts, max(0, self.width - len(name) - 2)).rstrip())}"
        ]
        named = [one for one in kind.committees if one.votes]
        if not named:
            return [*lines, self._style("dim", "  nothing reported yet"), ""][:room]
        # The row without a committee is a remainder, not a competitor: it stands last and sets no scale.
        ranked = sorted(named, key=lambda one: (one.id is None, -(one.votes or 0), one.name or ""))
        shown = max(1, room - 2)
        rest = ranked[-1:] if ranked[-1].id is None and len(ranked) > shown else []
        total = sum(one.votes or 0 for one in named)
        top = ranked[0].votes or 1
        lines += [self._committee(one, top, total, kind) for one in [*ranked[: shown - len(rest)], *rest]]
        return [*lines, ""]

    def _committee(self, one: Committee, top: int, total: int, kind: Kind) -> str:
        votes, part = grouped(one.votes).rjust(11), share(one.votes or 0, total).rjust(7)
        seats = ("–" if one.seats is None else grouped(one.seats)).rjust(6)
        tail = f"{votes} {part}" + (f" {seats} seats" if kind.decided else "")
        left = self.width - len(tail) - 3
        name_width = max(8, min(44, left * 3 // 5))
        name = fit(
            safe(one.name or (f"committee {one.id}" if one.id else "lists of unknown committees")), name_width
        )
        drawn = bar(one.votes or 0, top, max(0, left - name_width))
        style = "bar" if one.id is not None else "rest"
        return f" {name} {self._style(style, drawn)} {tail}"

    def _latest(self, view: View, room: int) -> list[str]:
        lines = [self._style("bold", "Latest")]
        for one in view.latest[: max(0, room)]:
            text = fit(f" {one.time:%H:%M} {safe(one.text)}", self.width)
            lines.append(self._style("warn", text) if one.correction else text)
        return lines


def _age(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    return f"{seconds // 60:.0f} min ago"


def one_line(view: View) -> str:
    """A release as one line of text, for a pipe or a log."""
    marks = [view.phase.upper(), *(["MADE UP"] if view.made_up else [])]
    parts = [
        (
            f"{view.time:%Y-%m-%dT%H:%M:%SZ} [{' · '.join(marks)}] {safe(view.name)}, release {view.number} ({view.state}):"
            f" {view.reported} of {view.expected} protocols ({share(view.reported, view.expected)})"
        )
    ]
    parts += [f"+{view.arrived}"] if view.arrived else []
    if view.corrections:
        parts.append(f"{view.corrections} correction{'s' if view.corrections > 1 else ''}")
    for kind in view.kinds:
        named = [one for one in kind.committees if one.votes and one.id is not None]
        if named:
            first = max(named, key=lambda one: one.votes or 0)
            total = sum(one.votes or 0 for one in kind.committees)
            name = safe(first.name or f"committee {first.id}")
            parts.append(f"{kind.id}: turnout {turnout(kind)}, ahead {name} {share(first.votes or 0, total)}")
    return ", ".join(parts)
