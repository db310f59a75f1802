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
from skrutinium_server.crisis.territory import NOWHERE, Territory

_OF_ONE_RELEASE: Final = ("batch/", "corrections/")


class Choice(msgspec.Struct, frozen=True):
    """Which documents of a run are agreed: at these paths, of these contests and their districts, or at paths like the patterns."""

    paths: frozenset[str] = frozenset()
    contests: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether the document at that path is agreed."""
        if path in self.paths:
            return True
        folder, _, name = path.removesuffix(".xml").partition("/")
        if folder == "contest" and name in self.contests:
            return True
        if folder == "district" and name.rpartition(".")[0] in self.contests:
            return True
        return any(_matches(pattern, path) for pattern in self.patterns)


def choice_of(recipient: Recipient, territory: Territory = NOWHERE) -> Choice:
    """The documents agreed with a recipient: those named, those of areas with all below, and those of contests."""
    areas, held = territory.within(recipient.areas)
    patterns = {path for path in recipient.documents if "*" in path}
    return Choice(
        frozenset({*recipient.documents} - patterns) | {f"area/{area}.xml" for area in areas},
        held | {*recipient.contests},
        tuple(sorted(patterns)),
    )


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
    return re.fullmatch("[^/]*".join(map(re.escape, pattern.split("*"))), path) is not None
