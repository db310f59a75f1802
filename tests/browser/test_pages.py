"""The public folder in a real browser: Debian's Chromium, at the width of a desk and of a telephone."""

import itertools
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from skrutinium_server.archive.public.folder import PublicFolder
from skrutinium_server.archive.public.publishing import Publishing
from skrutinium_server.release.store.reading import StoreReader
from tests.archive.hosting import static_server
from tests.archive.night import START, Night

KINDS = ("index.html", "contests.html", "corrections.html", "check.html", "area", "contest", "precinct")
WIDTHS = (1280, 360)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The public folder of a whole made-up night, made before the browser has an event loop of its own."""
    root = tmp_path_factory.mktemp("night")
    night = Night(root)
    night.take(night.left * 3 // 4)
    night.cut()
    public = PublicFolder(root / "public", night.definition.event, "night", "rehearsal")
    Publishing(StoreReader(night.store), public, "night").catch_up(START)
    public.close()
    night.close()
    return root / "public"


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The folder below a path of a plain web server."""
    with static_server(folder.parent) as base:
        yield f"{base}/public/"


def of_each_kind(folder: Path) -> list[str]:
    """One page of each kind; of contests and precincts the longest, which has most to show."""
    found = []
    for kind in KINDS:
        path = folder / kind
        if path.is_dir():
            path = max(path.glob("*.html"), key=lambda page: page.stat().st_size)
        found.append(path.relative_to(folder).as_posix())
    return found


def watched(page: Page, base: str) -> list[str]:
    """Everything a page does that it should not: errors on the console, requests elsewhere, answers that are none."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((base, "data:")) else wrong.append(f"elsewhere: {request.url}")
        ),
    )
    page.on(
        "response",
        lambda response: (
            wrong.append(f"{response.status}: {response.url}") if response.status >= 400 else None
        ),
    )
    return wrong


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_whole_at_every_width(
    folder: Path, browser: Browser, address: str, tmp_path: Path, width: int, scheme: str
) -> None:
    """Each kind of page loads without an error, asks nobody else for anything, and nothing runs out of its side."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    wrong = watched(page, address)
    for path in of_each_kind(folder):
        page.goto(address + path)
        page.screenshot(path=tmp_path / f"{path.replace('/', '-')}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.locator("h1").count() == 1
        assert page.locator(".mark").first.is_visible()
        assert all(one.is_visible() for one in page.locator(".legend span:not(.key)").all())
    assert wrong == []
    context.close()


def test_no_link_is_broken(folder: Path, browser: Browser, address: str) -> None:
    """Every link of every page leads to a file of the folder, also when it is opened from a disc."""
    context = browser.new_context(java_script_enabled=True)
    page = context.new_page()
    pages = sorted(folder.rglob("*.html"))
    for path in pages:
        page.goto(path.as_uri())
        links = page.eval_on_selector_all("[href]", "found => found.map(one => one.href)")
        assert links
        for link in links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme == "data":
                continue
            assert parts.scheme == "file", link
            target = Path(urllib.parse.unquote(parts.path))
            assert target.is_relative_to(folder), link
            assert target.is_file(), f"{path.relative_to(folder)} leads to {link}"
    context.close()


def test_pages_need_no_script(folder: Path, browser: Browser, address: str) -> None:
    """With JavaScript switched off one gets from the start page to the bytes of a protocol by clicking."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "index.html")
    page.get_by_role("link", name="All contests A–Z").click()
    page.locator("ul.columns a").first.click()
    page.get_by_role("region", name="Precincts").get_by_role("link").first.click()
    taken = page.locator("ul.taken a").first
    href = taken.get_attribute("href")
    assert href is not None
    file = (folder / "precinct" / href).resolve()
    assert file.is_file()
    assert page.locator("ul.taken code").first.inner_text().strip() != ""
    context.close()


def test_pages_can_be_read_by_everybody(folder: Path, browser: Browser, address: str) -> None:
    """Each page says its language, its headings go down step by step, tables have headers, pictures have words, text has contrast."""
    context = browser.new_context()
    page = context.new_page()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in of_each_kind(folder):
            page.goto(address + path)
            assert page.locator("html").get_attribute("lang") == "en"
            levels = page.eval_on_selector_all("h1,h2,h3,h4", "all => all.map(one => Number(one.tagName[1]))")
            assert levels[0] == 1
            assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), path
            assert page.locator("table:not(:has(caption))").count() == 0
            assert page.locator("th:not([scope])").count() == 0
            assert page.locator("svg:not([aria-hidden=true]):not([aria-label])").count() == 0
            named = page.eval_on_selector_all("[role=region]", "all => all.map(one => one.ariaLabel)")
            assert len(set(named)) == len(named), path
            assert page.locator("body > *:not(aside, header, main, footer, .skip)").count() == 0
            assert page.evaluate(_CONTRAST) == [], path
    context.close()


# WCAG 2.2, 1.4.3: relative luminance of text and of the nearest ground that is painted behind it.
_CONTRAST = """() => {
  const numbers = colour => (colour.match(/[0-9.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = one => { for (; one; one = one.parentElement) { const c = numbers(getComputedStyle(one).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const low = [];
  for (const one of document.querySelectorAll("body *")) {
    if (![...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    if (one.closest("svg") || !one.getClientRects().length) continue;
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(one.outerHTML.slice(0, 120));
  }
  return low;
}"""
