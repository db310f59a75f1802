"""Who gets into the console, and what every answer says."""

import asyncio
import re
import ssl
from asyncio import to_thread
from pathlib import Path

import aiohttp
import pytest
import trustme
from yarl import URL

from skrutinium_server.authority.persons import Authority
from skrutinium_server.console.desk import COMPARISONS, WAITING, Desk
from skrutinium_server.console.errors import ConsoleSettingsError
from skrutinium_server.console.server import serving
from skrutinium_server.console.sessions import IDLE
from skrutinium_server.console.settings import ConsoleSettings
from skrutinium_server.console.tries import BOTH, WINDOW
from skrutinium_server.process.site import Site
from tests.authority.made import CHEAP
from tests.console.visiting import console, made
from tests.process.test_decisions import PASSPHRASES

NAME = "j.novakova"
PAGES = (
    "/",
    "/runs",
    "/runs/none",
    "/confirm/none",
    "/sandboxes",
    "/subscribers",
    "/preflight",
    "/notices",
    "/log",
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with two persons; nobody counts it."""
    return made(tmp_path)


async def test_nothing_is_shown_before_log_in(site: Site) -> None:
    """Without a session every page leads to the log-in, forms do nothing, and no answer names the election or a person."""
    async with console(site) as served:
        browser = await served.browser()
        for path in PAGES:
            answer = await browser.open(path)
            assert answer.status == 303
            assert answer.headers["Location"].startswith("/login")
            assert (await browser.open(path, X_Refresh="1")).status == 403
        login = await browser.open("/login")
        assert login.status == 200
        assert NAME not in login.text
        assert "madeup" not in login.text
        sent = await browser.send("/notices", {"do": "incident", "text": "x"})
        assert (sent.status, sent.headers["Location"]) == (303, "/login")
    assert not (site.store / "notices.xml").exists()


async def test_log_in_and_out(site: Site) -> None:
    """Name and passphrase open the pages; after log-out they are closed, and the old cookie opens nothing."""
    async with console(site) as served:
        browser = await served.browser()
        asked = await browser.open("/runs?x=1")
        answer = await browser.log_in(NAME)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        first = await browser.open("/")
        assert first.said("h1")
        assert NAME in first.said(".who span")[0]
        cookie = answer.headers["Set-Cookie"]
        out = await browser.send("/logout", {})
        assert out.headers["Location"] == "/login"
        assert (await browser.open("/")).status == 303
        again = await browser.open("/", Cookie=cookie.partition(";")[0])
        assert again.status == 303
        assert URL(asked.headers["Location"]).query == {"to": "/runs?x=1"}


@pytest.mark.parametrize(
    ("to", "led"),
    [
        ("/runs/night?x=1", "/runs/night?x=1"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nX: y", "/"),
        ("", "/"),
    ],
)
async def test_log_in_leads_nowhere_else(site: Site, to: str, led: str) -> None:
    """After log-in one is led to a page of the console, whatever the address said."""
    async with console(site) as served:
        browser = await served.browser()
        await browser.open("/login")
        answer = await browser.send("/login", {"name": NAME, "passphrase": PASSPHRASES[NAME], "to": to})
        assert (answer.status, answer.headers["Location"]) == (303, led)


async def test_wrong_name_and_wrong_passphrase_look_alike(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are told in the same words, and no passphrase is shown again; nor is what was typed as a name in the log."""
    async with console(site) as served:
        browser = await served.browser()
        wrong = await browser.log_in(NAME, "not the right words")
        unknown = await browser.log_in("nobody", "not the right words")
        assert wrong.status == unknown.status == 403
        assert wrong.said("[role=alert]") == unknown.said("[role=alert]")
        assert "not the right words" not in wrong.text
        await browser.log_in(PASSPHRASES[NAME], PASSPHRASES[NAME])
    assert NAME in caplog.text
    assert PASSPHRASES[NAME] not in caplog.text


async def test_tries_are_limited(site: Site) -> None:
    """After five wrong passphrases not even the right one is looked at, until a quarter of an hour is over."""
    async with console(site) as served:
        browser = await served.browser()
        for _ in range(BOTH):
            assert (await browser.log_in(NAME, "wrong words here")).status == 403
        refused = await browser.log_in(NAME)
        assert refused.status == 429
        assert "15 minutes" in refused.said("[role=alert]")[0]
        assert (await browser.log_in("p.dvorak")).status == 303
        await browser.open("/")
        await browser.send("/logout", {})
        served.clock.now += WINDOW + 1
        assert (await browser.log_in(NAME)).status == 303


async def test_session_is_new_idle_and_of_a_person(site: Site) -> None:
    """A session has an id of its own, ends after half an hour of nothing, and with its person."""
    async with console(site) as served:
        browser = await served.browser()
        before = (await browser.open("/login")).headers["Set-Cookie"]
        after = (await browser.log_in(NAME)).headers["Set-Cookie"]
        assert before.partition(";")[0] != after.partition(";")[0]
        served.clock.now += IDLE - 1
        assert (await browser.open("/", X_Refresh="1")).status == 200
        served.clock.now += 1
        assert (await browser.open("/", X_Refresh="1")).status == 403
        await browser.at_work(NAME)
        await to_thread(Authority(site.root, who="test").remove_person, NAME)
        assert (await browser.open("/")).status == 303
        people = Authority(site.root, who="test", method=CHEAP)
        await to_thread(people.add_person, NAME, "operator", PASSPHRASES[NAME])
        assert (await browser.open("/")).status == 303


async def test_form_from_elsewhere_is_refused(site: Site) -> None:
    """A form without the token of its session, or from another site, does nothing."""
    incident = {"do": "incident", "text": "Nothing is wrong."}
    async with console(site) as served:
        browser = await (await served.browser()).at_work(NAME)
        other = await (await served.browser()).at_work("p.dvorak")
        for token in ("", "0" * 64, other.token):
            assert (await browser.send("/notices", incident, token=token)).status == 422
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
        ):
            refused = await browser.send("/notices", incident, **headers)
            assert refused.status == 422
            assert "form" in refused.text
        assert not (site.store / "notices.xml").exists()
        done = await browser.send("/notices", incident, Origin=served.url, Sec_Fetch_Site="same-origin")
        assert done.status == 303
    assert (site.store / "notices.xml").exists()


