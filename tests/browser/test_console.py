"""The console in a real browser: Debian's Chromium, examined by axe-core, used by the keyboard alone, and without scripts."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from skrutinium_server.process import noticing
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import connect
from skrutinium_server.rehearsal.made_up import Settings
from skrutinium_server.rehearsal.nights import of_settings
from skrutinium_server.rehearsal.sandboxes import Sandboxes, SandboxSettings
from tests.browser.test_pages import watched
from tests.console.visiting import made
from tests.e2e.at_work import started
from tests.process.test_decisions import DEFINITION, PASSPHRASES, PROTOCOLS, RUN, records

pytestmark = [
    pytest.mark.blocking("the event loop is that of the browser's library; files are looked at beside it"),
    pytest.mark.timeout(900),
]

FIRST, SECOND = PASSPHRASES
PATIENCE = 60_000
"""Milliseconds that a page may take on a busy machine."""

PAGES = (
    *(
        "/",
        "/runs",
        f"/runs/{RUN}",
        "/sandboxes",
        "/sandboxes/autumn",
        "/subscribers",
        "/preflight",
        "/notices",
        "/log",
    ),
    *("/confirm/air", "/nothing"),
)
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NIGHT = of_settings(Settings(law="cz-municipal-2018", precincts=12, seed=5, minutes=600))


class Served(NamedTuple):
    """A console at work, and its site."""

    site: Site
    address: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site with a rehearsal half counted, a sandbox that is played, a notice; served, and with its console."""
    folder = tmp_path_factory.mktemp("console")
    site = made(folder)
    Sandboxes(site).add("autumn", SandboxSettings(port=0, speed="1/10", rest=3600), NIGHT)
    id, change = noticing.begin("The second line is slow.", wall_time())
    noticing.tell(site, change, "incident", "The second line is slow.", FIRST, wall_time())
    settings = site.root / "site.toml"
    settings.write_text(
        settings.read_text().replace('series = ["skrutinium", "volby"]', 'series = ["skrutinium"]')
    )
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        enter(started("serve", site.root, "--port", 0, until="Stop with Ctrl-C"))
        ask(site, do="open", run=RUN, phase="rehearsal", event=DEFINITION.event, by=FIRST)
        brought = records(folder, PROTOCOLS[: len(PROTOCOLS) // 2])
        ask(site, do="take", run=RUN, records=brought, who=FIRST, path="test")
        ask(site, do="cut", run=RUN)
        enter(started("sandbox", "serve", site.root, until="Ctrl-C"))
        _, line = enter(started("console", site.root, "--port", 0, until="The console listens at"))
        yield Served(site, line.split()[-1].rstrip("/"))
    assert id


def ask(site: Site, **request: Any) -> None:
    """Ask the counting process; in a thread, for the browser's library has a loop of its own in this one."""

    async def asked() -> None:
        there = await connect(site)
        assert there is not None
        await there.ask(**request)
        there.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, asked()).result()


@contextlib.contextmanager
def visit(browser: Browser, address: str, name: str = "", **more: Any) -> Iterator[Page]:
    """A page in a window of its own, with ``name`` logged in."""
    context: BrowserContext = browser.new_context(**more)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    if name:
        page.goto(f"{address}/login")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Passphrase").fill(PASSPHRASES[name])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{address}/")
    yield page
    context.close()


def faults(page: Page) -> list[str]:
    """What axe-core finds, each with where."""
    page.evaluate(AXE)
    found = page.evaluate("tags => axe.run({runOnly: tags}).then(one => one.violations)", STANDARD)
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


@pytest.fixture(scope="module")
def asked(served: Served) -> None:
    """Somebody asked to open a live run, so that there is something to confirm."""
    ask(served.site, do="close", run=RUN, by=FIRST)
    live = {"run": "air", "phase": "live", "event": DEFINITION.event}
    ask(served.site, do="open", by=FIRST, passphrase=PASSPHRASES[FIRST], **live)


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 360), ("light", 360), ("dark", 1280)]
)
def test_pages_are_for_everybody(
    served: Served, asked: None, browser: Browser, scheme: str, width: int
) -> None:
    """Axe-core finds nothing against WCAG 2.2 AA on any page, nothing runs out of its side, and nobody else is asked for anything."""
    look: Any = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with visit(browser, served.address, **look) as page:
        page.goto(f"{served.address}/login")
        assert faults(page) == []
    with visit(browser, served.address, SECOND, **look) as page:
        wrong = watched(page, served.address)
        for path in PAGES:
            page.goto(served.address + path)
            page.locator("summary").evaluate_all("all => all.forEach(one => one.parentElement.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.locator("h1").count() == 1
            if (scheme, width) in (("light", 1280), ("dark", 360)):
                assert faults(page) == [], path
    # A page that refreshes itself while it is left breaks that off.
    expected = ("404", "/nothing", f"failed: {served.address}")
    assert [one for one in wrong if not any(told in one for told in expected)] == []


def log_in_by_keyboard(page: Page, address: str) -> None:
    """Type name and passphrase once the page has put the focus into its first field."""
    expect(page.get_by_label("Name")).to_be_focused(timeout=PATIENCE)
    for text in (FIRST, PASSPHRASES[FIRST]):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")


def tab_to(page: Page, words: str) -> None:
    """Go on by the keyboard until what has the focus says these words."""
    for _ in range(80):
        said = page.evaluate(
            "() => { const one = document.activeElement; if (one === document.body) return ''; const label = one.labels && one.labels[0];"
            " return (label || one).textContent.trim() || one.value || ''; }"
        )
        if words in said:
            ring = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert ring != "none", f"{words} shows no focus"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"nothing that says {words!r} is reached by the keyboard")


