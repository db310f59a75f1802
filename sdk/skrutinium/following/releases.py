"""The loop over releases: taking the next one says that the one before is done."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Self

from skrutinium.following.release import Release


class Releases:
    """An asynchronous iterator; ``more`` waits for releases, ``begun`` and ``done`` are told of each."""

    def __init__(
        self,
        more: Callable[[], Awaitable[list[Release]]],
        begun: Callable[[Release], None],
        done: Callable[[Release], Awaitable[None]],
    ) -> None:
        self._more = more
        self._begun = begun
        self._done = done
        self._waiting: deque[Release] = deque()
        self._current: Release | None = None

    def __aiter__(self) -> Self:
        """The loop itself."""
        return self

    async def __anext__(self) -> Release:
        """The next release; waits for it."""
        if self._current is not None:
            current, self._current = self._current, None
            await self._done(current)
        while not self._waiting:
            self._waiting.extend(await self._more())
        self._current = self._waiting.popleft()
        self._begun(self._current)
        return self._current
