"""A made-up night under the hand of a test: what comes in, what is decided, and what goes wrong, step by step."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from skrutinium.errors import NotInstalled
from skrutinium.testing.outlet import Outlet

if TYPE_CHECKING:
    from skrutinium.testing.site import Site

_REASON: Final = "This is a test."
_AUTHORITY: Final = "Made-up commission"


def night(
    precincts: int = 60,
    seed: int = 1,
    *,
    law: str = "cz-municipal-2018",
    phase: Literal["test", "rehearsal"] = "rehearsal",
    series: Sequence[Literal["skrutinium", "volby"]] = ("skrutinium",),
) -> "Night":
    """A real feed with a made-up night, to be used as ``async with``; the same ``seed`` makes the same election.

    Nothing happens in it but what is called for: at first there is release 1, in which every unit is "not yet reported".
    ``law``: ``cz-municipal-2018`` or ``cz-senate-2018``. ``series``: add ``volby`` for programs that read volby.cz.
    Raises ValueError for fewer than 4 precincts, :class:`skrutinium.NotInstalled` when the server is not installed.
    """
    return Night(lambda front: _made(precincts, seed, law, phase, series, front))


def _made(*told: Any) -> "Site":
    """The site, not started yet. Reads the modules of the server: call it in a thread."""
    try:
        from skrutinium.testing.site import Site  # noqa: PLC0415 - the SDK can be used without the server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "skrutinium_server":
            raise
        raise NotInstalled(
            "a made-up night needs the server: pip install 'skrutinium[testing]' (the package skrutinium-server)"
        ) from error
    return Site(*told)


class Night(Outlet):
    """A night that is read at :attr:`url`. What is done is published, and can be read, when the call returns."""

    def __init__(self, make: "Callable[[Outlet], Site]") -> None:
        super().__init__()
        self._make = make
        self._site: Site

    async def __aenter__(self) -> Self:
        """Start it."""
        self._site = await asyncio.to_thread(self._make, self)
        await self._site.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; nothing is left behind."""
        await self._site.__aexit__()

    # ------------------------------------------------------------------ what it is
    @property
    def fingerprint(self) -> str:
        """Of the publisher's key, as it would be given on paper."""
        return self._site.stage.fingerprint

    @property
    def release(self) -> int:
        """The number of the newest release."""
        return self._site.stage.release

    @property
    def event(self) -> str:
        """The id of the event."""
        return self._site.definition.event

    @property
    def run(self) -> str:
        """The id of the run."""
        return self._site.run

    @property
    def contests(self) -> dict[str, str]:
        """The names of the contests by id."""
        return dict(self._site.names)

    @property
    def expected(self) -> int:
        """How many protocols are to come in all."""
        return len(self._site.definition.polls)

    @property
    def reported(self) -> int:
        """How many protocols are in."""
        return len(self._site.reported)

    @property
    def precincts(self) -> tuple[tuple[str, str], ...]:
        """Precinct and contest of every protocol that is in, in the order in which they came."""
        return tuple(self._site.reported)

    # ------------------------------------------------------------------ what happens
    async def report(self, count: int | None = None) -> int:
        """So many more protocols come in, all that are left unless told, and a release; its number."""
        return await self._site.bring(count)

    async def correct(
        self,
        precinct: str | None = None,
        contest: str | None = None,
        *,
        reason: str = "recount",
        authority: str = _AUTHORITY,
    ) -> int:
        """Replace the protocol of a precinct (of its first contest unless told; the first that came unless told) by one with fewer votes.

        The number of the release that brings the correction. Raises ValueError when no such protocol is in.
        """
        for key in self._site.reported:
            if precinct in (None, key[0]) and contest in (None, key[1]):
                with self._refusals():
                    return await self._site.stage.correct(*key, reason, authority)
        raise ValueError(f"no protocol of precinct {precinct}, contest {contest} is in; see night.precincts")

    async def hold(self, contest: str, reason: str = _REASON) -> int:
        """Hold the publication of one contest; the number of the release that says so."""
        with self._refusals():
            return await self._site.stage.hold(contest, reason)

    async def lift(self, contest: str) -> int:
        """Publish it again; what came in meanwhile counts from that release on."""
        with self._refusals():
            return await self._site.stage.lift(contest)

    async def declare(
        self,
        state: Literal["final", "certified"] = "final",
        reason: str = _REASON,
        authority: str = _AUTHORITY,
    ) -> int:
        """Declare the results final, later certified; all protocols have to be in."""
        with self._refusals():
            return await self._site.stage.declare(state, reason, authority)

    async def incident(self, text: str, id: str = "test") -> None:
        """Tell all readers that something has happened, in the signed notices."""
        with self._refusals():
            await self._site.stage.incident(text, id)

    async def incident_over(self, id: str = "test") -> None:
        """Tell them that it is over."""
        with self._refusals():
            await self._site.stage.incident_over(id)

    async def second_site(self, *, told: bool = True) -> Outlet:
        """Another site with the same releases, which can fail by itself; unless ``told`` is false, the signed notices name it."""
        with self._refusals():
            await self._site.stage.second_site(told=told)
        return self._site.stage.second

    async def stale(self) -> None:
        """From now on this address shows what is there now, as a cache does that never asks again, until :meth:`restore`."""
        with self._refusals():
            await self._site.stage.stale()

    async def mail(self, *, over: bool = False) -> Path:
        """Crisis mail with every release since the one before it, in a Maildir; its path, to be read as ``maildir:PATH``.

        Where nothing is new the mail says so; ``over``: it says that the feed is back.
        """
        return await self._site.mail(over=over)

    def _refusals(self) -> contextlib.AbstractContextManager[None]:
        """Tell by an error of ours what the site refuses."""
        return self._site.refusals()
