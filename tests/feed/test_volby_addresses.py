"""The volby series at the addresses of volby.cz, in both shapes."""

import json
from asyncio import to_thread
from pathlib import Path

import pytest
from lxml import etree

from skrutinium_server.feed.settings import FeedSettings
from tests.feed.made import EVENT, Fed, MadeStore, document, feed_on, night

XSD = Path(__file__).resolve().parents[2] / "xsd" / "volby" / "1"
PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
PLS = "/pls/kv2018"
FILES = "/appdata/kv2018/20181005/odata"


def chyba(body: bytes) -> tuple[str, str]:
    """Root and code of a CHYBA document."""
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    (child,) = root
    return etree.QName(root).localname, str(child.get("KOD_CHYBY"))


@pytest.mark.parametrize(
    ("path", "due"),
    [
        (f"{PLS}/vysledky", document("VYSLEDKY", 2)),
        (f"{PLS}/vysledky?datumvoleb=20181005", document("VYSLEDKY", 2)),
        (f"{PLS}/vysledky?datumvoleb=", document("VYSLEDKY", 2)),
        (f"{PLS}/vysledky_obce_okres?datumvoleb=20181005&nuts=CZ0642", document("okres", 1)),
        (f"{PLS}/vysledky_obce_okres?NUTS=cz0642&DATUMVOLEB=20181005", document("okres", 1)),
        (f"{PLS}/vysledky_obec?cislo_obce=582786&datumvoleb=", document("obec", 1)),
        (f"{PLS}/vysledky_okrsky?datumvoleb=20181005&davka=1", document("okrsky", 1)),
        (f"{PLS}/vysledky_okrsky?davka=00002", document("okrsky", 2)),
        (f"{PLS}/vysledky_okrsky?davka=", document("okrsky", 2)),
        (f"{PLS}/vysledky_okrsky", document("okrsky", 2)),
        (f"{FILES}/vysledky.xml", document("VYSLEDKY", 2)),
        (f"{FILES}/okresy/vysledky_obce_okres_CZ0642.xml", document("okres", 1)),
        (f"{FILES}/zastup/vysledky_obec_582786.xml", document("obec", 1)),
        (f"{FILES}/okrsky/vysledky_okrsky_00001.xml", document("okrsky", 1)),
        (f"{FILES}/okrsky/vysledky_okrsky.xml", document("okrsky", 2)),
    ],
)
async def test_both_shapes_serve_the_series(fed: Fed, path: str, due: bytes) -> None:
    """Procedures and files serve the documents of the series, open to any origin, with phase and release in the head."""
    status, body, headers = await fed.get(path)
    assert (status, body) == (200, due)
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"].startswith("max-age=")
    assert (headers["Skrutinium-Phase"], headers["Skrutinium-Release"]) == ("live", "2")
    assert (await fed.get(path, If_None_Match=headers["ETag"]))[0] == 304


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"{PLS}/vysledky_okrsky?davka=3", 200, ("VYSLEDKY_OKRSKY", "30")),
        (f"{PLS}/vysledky_okrsky?davka=0", 200, ("VYSLEDKY_OKRSKY", "30")),
        (f"{PLS}/vysledky_okrsky?davka=-1", 200, ("VYSLEDKY_OKRSKY", "30")),
        (f"{PLS}/vysledky_okrsky?davka=99999999999999", 200, ("VYSLEDKY_OKRSKY", "30")),
        (f"{PLS}/vysledky_obce_okres?nuts=CZ9999", 200, ("VYSLEDKY_OBCE_OKRES", "30")),
        (f"{PLS}/vysledky_obce_okres", 200, ("VYSLEDKY_OBCE_OKRES", "30")),
        (f"{PLS}/vysledky_obec?cislo_obce=../x", 200, ("VYSLEDKY_OBEC", "30")),
        (f"{PLS}/vysledky?datumvoleb=20221231", 200, ("VYSLEDKY", "30")),
        (f"{FILES}/okrsky/vysledky_okrsky_00003.xml", 404, ("VYSLEDKY_OKRSKY", "10")),
        (f"{FILES}/zastup/vysledky_obec_1.xml", 404, ("VYSLEDKY_OBEC", "10")),
    ],
)
async def test_what_is_not_there_is_a_chyba_document(
    fed: Fed, path: str, status: int, said: tuple[str, str]
) -> None:
    """What is not there is told as the programs of volby.cz expect it: CHYBA, with 200 from procedures and 404 from files."""
    answered, body, headers = await fed.get(path)
    assert (answered, chyba(body)) == (status, said)
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert b"<!--" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/pls/kv2014/vysledky",
        "/pls/kv2018/nothing",
        "/pls/se2018/vysledky",
        "/appdata/kv2018/20181006/odata/vysledky.xml",
        f"{FILES}/nothing.xml",
    ],
)
async def test_other_elections_are_not_there(fed: Fed, path: str) -> None:
    """Elections, dates and documents that the feed does not hold are ordinary refusals."""
    status, body, _ = await fed.get(path)
    assert status == 404
    assert b"urn:skrutinium:1" in body


