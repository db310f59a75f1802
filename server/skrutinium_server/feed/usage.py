"""What a subscriber has asked for at this process: plain whole numbers that are counted where requests are answered."""

import sys
from typing import Final

UNLIMITED: Final = sys.maxsize


class Usage:
    """One subscriber: ``answered`` and ``bytes`` of documents, ``unchanged`` answers (304).

    ``left``: how many answers, other than 304, may be given before somebody has to look whether there are more.
    """

    __slots__ = ("answered", "bytes", "left", "unchanged")

    def __init__(self, left: int = UNLIMITED) -> None:
        self.left = left
        self.answered = 0
        self.unchanged = 0
        self.bytes = 0