async def test_log_in_from_elsewhere_is_refused(site: Site) -> None:
    """Nobody is logged in under another name by a page of somebody else."""
    async with console(site) as served:
        browser = await served.browser()
        await browser.open("/login")
        fields = {"name": NAME, "passphrase": PASSPHRASES[NAME]}
        assert (await browser.send("/login", fields, token="")).status == 422
        assert (await browser.send("/login", fields, Sec_Fetch_Site="cross-site")).status == 422


async def test_header_lines(site: Site) -> None:
    """Every answer, refusals and files too, says that nothing from elsewhere runs, frames or keeps it."""
    async with console(site) as served:
        browser = await served.browser()
        answers = [
            await browser.open(path)
            for path in ("/", "/login", "/nothing", "/static/style.css", "/static/nothing")
        ]
        browser = await browser.at_work(NAME)
        answers += [await browser.open(path) for path in ("/", "/nothing", "/runs/none", "/login")]
        answers.append(await browser.send("/notices", {"do": "nothing"}))
        assert {answer.status for answer in answers} == {200, 303, 404, 422}
        for answer in answers:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Server"] == "Skrutinium"
            assert "Strict-Transport-Security" not in answer.headers
            kept = "immutable" if answer.headers["Content-Type"].startswith("text/css") else "no-store"
            assert kept in answer.headers["Cache-Control"]
        assert (await browser.open("/static/style.css")).status == 200


async def test_cookie(site: Site) -> None:
    """The cookie is no script's and goes to nobody else; it ends with the browser."""
    async with console(site) as served:
        browser = await served.browser()
        cookie = (await browser.log_in(NAME)).headers["Set-Cookie"]
        assert re.fullmatch(r"console=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=Strict", cookie)


async def test_tls(site: Site, tmp_path: Path) -> None:
    """Over TLS the cookie is for TLS only, and browsers are told to come by it."""
    authority = trustme.CA()
    pair = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(one.bytes() for one in pair.cert_chain_pems))
    pair.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with console(site, certificate=chain, key=key) as served:
        browser = await served.browser(connector=aiohttp.TCPConnector(ssl=context))
        answer = await browser.log_in(NAME)
        assert answer.headers["Set-Cookie"].startswith("__Host-console=")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert (await browser.open("/")).status == 200


