"""``skrutinium doctor``: what is wrong on the way to a feed is found, named, and comes with advice."""

import asyncio
import datetime
import gzip
import json
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import aiohttp
import pytest
import trustme
from aiohttp import web

from skrutinium.examining.doctor import examine
from skrutinium.examining.examination import Patience
from skrutinium.examining.finding import Asked, Finding, Machine, exit_code
from skrutinium.examining.machine import proxies
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import EVENT, Written, fingerprint, make_night
from tests.sdk.test_commands import run

NIGHT = make_night()
ACCESS = {"allowed": True, "range": "Newsroom", "runs": [{"event": EVENT, "run": "night", "readable": True}]}


class Between:
    """A server between the reader and a feed that does what ``fault`` says."""

    def __init__(self, behind: StoreFeed, fault: str = "", context: ssl.SSLContext | None = None) -> None:
        self.fault = fault
        self.url = ""
        self._behind = behind
        self._context = context
        self._runner: web.AppRunner | None = None
        self._held: asyncio.Event = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context).start()
        scheme = "http" if self._context is None else "https"
        self.url = f"{scheme}://localhost:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._held.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        fault, path = self.fault, request.path
        if path == "/access":
            return web.json_response({"address": "192.0.2.7"} | self.access())
        if fault == "range cut off":
            text = '<error xmlns="urn:skrutinium:1" schema="1.0" code="access" status="403"><message>Not in any range.</message></error>'
            return web.Response(status=403, text=text, content_type="application/xml")
        if fault == "login page" and path == "/state.xml":
            return web.Response(text="<html>Please log in</html>", content_type="text/html")
        if path.endswith("/push"):
            if fault == "buffering":
                await self._held.wait()
            return await self.pushed(request)
        sent = {name: value for name, value in request.headers.items() if name in ("If-None-Match", "Prefer")}
        if fault == "no conditions":
            sent.pop("If-None-Match", None)
        async with aiohttp.request("GET", self._behind.url + request.path_qs, headers=sent) as response:
            body, status = await response.read(), response.status
            etag = response.headers.get("ETag")
            applied = {
                name: value for name, value in response.headers.items() if name == "Preference-Applied"
            }
        if fault == "mangling" and path.endswith("/event.xml"):
            body = body.replace(b"Made-up", b"Modified")
        headers = applied | ({"ETag": etag} if etag and fault != "no etag" else {})
        if fault == "cache":
            headers |= {"Age": "600", "Via": "1.1 cache.example"}
        if status == 200 and fault != "unpacking":
            body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
        return web.Response(status=status, body=None if status == 304 else body, headers=headers)

    def access(self) -> dict[str, object]:
        if self.fault == "range cut off":
            return {"allowed": False, "why": {"code": "access", "message": "Not in any range."}}
        return ACCESS | ({"until": "2026-10-12T00:00:00Z"} if self.fault == "range ends" else {})

    async def pushed(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        await self._held.wait()
        return response


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[StoreFeed]:
    written: Written = await asyncio.to_thread(NIGHT.write, tmp_path / "site")
    await asyncio.to_thread(written.heartbeat, "2026-10-10T15:05:00Z")
    feed = StoreFeed(tmp_path / "site")
    feed.waits = True
    yield await feed.start()
    await feed.stop()


def machine(off: float = 0, **environment: str) -> Machine:
    """A machine whose clock is wrong by so many seconds."""
    return Machine(lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=off), environment)


async def checked(
    url: str, here: Machine | None = None, push: float = 60, **asked: object
) -> dict[str, Finding]:
    """All findings by check."""
    wanted = Asked(url, **{"fingerprint": fingerprint(NIGHT.key)} | asked)  # type: ignore[arg-type]
    found = await examine(wanted, here or machine(), patience=Patience(push=push, answer=60))
    assert all(one.advice and one.seen for one in found if one.verdict != "ok")
    return {one.check: one for one in found}