def test_two_persons_open_a_live_run_by_keyboard_without_scripts(
    served: Served, asked: None, browser: Browser
) -> None:
    """Without a mouse and without scripts one asks, another one reads what is to be confirmed and confirms, and the top says LIVE."""
    with (
        visit(browser, served.address, java_script_enabled=False) as one,
        visit(browser, served.address, SECOND, java_script_enabled=False) as other,
    ):
        one.goto(served.address)
        log_in_by_keyboard(one, served.address)
        tab_to(one, "Skip to the page")
        tab_to(one, "Runs")
        one.keyboard.press("Enter")
        one.wait_for_url("**/runs")
        tab_to(one, "Name")
        one.keyboard.type("aloud")
        tab_to(one, "TEST")
        one.keyboard.press("ArrowUp")  # around to the last choice
        tab_to(one, "your passphrase, once more")
        one.keyboard.type(PASSPHRASES[FIRST])
        one.keyboard.press("Enter")
        one.wait_for_url("**/confirm/aloud")
        expect(one.get_by_role("status")).to_contain_text("Nothing has happened yet")
        other.reload()
        tab_to(other, "Look at it and confirm")
        waiting = other.get_by_role("link", name="Look at it and confirm")
        assert waiting.count() == 2  # that of the fixture, and this one
        other.goto(f"{served.address}/confirm/aloud")
        expect(other.locator(".facts")).to_contain_text(DEFINITION.name)
        tab_to(other, "Your passphrase, once more")
        other.keyboard.type(PASSPHRASES[SECOND])
        tab_to(other, "I have read it, and confirm")
        other.keyboard.press("Enter")
        other.wait_for_url("**/runs/aloud")
        expect(other.get_by_role("status")).to_contain_text(f"by {FIRST} and {SECOND}")
        expect(other.locator(".top-run")).to_contain_text("LIVE")
    assert served.site.told()["aloud"].phase == "live"


def test_page_shows_what_changed_and_leaves_the_focus(served: Served, browser: Browser) -> None:
    """What changed is shown without loading again; what has the focus stays as it is, and keeps it; the button stops it."""
    with visit(browser, served.address) as page:
        page.clock.install()
        page.goto(f"{served.address}/login")
        log_in_by_keyboard(page, served.address)
        notes = page.locator("#notes")
        link = page.locator("#runs a").first
        link.focus()
        tell(served.site, "The feed is slow in the east.")
        page.clock.run_for(5_000)
        expect(notes).to_contain_text("slow in the east", timeout=PATIENCE)
        assert link.evaluate("one => one === document.activeElement")
        page.get_by_role("button", name="Stop refreshing").click()
        tell(served.site, "The feed is slow in the west.")
        page.clock.run_for(60_000)
        expect(page.locator("#fresh")).to_contain_text("gets old")
        expect(notes).not_to_contain_text("in the west")
        page.get_by_role("button", name="Stop refreshing").click()
        expect(notes).to_contain_text("slow in the west", timeout=PATIENCE)


def test_page_says_when_one_is_logged_out(served: Served, browser: Browser) -> None:
    """A page that is open when the session ends says that it is no longer refreshed."""
    with visit(browser, served.address) as page:
        page.clock.install()
        page.goto(f"{served.address}/login")
        log_in_by_keyboard(page, served.address)
        page.context.clear_cookies()
        page.clock.run_for(5_000)
        expect(page.locator("#fresh")).to_contain_text("You are logged out", timeout=PATIENCE)


def tell(site: Site, text: str) -> None:
    """Tell all readers of an incident."""
    now = wall_time()
    _, change = noticing.begin(text, now, f"{text.rsplit(maxsplit=1)[-1].rstrip('.')}-{now:%f}")
    noticing.tell(site, change, "incident", text, FIRST, now)
