"""The persons of a site as they are now: the event log is read again only when it has grown."""

import asyncio
from collections.abc import Mapping

from skrutinium_server.authority.model import Person, State
from skrutinium_server.authority.persons import Authority


class People:
    """What the event log says of persons and subscribers."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._known: tuple[tuple[int, int, int], State] | None = None

    async def state(self) -> State:
        """What follows from everything recorded; raises the errors of the stage ``authority``."""
        return await asyncio.to_thread(self._state)

    async def persons(self) -> Mapping[str, Person]:
        """Everybody who may act, by name."""
        return (await self.state()).persons

    def _state(self) -> State:
        try:
            told = self._authority.log.path.stat()
        except FileNotFoundError:
            return self._authority.state()
        stamp = (told.st_ino, told.st_size, told.st_mtime_ns)
        if self._known is None or self._known[0] != stamp:
            self._known = stamp, self._authority.state()
        return self._known[1]
