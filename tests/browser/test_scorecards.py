"""Scorecards in a real browser: Debian's Chromium, wide and narrow, light, dark and on paper."""

from importlib import resources
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from skrutinium_server.rehearsal.scoring.closing import Brought, Ledgered, closing_report
from skrutinium_server.rehearsal.scoring.model import Mailing, Subscriber, Trouble
from skrutinium_server.rehearsal.scoring.scoring import score
from skrutinium_server.rehearsal.scoring.writing import write_scores
from tests.browser.test_pages import watched
from tests.rehearsal.test_scoring import ME, START, at, done, night, poll, read, receipt, release

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
PAGES = ("index.html", f"cards/{ME}.html", "cards/wire.html", "cards/asleep.html", "closing-report.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cards of a night with an outage, crisis mail, a correction, and three subscribers of different kinds."""
    told = night(
        *(release(number, correction=number == 4) for number in range(1, 11)),
        troubles=[
            Trouble("outage", "first", at(52), at(71)),
            Trouble("wrong_signature", "both", at(85), None),
        ],
        mailings=[Mailing(at(55), at(73))],
    )
    names = [Subscriber(ME, "Evening Paper"), Subscriber("wire", "A wire with a very long name " * 3)]
    reads = [poll(11, 1), poll(12, 1), poll(43, 4), *(poll(tenths, 8) for tenths in range(81, 84))]
    wire = [read(second, "/newest/event.xml", second // 10, who="wire") for second in range(20, 60)]
    receipts = [
        receipt(90, *(done(number, max(10 * number + 0.4, 73 * (number // 5))) for number in range(1, 9)))
    ]
    scores = score(told, [*names, Subscriber("asleep", "Nobody")], [*reads, *wire], [], receipts)
    brought = Brought("made up", "replay", 10, 1, at(10), at(100))
    report = closing_report(
        scores, Ledgered("0" * 64, "1" * 64, (brought,), closed=False), "skrutinium-server 0.1.0"
    )
    out = tmp_path_factory.mktemp("scores")
    write_scores(report, out, START)
    return out


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_scorecards_are_whole_at_every_width(folder: Path, browser: Browser, width: int, scheme: str) -> None:
    """Each page loads without an error, asks nobody for anything, and nothing runs out of its side; axe-core finds nothing."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    wrong = watched(page, "file://")
    for path in PAGES:
        page.goto(f"file://{folder / path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.locator("h1").count() == 1
        assert "REHEARSAL" in page.locator(".phase").inner_text()
        pictures = page.locator("svg[role=img]")
        assert pictures.count() == (0 if "asleep" in path or "closing" in path else 1), path
        page.evaluate(AXE)
        assert page.evaluate("axe.run().then(one => one.violations.map(v => v.id))") == [], path
        for picture in pictures.all():
            box = picture.bounding_box()
            assert box is not None
            assert box["width"] > 250
            assert box["height"] > 50
    assert wrong == []
    context.close()


def test_links_lead_to_the_cards(folder: Path, browser: Browser) -> None:
    """From the organiser's page each card, the closing report and the documents are one click away."""
    page = browser.new_page()
    page.goto(f"file://{folder / 'index.html'}")
    links = page.eval_on_selector_all("a", "all => all.map(one => one.getAttribute('href'))")
    assert set(links) >= {f"cards/{ME}.html", "cards/wire.html", "cards/asleep.html", "closing-report.html"}
    assert all((folder / link).is_file() for link in links)
    page.click("a:has-text('Evening Paper')")
    assert page.locator("h1").inner_text().startswith("Evening Paper")
    assert "back after" in page.inner_text("main")
    page.close()


def test_scorecards_print(folder: Path, browser: Browser, tmp_path: Path) -> None:
    """On paper a card takes a page or two, and says the same."""
    page = browser.new_page()
    page.goto(f"file://{folder / 'cards' / f'{ME}.html'}")
    data = page.pdf(path=tmp_path / "card.pdf", format="A4")
    assert 1 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 3
    page.close()
