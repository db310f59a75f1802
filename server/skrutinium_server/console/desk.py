"""What every page of the console works with, and who sits in front of it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import web

from skrutinium_server.authority.errors import AuthorityError
from skrutinium_server.authority.model import Person
from skrutinium_server.authority.persons import Authority
from skrutinium_server.console.errors import ConsoleError
from skrutinium_server.console.following import Following
from skrutinium_server.console.looking import Look, Looking
from skrutinium_server.console.pages import Pages
from skrutinium_server.console.people import People
from skrutinium_server.console.sandboxes import Stage
from skrutinium_server.console.sessions import Clock, Session, Sessions
from skrutinium_server.console.settings import ConsoleSettings
from skrutinium_server.console.tries import Tries
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.process.clock import WallTime, wall_time
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.site import Site
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.store.errors import StoreError

REFUSALS: Final = (AuthorityError, ConsoleError, ElectionError, ProcessError, ReleaseError, StoreError)
"""What a person can act on; it is told on the page."""

COMPARISONS: Final = 2
"""Passphrases that are compared at once: each takes 64 MiB and most of a processor."""

WAITING: Final = 20
"""Passphrases that may wait to be compared."""


class Desk:
    """The parts of one console; ``authority`` keeps the persons, ``wall`` and ``clock`` tell time."""

    def __init__(
        self,
        site: Site,
        settings: ConsoleSettings,
        authority: Authority | None = None,
        wall: WallTime = wall_time,
        clock: Clock = time.monotonic,
    ) -> None:
        self.site = site
        self.settings = settings
        self.authority = authority or Authority(site.root)
        self.people = People(self.authority)
        self.wall = wall
        self.sessions = Sessions(clock)
        self.tries = Tries(clock)
        self.looking = Looking(site, settings, wall, clock)
        self.stage = Stage(site)
        self.pages = Pages()
        self.following = Following()
        self.comparing = asyncio.Semaphore(COMPARISONS)
        self.compared = 0
        self.preflighting = asyncio.Lock()

    async def start(self) -> None:
        """Begin to read the access log, so that much is known when somebody asks."""
        if self.settings.access_log is not None:
            await self.following.of(self.settings.access_log)

    async def stop(self) -> None:
        """End what was begun."""
        await self.following.stop()

    async def log_in(self, name: str, passphrase: str, address: str) -> Person:
        """The person whose passphrase it is; raises :class:`TooManyTries`, NotAuthenticated, :class:`ConsoleError` when too many wait."""
        if self.compared >= WAITING:
            raise ConsoleError("Too many are logging in at this moment. Try again in a few seconds.")
        self.tries.take(name, address)
        self.compared += 1
        try:
            async with self.comparing:
                person = await asyncio.to_thread(self.authority.log_in, name, passphrase)
        finally:
            self.compared -= 1
        self.tries.right(name, address)
        return person


@dataclass(slots=True)
class Visitor:
    """Who asks: from which address, with which cookie, and the session of it, None before log-in."""

    address: str
    id: str
    session: Session | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something was not done."""

    code: str
    message: str
    status: int = 422


Form = Mapping[str, str]


class Entered(dict[str, str]):
    """The fields of a form that was refused, as the page shows them again; what was not entered is empty."""

    def __missing__(self, name: str) -> str:
        return ""


DESK: Final = web.AppKey("desk", Desk)
VISITOR: Final = web.RequestKey("visitor", Visitor)
NOTHING: Final[Form] = {}


class Shown(Protocol):
    """A page: what it shows with a form that was refused, or without one."""

    async def __call__(
        self, request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
    ) -> web.Response:
        """The page."""


class Act(Protocol):
    """What a form does: where to go next, and what to say there. Raises :data:`REFUSALS`."""

    async def __call__(self, request: web.Request, form: Form) -> tuple[str, str]:
        """Do it."""


def desk(request: web.Request) -> Desk:
    """The console that was asked."""
    return request.app[DESK]


def session(request: web.Request) -> Session:
    """The session of who asks; every page but the log-in has one."""
    found = request[VISITOR].session
    assert found is not None
    return found


async def shown(
    request: web.Request,
    template: str,
    look: Look | None,
    refused: Refused | None = None,
    entered: Form | None = None,
    **values: Any,
) -> web.Response:
    """A page; ``look`` None: one that tells nothing of the site."""
    visitor, console = request[VISITOR], desk(request)
    told = {
        "look": look,
        "path": request.path,
        "token": console.sessions.token(visitor.id),
        "session": visitor.session,
        "sayings": visitor.session.said() if visitor.session and refused is None else [],
        "refused": refused,
        "entered": Entered(entered or {}),
        **values,
    }
    zone = look.zone if look else console.wall().tzinfo
    assert zone is not None
    text = console.pages.render(template, zone, told)
    return web.Response(text=text, content_type="text/html", status=refused.status if refused else 200)


async def form_of(request: web.Request) -> Form:
    """The fields of a form, each once; files count for nothing."""
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


async def attempt(request: web.Request, act: Act, show: Shown) -> web.Response:
    """Do what a form asks for: on to the next page, or the same page with the reason why not."""
    form = request[FORM]
    try:
        to, said = await act(request, form)
    except REFUSALS as error:
        return await show(request, form, Refused(error.code, str(error), status_of(error)))
    desk(request).looking.forget()
    session(request).say(said)
    raise web.HTTPSeeOther(to)


FORM: Final = web.RequestKey("form", dict)


def status_of(error: Exception) -> int:
    """The status of a refusal."""
    match getattr(error, "code", ""):
        case "too-many-tries":
            return 429
        case "not-counting" | "no-stage":
            return 503
        case _:
            return 422
