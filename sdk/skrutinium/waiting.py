"""Doing in the event loop of a thread what is asynchronous, and waiting for it: what the faces without ``await`` are made of."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from skrutinium.errors import SkrutiniumError

P = ParamSpec("P")
T = TypeVar("T")
OwnT = TypeVar("OwnT")
OwnT_co = TypeVar("OwnT_co", covariant=True)


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="skrutinium", daemon=True)
        self._thread.start()
        self._begun.wait()

    def _run(self) -> None:
        asyncio.run(self._until_ended())

    async def _until_ended(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._begun.set()
        await self._end.wait()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait for it here; whoever stops waiting stops the work."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            work.close()
            raise SkrutiniumError("this would hold up the event loop that runs here; use skrutinium.connect")
        if not self._thread.is_alive():
            work.close()
            raise SkrutiniumError("this is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def enter(self, own: AbstractAsyncContextManager[Any]) -> None:
        """Begin ``own`` there; where it does not begin, this loop is closed."""
        try:
            self.wait(own.__aenter__())
        except BaseException:
            self.close()
            raise

    def leave(
        self,
        own: AbstractAsyncContextManager[Any],
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End ``own`` there, and close this loop."""
        try:
            self.wait(own.__aexit__(kind, error, trace))
        finally:
            self.close()

    def close(self) -> None:
        """End what is left, and the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()


class Twin(Generic[OwnT_co]):
    """Something asynchronous whose work is done in the loop of a thread."""

    def __init__(self, loop: Loop, own: OwnT_co) -> None:
        self._loop = loop
        self._own = own


class Same(Generic[OwnT, T]):
    """An attribute that the twin has as well."""

    def __init__(self, get: Callable[[OwnT], T]) -> None:
        self._get = get

    def __get__(self, twin: Twin[OwnT], kind: type) -> T:
        return self._get(twin._own)  # noqa: SLF001 - one of a kind


def waited(
    method: Callable[Concatenate[OwnT, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Twin[OwnT], P], T]:
    """The same method, waited for."""

    def waits(twin: Twin[OwnT], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return twin._loop.wait(method(twin._own, *args, **kwargs))  # noqa: SLF001 - one of a kind

    waits.__doc__ = method.__doc__
    return waits


async def made(make: Callable[[], T]) -> T:
    """What can only be made, or asked for, in the loop."""
    return make()
