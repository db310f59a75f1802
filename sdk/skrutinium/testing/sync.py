"""The same without ``await``, for tests and scripts that have no event loop.

>>> import skrutinium.testing.sync
>>> with skrutinium.testing.sync.night(precincts=60, seed=1) as night:  # doctest: +SKIP
...     night.report(20)
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, Self

from skrutinium.testing import outlet, staging
from skrutinium.waiting import Loop, Same, Twin, waited

P = ParamSpec("P")


class Outlet(Twin[outlet.Outlet]):
    """An address at which a night is read: :class:`skrutinium.testing.Outlet` without ``await``."""

    url: Same[outlet.Outlet, str] = Same(lambda own: own.url)

    outage = waited(outlet.Outlet.outage)
    restore = waited(outlet.Outlet.restore)
    refuse = waited(outlet.Outlet.refuse)
    slow = waited(outlet.Outlet.slow)
    truncate = waited(outlet.Outlet.truncate)
    break_off = waited(outlet.Outlet.break_off)
    wrong_signature = waited(outlet.Outlet.wrong_signature)


class Night(Twin[staging.Night]):
    """A night under the hand of a test: :class:`skrutinium.testing.Night` without ``await``; made by :func:`night`."""

    def __init__(self, own: staging.Night) -> None:
        self._own = own

    def __enter__(self) -> Self:
        """Start it."""
        self._loop = Loop()
        self._loop.enter(self._own)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; nothing is left behind."""
        self._loop.leave(self._own, kind, error, trace)

    url: Same[staging.Night, str] = Same(lambda own: own.url)
    fingerprint: Same[staging.Night, str] = Same(lambda own: own.fingerprint)
    event: Same[staging.Night, str] = Same(lambda own: own.event)
    run: Same[staging.Night, str] = Same(lambda own: own.run)
    release: Same[staging.Night, int] = Same(lambda own: own.release)
    expected: Same[staging.Night, int] = Same(lambda own: own.expected)
    reported: Same[staging.Night, int] = Same(lambda own: own.reported)
    contests: Same[staging.Night, dict[str, str]] = Same(lambda own: own.contests)
    precincts: Same[staging.Night, tuple[tuple[str, str], ...]] = Same(lambda own: own.precincts)

    report = waited(staging.Night.report)
    correct = waited(staging.Night.correct)
    hold = waited(staging.Night.hold)
    lift = waited(staging.Night.lift)
    declare = waited(staging.Night.declare)
    incident = waited(staging.Night.incident)
    incident_over = waited(staging.Night.incident_over)
    mail = waited(staging.Night.mail)
    stale = waited(staging.Night.stale)
    outage = waited(staging.Night.outage)
    restore = waited(staging.Night.restore)
    refuse = waited(staging.Night.refuse)
    slow = waited(staging.Night.slow)
    truncate = waited(staging.Night.truncate)
    break_off = waited(staging.Night.break_off)
    wrong_signature = waited(staging.Night.wrong_signature)

    def second_site(self, *, told: bool = True) -> Outlet:
        """Another site with the same releases, which can fail by itself; unless ``told`` is false, the signed notices name it."""
        return Outlet(self._loop, self._loop.wait(self._own.second_site(told=told)))


def _as(_like: Callable[P, staging.Night]) -> Callable[[Callable[..., Night]], Callable[P, Night]]:
    """With the same arguments."""
    return lambda function: function


@_as(staging.night)
def night(*args: Any, **kwargs: Any) -> Night:
    """A real feed with a made-up night, to be used as ``with``; the arguments are those of :func:`skrutinium.testing.night`."""
    return Night(staging.night(*args, **kwargs))
