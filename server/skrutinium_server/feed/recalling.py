"""Answers from memory, or what has to be read first."""

from collections.abc import Callable

from skrutinium_server.feed.conditional import Coding
from skrutinium_server.feed.memory import Found, Memory, document_key
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.representation import Answer


class Recalling:
    """Answers with what was read from one store into one memory."""

    def __init__(self, past: Past, memory: Memory) -> None:
        self._past = past
        self._memory = memory

    def document(self, sha256: str, coding: Coding, lines: bytes, modified: str = "") -> Found:
        """The document with a hash."""
        return self.recall(
            document_key(sha256, coding), lambda: self._past.document(sha256, coding), lines, modified
        )

    def recall(self, key: object, load: Callable[[], object], lines: bytes, modified: str = "") -> Found:
        """The answer with what is kept under ``key``, or that ``load`` has to be called in a thread first."""
        return self._memory.recall(
            key, load, lambda held: held if isinstance(held, Refusal) else Answer(held, lines, modified)
        )
