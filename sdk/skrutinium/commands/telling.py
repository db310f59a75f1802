"""Lines for people: in a terminal they are broken between words; in a pipe or a file each stays one line."""

import shutil
import sys
import textwrap

_TOGETHER = "\N{NO-BREAK SPACE}%"
"""A number and its percent sign stay in one line."""


def tell(text: str, *, error: bool = False) -> None:
    """Print it at once, to the standard error where it is of an ``error`` or a warning."""
    stream = sys.stderr if error else sys.stdout
    if stream.isatty():
        text = broken(text, shutil.get_terminal_size().columns)
    print(text, file=stream, flush=True)


def broken(text: str, width: int) -> str:
    """Each line broken between words to ``width``, what goes on is set in; a word that is longer (an address, a path) stays whole."""
    return "\n".join(part for line in text.split("\n") for part in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()) + 2)
    parts = textwrap.wrap(
        line.replace(" %", _TOGETHER),
        width,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return [part.replace(_TOGETHER, " %") for part in parts]
