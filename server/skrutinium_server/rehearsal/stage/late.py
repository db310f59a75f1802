"""Protocols that are held back: they come in to the stage, and go on to the counting only when they are let."""

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Late(Generic[T]):
    """Holds back the next protocols that come in, as many as it is told."""

    def __init__(self) -> None:
        self._wanted = 0
        self.held: list[T] = []

    def hold(self, count: int) -> None:
        """Hold back so many more, those that come next."""
        self._wanted += count

    def through(self, records: Sequence[T]) -> Sequence[T]:
        """What of these goes on now."""
        count = min(self._wanted, len(records))
        self._wanted -= count
        self.held += records[:count]
        return records[count:]

    def release(self) -> list[T]:
        """All that were held back, in their order; nothing more is."""
        released, self.held, self._wanted = self.held, [], 0
        return released