async def test_only_names_of_this_machine(site: Site) -> None:
    """A name that somebody else lets point to this machine gets no page."""
    async with console(site) as served:
        browser = await served.browser()
        port = served.url.rpartition(":")[2]
        for name in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example"):
            answer = await browser.open("/login", Host=name)
            assert answer.status == 421
            assert "token" not in answer.text
        for name in ("localhost", f"localhost:{port}", "[::1]"):
            assert (await browser.open("/login", Host=name)).status == 200


async def test_behind_a_proxy(site: Site) -> None:
    """Behind a named proxy tries count for whom it names, not for the proxy; the cookie is for TLS."""
    async with console(site, proxies=("127.0.0.1",)) as served:
        first = await served.browser(headers={"X-Forwarded-For": "198.51.100.7, 192.0.2.1"})
        other = await served.browser(headers={"X-Forwarded-For": "198.51.100.7, 192.0.2.2"})
        broken = await served.browser(headers={"X-Forwarded-For": "unknown"})
        login = await first.open("/login", Host="console.example")
        assert login.status == 200
        assert "Secure" in login.headers["Set-Cookie"]
        assert (await broken.open("/login")).status == 400
        for _ in range(BOTH):
            assert (await first.log_in(NAME, "wrong words here")).status == 403
        assert (await first.log_in(NAME)).status == 429
        assert (await other.log_in(NAME)).status == 303


async def test_port_is_shared_with_nobody(site: Site) -> None:
    """Where somebody listens already the console does not start, and says so."""
    async with console(site) as served:
        port = int(served.url.rpartition(":")[2])
        with pytest.raises(ConsoleSettingsError, match="with the feed"):
            async with serving(await to_thread(Desk, site, ConsoleSettings(port=port))):
                pass


async def test_fault_is_told_without_its_inside(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A page that fails says so and where to look; the log says why."""
    async with console(site) as served:
        browser = await (await served.browser()).at_work(NAME)
        served.desk.pages._environment.globals["share"] = None
        served.desk.looking.forget()
        (site.root / "runs").rename(site.root / "elsewhere")
        answer = await browser.open("/runs")
        (site.root / "elsewhere").rename(site.root / "runs")
        assert answer.status == 500
        assert "unexpected" in answer.text
        assert str(site.root) not in answer.text
        assert "failed: GET /runs" in caplog.text
        assert (await browser.open("/notices")).status == 200


async def test_damaged_event_log_lets_nobody_in(site: Site) -> None:
    """Without a sound event log nobody is a person: every page says why, with what to do."""
    async with console(site) as served:
        browser = await (await served.browser()).at_work(NAME)
        log = site.root / "authority" / "events.jsonl"
        log.write_bytes(log.read_bytes().replace(b"operator", b"0perator"))
        for path in ("/", "/runs", "/login"):
            answer = await browser.open(path)
            assert answer.status == 422
            assert "event-log-damaged" in answer.said("[role=alert]")[0]


async def test_too_much_is_refused(site: Site) -> None:
    """A form that is too long is refused, and so are log-ins beyond those that may wait; afterwards everybody gets in again."""
    async with console(site, proxies=("127.0.0.1",)) as served:
        desk = served.desk
        crowd = [
            await served.browser(headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(WAITING + 1)
        ]
        *waiting, last = crowd
        await last.open("/login")
        assert (await last.send("/login", {"name": NAME, "passphrase": "x" * 100_000})).status == 413
        for _ in range(COMPARISONS):
            await desk.comparing.acquire()
        asking = [
            asyncio.create_task(one.log_in(f"nobody{n}", "wrong words")) for n, one in enumerate(waiting)
        ]
        async with asyncio.timeout(60):
            while True:
                if desk.compared == WAITING:
                    break
                await asyncio.sleep(0.01)
        refused = await last.log_in(NAME)
        assert refused.status == 422
        assert "Try again" in refused.said("[role=alert]")[0]
        for _ in range(COMPARISONS):
            desk.comparing.release()
        assert {answer.status for answer in await asyncio.gather(*asking)} == {403}
        assert (await last.log_in(NAME)).status == 303
