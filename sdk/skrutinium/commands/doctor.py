"""``skrutinium doctor``: say what is wrong on the way to a feed, and what to do about it."""

import argparse
import datetime
import json
import os
import shutil
import sys
import textwrap
from pathlib import Path

from skrutinium.commands.choice import which_run
from skrutinium.commands.telling import apart, counted, kept_together
from skrutinium.examining.doctor import examine
from skrutinium.examining.finding import Asked, Finding, Machine, exit_code
from skrutinium.sources.credentials import plain_address
from skrutinium.trust.signing import plain_fingerprint
from skrutinium.watching.screen import safe

HELP = "say what is wrong on the way to a feed, and what to do about it"

_MARKS = {"ok": ("✓", "\x1b[32m"), "warn": ("!", "\x1b[1;33m"), "bad": ("✗", "\x1b[1;31m")}
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_HEADS = {"programs": "This machine", "name": "\nThe way", "address": "\nThe way", "access": "\nThe feed"}
"""What stands above the first check of each part."""
_NAMED = 22
_WIDEST = 110


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument("url", metavar="URL", help="address of the feed")
    parser.add_argument("--state", metavar="FILE", help="look at this state file too")
    parser.add_argument("--json", action="store_true", help="print all findings as one JSON object")
    which_run(parser)


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    state = None if told.state is None else Path(told.state)
    asked = Asked(told.url.rstrip("/"), told.event, told.run_id, told.fingerprint, state)
    machine = Machine(lambda: datetime.datetime.now(datetime.UTC), dict(os.environ))
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    colour = sys.stdout.isatty()

    def show(one: Finding) -> None:
        if one.check in _HEADS:
            head = _HEADS[one.check]
            print(f"{_BOLD}{head}{_PLAIN}" if colour else head)
        print("\n".join(lines(one, width, colour=colour)), flush=True)

    found = await examine(asked, machine, (lambda _: None) if told.json else show)
    if told.json:
        counts = {name: sum(one.verdict == name for one in found) for name in ("ok", "warn", "bad")}
        values = {
            "url": plain_address(asked.url, host=True),
            "fine": not counts["bad"],
            **counts,
            "findings": [one.as_json() for one in found],
        }
        print(json.dumps(values, indent=1, ensure_ascii=False))
    else:
        print(f"\n{verdict(found, colour=colour)}")
    return exit_code(found)


def lines(one: Finding, width: int, *, colour: bool) -> list[str]:
    """A finding for people: what was seen, and below it what was expected and what to do."""
    mark, style = _MARKS[one.verdict]
    head = f" {style}{mark}{_PLAIN} " if colour else f" {mark} "
    name = one.check.ljust(_NAMED)
    if colour and one.verdict != "ok":
        name = f"{_BOLD}{name}{_PLAIN}"
    room = max(30, width - _NAMED - 3)
    seen = _wrapped(one.seen, room) or [""]
    out = [head + name + seen[0]]
    more = [(text, False) for text in seen[1:]]
    if one.verdict != "ok":
        more += [(text, True) for text in _wrapped(f"expected: {one.expected}", room) if one.expected]
        more += [(text, False) for text in _wrapped(f"→ {one.advice}", room, "  ") if one.advice]
    margin = " " * (_NAMED + 3)
    out += [f"{margin}{_DIM}{text}{_PLAIN}" if dim and colour else margin + text for text, dim in more]
    return out


def _wrapped(text: str, width: int, margin: str = "") -> list[str]:
    together = kept_together(safe(text), width - len(margin))
    return [apart(line) for line in textwrap.wrap(together, width, subsequent_indent=margin)]


def verdict(found: list[Finding], *, colour: bool) -> str:
    """All of it in a line."""
    bad, warn = ([one.check for one in found if one.verdict == name] for name in ("bad", "warn"))
    if bad:
        word, style = f"NOT FINE: {', '.join(bad)}", _MARKS["bad"][1]
    elif warn:
        word, style = "FINE, but see the warnings", _MARKS["warn"][1]
    else:
        word, style = "FINE", _MARKS["ok"][1]
    tail = f" ({counted(len(found), 'check')}, {counted(len(warn), 'warning')}, {counted(len(bad), 'fault')})"
    return f"{style}{word}{_PLAIN}{tail}" if colour else word + tail
