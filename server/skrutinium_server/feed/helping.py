"""Accepting for other processes of the same feed that are gone.

Processes that share a port have a socket each, and the system gives every new connection to one of the sockets, whether or not
anybody accepts there (socket(7), ``SO_REUSEPORT``). So all hold the sockets of all, and accept for those that have died until they
are back: nobody waits for one that does not come up, and who waited already is not refused.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable


class Helping:
    """The sockets of others on which one feed accepts; ``accept`` begins to."""

    def __init__(self, accept: Callable[[socket.socket], Awaitable[asyncio.Server]]) -> None:
        self._accept = accept
        self._servers: dict[int, asyncio.Server] = {}
        self._changing = asyncio.Lock()
        self._closed = False

    async def accept_for(self, descriptors: Iterable[int]) -> None:
        """Accept on these sockets, which stay open, and on no others any more."""
        async with self._changing:
            wanted = set() if self._closed else set(descriptors)
            for gone in self._servers.keys() - wanted:
                self._servers.pop(gone).close()
            for number in wanted - self._servers.keys():
                # What is closed in the end is a copy: the socket itself is the process's whose it is.
                listening = socket.socket(fileno=os.dup(number))
                try:
                    self._servers[number] = await self._accept(listening)
                except BaseException:
                    listening.close()
                    raise

    async def close(self) -> None:
        """Accept for nobody any more."""
        self._closed = True
        await self.accept_for(())
