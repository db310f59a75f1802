"""What of which releases goes to whom. Pure.

No release is ever lacking: a message carries every one since the last that surely reached the recipient, each with manifest,
signature, and the agreed documents that it changed. Source: requirement M9.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from skrutinium_server.crisis.model import Document, Release, ReleasePart, Results, Selected, Selection
from skrutinium_server.crisis.recipients import Recipient

_OF_ONE_RELEASE: Final = ("batch/", "corrections/")


class Choice(msgspec.Struct, frozen=True):
    """Which documents of a run are agreed, as patterns of paths."""

    patterns: tuple[str, ...]

    def holds(self, path: str) -> bool:
        """Whether the document at that path is agreed."""
        return any(_matches(pattern, path) for pattern in self.patterns)


def choice_of(recipient: Recipient) -> Choice:
    """The documents agreed with a recipient: those named, and those of areas and contests (a contest's districts come along)."""
    patterns = dict.fromkeys(recipient.documents)
    patterns |= dict.fromkeys(f"area/{area}.xml" for area in recipient.areas)
    for contest in recipient.contests:
        patterns |= dict.fromkeys((f"contest/{contest}.xml", f"district/{contest}.*.xml"))
    return Choice(tuple(sorted(patterns)))


def select(
    choice: Choice,
    results: Results,
    since: int,
    release: Callable[[int], Release],
    named_by: Callable[[Document], int],
    *,
    newest_only: bool = False,
    more: int = 0,
) -> Selection:
    """What a recipient gets who has every release up to ``since``.

    Of the releases before, up to ``more`` are offered, newest first, as what may be left out; ``newest_only``: the same
    for all but the newest one.
    """
    newest = results.newest.number
    held = {path: one for path, one in results.held.items() if choice.holds(path)}
    first_due = newest if newest_only else min(since + 1, newest)
    first_more = max(1, min(since + 1, newest) - more)
    numbers = range(newest, first_more - 1, -1)
    parts = [_part(choice, held, release(number)) for number in numbers]
    due = tuple(part for part in parts if part.number >= first_due)
    there = {one.path for part in due for one in part.newest}
    # Batches and corrections tell of one release only: they go with it.
    lasting = (
        one for path, one in held.items() if path not in there and not path.startswith(_OF_ONE_RELEASE)
    )
    standing = (Selected(one, named_by(one)) for one in lasting)
    return Selection(
        due,
        tuple(sorted(standing, key=lambda one: (-one.number, one.document.path))),
        tuple(part for part in parts if part.number < first_due),
    )


def _part(choice: Choice, held: dict[str, Document], release: Release) -> ReleasePart:
    agreed = [one for one in release.changed if choice.holds(one.path)]
    return ReleasePart(
        release.number,
        tuple(one for one in agreed if held.get(one.path) == one),
        tuple(one for one in agreed if held.get(one.path) != one),
    )


def _matches(pattern: str, path: str) -> bool:
    if "*" not in pattern:
        return pattern == path
    return re.fullmatch("[^/]*".join(map(re.escape, pattern.split("*"))), path) is not None