FAULTS = {
    "range cut off": ("access", "bad", "access-refused", "192.0.2.7, which may not read"),
    "login page": ("state", "bad", "server-fault", "no answer of a feed (text/html; charset=utf-8)"),
    "mangling": ("documents", "bad", "damaged", "announced"),
    "no etag": ("conditional requests", "bad", "server-fault", "no ETag"),
    "no conditions": ("conditional requests", "bad", "server-fault", "the same ETag"),
    "unpacking": ("compression", "warn", "server-fault", "unpacked"),
    "buffering": ("push", "warn", "network", "nothing came in 3 s"),
    "cache": ("in between", "bad", "stale", "for up to 600 s (Via: 1.1 cache.example)"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault_in_between_is_found(feed: StoreFeed, fault: str) -> None:
    """What a server in between does wrong is named, with its class of error; nothing else is called bad."""
    check, verdict, code, words = FAULTS[fault]
    async with Between(feed, fault) as between:
        found = await checked(between.url, push=3 if fault == "buffering" else 60)

    one = found[check]
    assert (one.verdict, one.kind.code) == (verdict, code)
    assert words in one.seen
    assert exit_code(found.values()) == (one.kind.exit_code if verdict == "bad" else 0)
    others = [other.check for other in found.values() if other.verdict == "bad" and other.check != check]
    assert others == (["state"] if fault == "range cut off" else [])


async def test_good_way_is_fine(feed: StoreFeed) -> None:
    """Where nothing is wrong nothing is called so, and every check says what it saw."""
    async with Between(feed) as between:
        found = await checked(between.url, machine(0))

    wrong = {one.check: one.seen for one in found.values() if one.verdict != "ok"}
    assert wrong.keys() <= {
        "heartbeat",
        "IPv6",
    }  # the night of this test was another day; localhost may have two families
    assert found.keys() >= {"name", "access", "clock", "documents", "long poll", "push", "notices"}
    assert "gzip" not in found["compression"].seen
    assert "may read kv2026/night" in found["access"].seen


@pytest.mark.parametrize(("off", "verdict"), [(600, "bad"), (-600, "bad"), (12, "warn"), (-12, "warn")])
async def test_wrong_clock_is_found(feed: StoreFeed, off: float, verdict: str) -> None:
    """A clock that is ahead or behind is told, with how to set it right."""
    async with Between(feed) as between:
        clock = (await checked(between.url, machine(off)))["clock"]

    assert clock.verdict == verdict
    assert ("ahead of" if off > 0 else "behind") in clock.seen
    assert "NTP" in clock.advice


async def test_heartbeat_of_the_future_and_range_that_ends(feed: StoreFeed) -> None:
    """A signed time later than this machine's, and access that ends within a week, are warnings."""
    night = datetime.datetime(2026, 10, 10, 15, 0, tzinfo=datetime.UTC)
    async with Between(feed, "range ends") as between:
        found = await checked(between.url, Machine(lambda: night, {}))

    assert (found["heartbeat"].verdict, found["heartbeat"].seen) == ("warn", "300 s from now")
    assert (found["access"].verdict, "until 2026-10-12" in found["access"].seen) == ("warn", True)


async def test_keys(feed: StoreFeed) -> None:
    """An unpinned key is a warning that shows it, a wrong fingerprint is bad and ends the examination."""
    unpinned = await checked(feed.url, fingerprint=None)
    wrong = await checked(feed.url, fingerprint="0" * 64)

    assert (
        unpinned["key"].verdict,
        unpinned["key"].seen.replace(" ", "").endswith(fingerprint(NIGHT.key)),
    ) == ("warn", True)
    assert (wrong["state"].verdict, wrong["state"].kind.code) == ("bad", "signature")
    assert "documents" not in wrong


async def test_way_that_leads_nowhere() -> None:
    """A name that is not there, a port where nobody listens, and what is no address are told apart."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken, but nobody listens
        nobody = await checked(f"http://127.0.0.1:{bound.getsockname()[1]}")
    nowhere = await checked("http://nowhere.invalid")
    nothing = await checked("ftp://feed.example")

    assert (nobody["IPv4"].verdict, "refused" in nobody["IPv4"].seen) == ("bad", True)
    assert (nowhere["name"].verdict, "nowhere.invalid is not found" in nowhere["name"].seen) == ("bad", True)
    assert nothing["address"].verdict == "bad"
    assert [exit_code(one.values()) for one in (nobody, nowhere, nothing)] == [10, 10, 10]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("http://user:secret@proxy.example:3128", "http://proxy.example:3128"),
        ("user:secret@proxy.example:3128", "proxy.example:3128"),
        ("user:secret/1@2@proxy.example:3128", "proxy.example:3128"),
        ("//user:secret@proxy.example:3128", "proxy.example:3128"),
        ("http://user:secret/1@proxy.example:3128", "http://…"),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_password_of_a_proxy_is_not_shown(name: str, told: str, shown: str) -> None:
    """A proxy in the environment is told without user and password, with a scheme and without one."""
    found = proxies(Asked("https://feed.example"), machine(0, **{name: told}))

    assert (found.verdict, found.seen) == ("warn", f"{name}={shown}")
    assert "secret" not in str(found)


async def test_machine_is_examined(feed: StoreFeed, tmp_path: Path) -> None:
    """A proxy in the environment is a warning without its password; a broken state file is bad."""
    (tmp_path / "state.json").write_bytes(b"{")
    proxy = {"HTTPS_PROXY": "http://user:secret@proxy.example:3128"}
    found = await checked(feed.url, machine(0, **proxy), state=tmp_path / "state.json")
    passed = await checked(
        feed.url, machine(0, no_proxy="127.0.0.1", **proxy), state=tmp_path / "none" / "state.json"
    )

    assert (found["proxy settings"].verdict, found["proxy settings"].seen) == (
        "warn",
        "HTTPS_PROXY=http://proxy.example:3128",
    )
    assert (found["state file"].verdict, found["state file"].kind.code) == ("bad", "state-file")
    assert passed["proxy settings"].verdict == "ok"
    assert (passed["disk"].verdict, passed["disk"].kind.code) == ("bad", "storage")


# ------------------------------------------------------------------ TLS
def certificate(**settings: object) -> tuple[trustme.CA, ssl.SSLContext]:
    ca = trustme.CA(organization_name="Example Trust")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*settings.pop("names", ("localhost",)), **settings).configure_cert(context)  # type: ignore[misc, arg-type]
    return ca, context


YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
WEEK = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=7)


@pytest.mark.parametrize(
    ("settings", "trusted", "verdict", "words"),
    [
        ({}, True, "ok", "by Example Trust"),
        ({"not_after": WEEK}, True, "warn", "valid for 6 more days"),
        ({"not_after": YESTERDAY}, True, "bad", "expired"),
        ({"names": ("other.example",)}, True, "bad", "for other.example"),
        ({}, False, "bad", "by Example Trust"),
    ],
    ids=["good", "ends soon", "expired", "another name", "unknown issuer"],
)
async def test_certificate(
    feed: StoreFeed, tmp_path: Path, settings: dict[str, object], trusted: bool, verdict: str, words: str
) -> None:
    """An expired certificate, one of another name, and one of an unknown issuer are told apart, by the command as it is run."""
    ca, context = await asyncio.to_thread(certificate, **settings)
    trust = tmp_path / "ca.pem"
    await asyncio.to_thread(ca.cert_pem.write_to_path, str(trust))
    async with Between(feed, context=context) as between:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from skrutinium.commands import main; main()", "doctor", between.url, "--json",
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **({"SSL_CERT_FILE": str(trust)} if trusted else {})},
        )  # fmt: skip
        out, _ = await process.communicate()

    told = json.loads(out)
    tls = next(one for one in told["findings"] if one["check"] == "TLS")
    assert (tls["verdict"], words in tls["seen"]) == (verdict, True)
    assert process.returncode == (10 if verdict == "bad" else 0)
    assert (tls["code"] is None) is (verdict == "ok")


# ------------------------------------------------------------------ the command
async def test_command_shows_advice(feed: StoreFeed) -> None:
    """For people: a line a check, advice below what is not right, and the verdict last; the exit code is that of the first fault."""
    async with Between(feed, "mangling") as between:
        code, out, _ = await run("doctor", between.url, "--fingerprint", fingerprint(NIGHT.key))

    assert code == 16
    assert "✗ documents" in out
    assert "→ Something in between changes what is sent" in out
    assert "NOT FINE: documents" in out.splitlines()[-1]
    assert max(map(len, out.splitlines())) <= 110
    assert "\x1b" not in out
