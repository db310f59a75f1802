"""The bundle works from a disc without a network: links, schemas, documents, checksums, and in a browser."""

import hashlib
import io
import os
import re
import shutil
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree, html

from skrutinium_server.archive.contract import contract
from skrutinium_server.process.registers import make_bundle, publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.registers import RegistersReader
from skrutinium_server.release.store.signing import read_public_key, signature_holds
from tests.release.register_samples import DEFINITION, TIME

XMLNS = "{http://www.w3.org/2001/XMLSchema}"
CALENDAR = """
[[entry]]
id = "window"
kind = "testing-window"
from = 2030-03-11T08:00:00Z
text = "Made-up results & <b>more</b>."
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site.create(tmp_path_factory.mktemp("site") / "site")
    made.define(DEFINITION)
    (made.root / "calendar.toml").write_text(CALENDAR)
    return made


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, unpacked where nothing else is."""
    unpacked = tmp_path_factory.mktemp("disc")
    zipfile.ZipFile(io.BytesIO(make_bundle(site, DEFINITION, TIME))).extractall(unpacked)
    return unpacked


def parse(path: Path) -> etree._ElementTree:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    return etree.parse(str(path), parser)


def pages(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.html"))


def test_same_facts_same_bytes(site: Site) -> None:
    """The bundle is a function of definition, calendar and key; it is what is published as bundle.zip."""
    made = make_bundle(site, DEFINITION, TIME)
    assert make_bundle(site, DEFINITION, TIME) == made

    publish_registers(site, DEFINITION, TIME)
    reader = RegistersReader(site.store)
    row = reader.index(DEFINITION.event, DEFINITION.version).rows["bundle.zip"]
    assert reader.document(row) == made


def test_every_link_leads_to_a_file(folder: Path) -> None:
    """Every link of every page is relative and names a file, and an anchor in it, that is there."""
    seen = 0
    for page in pages(folder):
        tree = html.fromstring(page.read_bytes())
        anchors = set(tree.xpath("//@id"))
        for link in tree.xpath("//@href | //@src"):
            path, _, anchor = urllib.parse.unquote(link).partition("#")
            assert "://" not in link, (page, link)
            assert not path or (page.parent / path).is_file(), (page, link)
            assert not anchor or path or anchor in anchors, (page, link)
            seen += 1
    assert seen > 500


def test_everything_is_within_reach_of_the_start_page(folder: Path) -> None:
    """Every file of the bundle is linked from the start page or the list of files."""
    linked = {
        link
        for name in ("index.html", "files.html")
        for link in html.fromstring((folder / name).read_bytes()).xpath("//@href")
    }
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert files - linked == {"index.html"} - linked
    assert contract().keys() <= files


def test_schemas_validate_registers_and_samples(folder: Path) -> None:
    """All schemas of the bundle compile from the disc; they accept its registers and valid samples, and no invalid one."""
    schemas: dict[str, etree.XMLSchema] = {}
    for path in (folder / "xsd").rglob("*.xsd"):
        tree = parse(path)
        schema = etree.XMLSchema(tree)
        space = tree.getroot().get("targetNamespace")
        schemas |= {
            f"{{{space}}}{top.get('name')}": schema for top in tree.getroot().findall(f"{XMLNS}element")
        }
    documents = [
        *folder.glob("*.xml"),
        *(path for name in ("registers", "rows", "codebooks") for path in (folder / name).rglob("*.xml")),
    ]
    samples = [
        path for path in (folder / "samples").rglob("*.xml") if path.parent.name in ("valid", "invalid")
    ]

    assert len(documents) > 25
    for path in documents:
        schemas[str(parse(path).getroot().tag)].assertValid(parse(path))
    for path in samples:
        tree = parse(path)
        root = str(tree.getroot().tag)
        if path.parent.name == "valid":
            schemas[root].assertValid(tree)
        else:  # one of them has a namespace of nobody
            assert root not in schemas or not schemas[root].validate(tree), path


def test_checksums_and_signature(folder: Path, site: Site) -> None:
    """SHA256SUMS names every file with its hash and is signed with the key whose fingerprint the start page shows."""
    sums = (folder / "SHA256SUMS").read_bytes()
    told = {path: sha for sha, path in (line.split("  ") for line in sums.decode().splitlines())}
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}

    assert told.keys() == files.keys() - {"SHA256SUMS", "SHA256SUMS.sig"}
    assert all(hashlib.sha256(files[path].read_bytes()).hexdigest() == sha for path, sha in told.items())
    (key,) = (folder / "key").glob("*.pem")
    public = read_public_key(key.read_bytes())
    assert signature_holds(public, sums, (folder / "SHA256SUMS.sig").read_bytes())
    assert site.signer().fingerprint in (folder / "index.html").read_text()


def test_pages_say_made_up_and_escape(folder: Path) -> None:
    """Every page of a made-up event says so, and what the calendar says is text, never markup."""
    for page in pages(folder):
        assert "Made up: nothing in here is a real election" in page.read_text(), page
    assert "Made-up results &amp; &lt;b&gt;more&lt;/b&gt;." in (folder / "index.html").read_text()


def test_nothing_comes_from_elsewhere(folder: Path) -> None:
    """No page names a script, a style sheet, a picture or a font outside itself."""
    for page in pages(folder):
        text = page.read_text()
        assert not re.search(r"<script|<link|<img|<iframe|@import|url\(", text), page


def test_opens_in_a_browser_without_a_network(folder: Path) -> None:
    """Chromium, offline, shows the start page and follows it to the description of the night, without an error or a request."""
    if shutil.which("chromium") is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is missing")
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width in (390, 1200):
            context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
            page = context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: faults.append(message.text))
            page.goto((folder / "index.html").as_uri())
            assert page.inner_text("h1") == DEFINITION.name
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.click("text=Documents of the night")
            assert page.inner_text("h1") == "skrutinium.xsd"
            assert page.locator("tbody tr").count() > 300
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            context.close()
        browser.close()
    assert all(url.startswith("file://") for url in asked)
    assert faults == []