async def test_before_counting_there_is_nothing_yet(store: MadeStore) -> None:
    """Before the first batch and the first release the code is 10, and outside live the document says so in a comment."""
    await to_thread(store.open_run, "night", "test")
    async with feed_on(store) as fed:
        for path in ("vysledky", "vysledky_okrsky?davka=", "vysledky_okrsky?davka=1"):
            status, body, headers = await fed.get(f"{PLS}/{path}")
            assert (status, chyba(body)[1], headers["Skrutinium-Phase"]) == (200, "10", "test")
            assert b"<!-- TEST: run night, not a real election -->" in body
        await to_thread(store.release, night(series="volby"), {"vysledky.xml": document("VYSLEDKY", 1)})
        await fed.until(f"{PLS}/vysledky", b"VYSLEDKY")
        await fed.until(f"/event/{EVENT}/series/volby/newest/manifest.xml", b"manifest")
        assert chyba((await fed.get(f"{PLS}/vysledky_okrsky"))[1]) == ("VYSLEDKY_OKRSKY", "10")
        assert chyba((await fed.get(f"{FILES}/okrsky/vysledky_okrsky.xml"))[1]) == ("VYSLEDKY_OKRSKY", "10")


@pytest.mark.parametrize("way", [{}, {"Range": "bytes=0-"}], ids=["front", "ordinary"])
async def test_who_asks_too_often_is_told_in_the_format_asked_for(
    night_store: MadeStore, way: dict[str, str]
) -> None:
    """Status 429 with its headers: CHYBA with a sentence at addresses of volby.cz, JSON at pages in JSON, text at text, else XML."""
    async with feed_on(night_store, settings=FeedSettings(requests_per_second=1, burst=1)) as fed:

        async def limited(path: str) -> tuple[bytes, str]:
            status, body, headers = await fed.get(path, **way)
            while status != 429:
                status, body, headers = await fed.get(path, **way)
            assert (headers["Retry-After"], headers["RateLimit"]) == ("1", '"subscriber";r=0;t=1')
            return body, headers["Content-Type"]

        for path, root in (
            (f"{PLS}/vysledky_okrsky?davka=1", "VYSLEDKY_OKRSKY"),
            (f"{PLS}/vysledky_obec?cislo_obce=582786", "VYSLEDKY_OBEC"),
            (f"{FILES}/vysledky.xml", "VYSLEDKY"),
        ):
            body, kind = await limited(path)
            assert (chyba(body), kind) == ((root, "10"), "application/xml; charset=utf-8")
            schema = await to_thread((XSD / f"kv_{root.lower()}.xsd").read_bytes)
            etree.XMLSchema(etree.fromstring(schema, PARSER)).assertValid(etree.fromstring(body, PARSER))
        body, kind = await limited("/status")
        assert (json.loads(body)["error"]["code"], kind) == ("too-many-requests", "application/json")
        assert (await limited(f"/event/{EVENT}/line"))[1].startswith("text/plain")
        body, kind = await limited(f"/event/{EVENT}/newest/event.xml")
        assert b'code="too-many-requests"' in body
