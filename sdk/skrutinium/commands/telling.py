"""Lines for people: in a terminal they are broken between words; in a pipe or a file each stays one line."""

import re
import shutil
import sys
import textwrap

from skrutinium.watching.view import grouped

_TOGETHER = "\N{INFORMATION SEPARATOR ONE}"
"""In place of a space at which no line is broken; no text for people holds one."""
_FINGERPRINT = re.compile(r"\b(?:[0-9a-f]{4} ){15}[0-9a-f]{4}\b")


def tell(text: str, *, error: bool = False) -> None:
    """Print it at once, to the standard error where it is of an ``error`` or a warning."""
    stream = sys.stderr if error else sys.stdout
    if stream.isatty():
        text = broken(text, shutil.get_terminal_size().columns)
    print(text, file=stream, flush=True)


def tell_first_met(fingerprint: str | None) -> None:
    """Say that a key is trusted although nobody named it."""
    words = f"key {fingerprint} is trusted because it was met first: compare it with paper (--fingerprint)"
    tell(f"skrutinium: {words}", error=True)


def counted(number: int, what: str) -> str:
    """So many of them, in words for people."""
    return f"{grouped(number)} {what}" + ("" if number == 1 else "s")


def broken(text: str, width: int) -> str:
    """Each line broken between words to ``width``, what goes on is set in; a word that is longer (an address, a path) stays whole."""
    return "\n".join(part for line in text.split("\n") for part in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()) + 2)
    parts = textwrap.wrap(
        kept_together(line, width - len(margin)),
        width,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return [apart(part) for part in parts]


def kept_together(text: str, width: int) -> str:
    """Text whose lines are to be broken: a number stays with its percent sign; a fingerprint, to be compared with paper, is one line, or halves."""
    text = text.replace(" %", _TOGETHER + "%")
    return _FINGERPRINT.sub(lambda found: _one_line_or_two(found[0], width), text)


def _one_line_or_two(fingerprint: str, width: int) -> str:
    groups = fingerprint.split()
    size = 16 if len(fingerprint) <= width else 8
    return " ".join(_TOGETHER.join(groups[start : start + size]) for start in range(0, 16, size))


def apart(line: str) -> str:
    """A broken line as it is shown."""
    return line.replace(_TOGETHER, " ")
