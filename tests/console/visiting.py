"""A console at work in this process, and a browser of few words that visits it."""

import contextlib
import datetime
from asyncio import to_thread
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from lxml import html
from multidict import CIMultiDictProxy
from yarl import URL

from skrutinium_server.authority.persons import Authority
from skrutinium_server.console.desk import Desk
from skrutinium_server.console.server import serving
from skrutinium_server.console.settings import ConsoleSettings
from skrutinium_server.election.model import Definition
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.site import Site
from tests.authority.made import CHEAP
from tests.console.test_sessions import Clock
from tests.process.test_decisions import DEFINITION, PASSPHRASES


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def page(self) -> Any:
        """The page as a tree."""
        return html.document_fromstring(self.text)

    def said(self, selector: str) -> list[str]:
        """The words of what fits, without needless spaces."""
        return [" ".join(one.text_content().split()) for one in self.page.cssselect(selector)]


class Browser:
    """Keeps cookies, and sends forms with the token of the page that it saw last."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client
        self.token = ""

    async def open(self, path: str, **headers: str) -> Answer:
        """Go to a page; redirections are shown, not followed."""
        async with self._client.get(path, headers=_named(headers), allow_redirects=False) as got:
            return self._came(Answer(got.status, got.headers, await got.text()))

    async def send(
        self, path: str, fields: Mapping[str, str], *, token: str | None = None, **headers: str
    ) -> Answer:
        """Send a form of the page that was seen last."""
        data = {"token": self.token if token is None else token, **fields}
        async with self._client.post(path, data=data, headers=_named(headers), allow_redirects=False) as got:
            return self._came(Answer(got.status, got.headers, await got.text()))

    async def log_in(self, name: str, passphrase: str | None = None) -> Answer:
        """Log in, with the right passphrase unless told."""
        await self.open("/login")
        fields = {"name": name, "passphrase": PASSPHRASES[name] if passphrase is None else passphrase}
        return await self.send("/login", fields)

    async def at_work(self, name: str) -> "Browser":
        """Log in, and see the first page."""
        assert (await self.log_in(name)).status == 303
        assert (await self.open("/")).status == 200
        return self

    def _came(self, answer: Answer) -> Answer:
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            for one in answer.page.cssselect("input[name=token]"):
                self.token = one.get("value")
        return answer


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def made(folder: Path, definition: Definition = DEFINITION) -> Site:
    """A site with two persons, whose passphrases cost little."""
    site = Site.create(folder / "site")
    site.define(definition)
    authority = Authority(site.root, who="test", method=CHEAP)
    for (name, passphrase), role in zip(PASSPHRASES.items(), ("operator", "commissioner"), strict=True):
        authority.add_person(name, role, passphrase)  # type: ignore[arg-type]
    return site


class Console:
    """A console that is served, its clock, and browsers that visit it."""

    def __init__(self, desk: Desk, clock: Clock, url: str, stack: contextlib.AsyncExitStack) -> None:
        self.desk = desk
        self.clock = clock
        self.url = url
        self._stack = stack

    async def browser(self, **more: Any) -> Browser:
        """Another browser, with cookies of its own."""
        # It is reached by its address, and by a proxy without TLS where one is named.
        jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=URL(self.url))
        client = aiohttp.ClientSession(self.url, cookie_jar=jar, **more)
        return Browser(await self._stack.enter_async_context(client))


@contextlib.asynccontextmanager
async def console(site: Site, wall: Any = wall_time, **settings: Any) -> AsyncIterator[Console]:
    """Serve the console of a site at a free port of this machine."""
    clock = Clock()
    told = ConsoleSettings(port=0, **settings)
    authority = await to_thread(lambda: Authority(site.root, method=CHEAP))
    desk = await to_thread(Desk, site, told, authority, wall, clock)
    async with contextlib.AsyncExitStack() as stack, serving(desk) as (host, port):
        scheme = "https" if told.certificate else "http"
        yield Console(desk, clock, f"{scheme}://{host}:{port}", stack)
        await stack.aclose()


def moment(day: int, hour: int) -> datetime.datetime:
    """A time of October 2030."""
    return datetime.datetime(2030, 10, day, hour, tzinfo=datetime.UTC)
