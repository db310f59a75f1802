"""Looking at the feed from outside, as a newsroom does: whether it serves, its signatures are ours, and its heartbeat is young."""

import asyncio
import contextlib
import datetime
import re
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import aiohttp
from lxml import etree

from skrutinium_server.crisis.reading import SERIES, read_key
from skrutinium_server.crisis.recipients import Watch
from skrutinium_server.crisis.triggering import Looked
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.layout import Layout
from skrutinium_server.release.store.model import Run
from skrutinium_server.release.store.reading import read_state
from skrutinium_server.release.store.signing import signature_holds, split_signed
from skrutinium_server.xml_parsing import xml_parser

PATIENCE: Final = 10.0
"""Seconds for one answer."""
LARGEST: Final = 1024 * 1024
_LINE: Final = re.compile(rb"ed25519 ([0-9a-f]{16}) ")
_NOT_TOLD: Final = (401, 403, 407, 429)
"""The feed answers, but not to this machine: that says nothing about others."""


class _Unclear(Exception):
    """The feed answers without telling."""


class _Fails(Exception):
    """The feed does not do what it has to."""


class Probe:
    """Looks at the feed of ``watch``; its signatures have to be by keys of the release store."""

    def __init__(self, watch: Watch, store: Path, session: aiohttp.ClientSession) -> None:
        self._watch = watch
        self._base = watch.address.rstrip("/")
        self._layout = Layout(store)
        self._session = session

    async def look(self, clock: Callable[[], datetime.datetime]) -> Looked:
        """One look; never raises for what the feed does."""
        try:
            return Looked("serves", "", await self._seen(clock))
        except _Unclear as told:
            return Looked("unclear", str(told))
        except _Fails as told:
            return Looked("fails", str(told))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Looked("fails", f"{self._base} does not answer ({str(error) or type(error).__name__})")
        except (StoreError, ValueError, KeyError, etree.XMLSyntaxError) as error:
            return Looked("fails", f"{self._base} serves what cannot be read ({str(error)[:200]})")

    async def _seen(self, clock: Callable[[], datetime.datetime]) -> dict[str, int]:
        state = await self._signed("/state.xml")
        _, runs = read_state(Path("state.xml"), state)
        seen: dict[str, int] = {}
        for run in runs:
            due = run.not_before is None or run.not_before <= clock()
            if run.open and run.current and due and SERIES in run.series:
                seen[run_name(run)] = await self._beat(run, clock)
        return seen

    async def _beat(self, run: Run, clock: Callable[[], datetime.datetime]) -> int:
        """The newest release that the heartbeat of a run names."""
        data = await self._signed(f"/event/{run.event}/heartbeat.xml")
        told = etree.fromstring(data, xml_parser()).attrib
        alive = datetime.datetime.fromisoformat(told["alive"])
        age = (clock() - alive).total_seconds()
        if age > self._watch.stale:
            raise _Fails(f"the newest heartbeat of {run_name(run)} is {age:.0f} s old")
        return int(told["release"])

    async def _signed(self, path: str) -> bytes:
        data = await self._get(path)
        body, line = split_signed(data)
        found = _LINE.match(line)
        if found is None:
            raise ValueError(f"{path} has no signature line")
        key = await asyncio.to_thread(read_key, self._layout.key(found[1].decode("ascii")))
        if not signature_holds(key, body, line):
            raise _Fails(f"{self._base}{path} is not signed by a key of this release store")
        return body

    async def _get(self, path: str) -> bytes:
        # A feed that is moved or behind a page of somebody else does not serve.
        async with self._session.get(
            self._base + path, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=PATIENCE)
        ) as answer:
            if answer.status in _NOT_TOLD:
                raise _Unclear(
                    f"{self._base}{path} answers this machine with {answer.status}: register its address as a reader of the feed"
                )
            if answer.status != 200:
                raise _Fails(f"{self._base}{path} answers with {answer.status}")
            data = await answer.content.read(LARGEST + 1)
            while len(data) <= LARGEST and (more := await answer.content.read(LARGEST)):
                data += more
            if len(data) > LARGEST:
                raise _Fails(f"{self._base}{path} is larger than {LARGEST} bytes")
            return data


def run_name(run: Run) -> str:
    """A run as what was seen names it."""
    return f"{run.event}/{run.id}"


@contextlib.asynccontextmanager
async def probing(watch: Watch, store: Path) -> AsyncIterator[Probe]:
    """A probe with connections of its own, each look on a new one: an old one would tell less."""
    context = await asyncio.to_thread(ssl.create_default_context, cafile=watch.authority or None)
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Probe(watch, store, session)
