"""Every address of volby.cz beside several elections: councils, both rounds of the Senate, by-elections by their day."""

import datetime
from asyncio import to_thread
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from skrutinium_server.release.store.model import Run, SeriesKey
from tests.feed.made import Fed, MadeStore, document, feed_on

KV, SE = "cz-municipal-2018", "cz-senate-2018"
EVENTS = (
    # event, first day, law, first day of the first round, constituencies or councils that have documents
    ("kv2018", "2018-10-05", KV, None, ("582786",)),
    ("kv-leden", "2019-01-18", KV, None, ("582786",)),
    ("se2018", "2018-10-05", SE, None, ("4", "7")),
    ("se2018-2", "2018-10-12", SE, "2018-10-05", ("4",)),
    ("se-jaro", "2019-04-05", SE, None, ("9",)),
)


def of(event: str, name: str) -> bytes:
    """The document that the made series of an event holds."""
    return document(f"{event} {name}", 1)


def documents(event: str, law: str, units: tuple[str, ...]) -> dict[str, bytes]:
    """The documents of one event's series by path."""
    family = "zastup/vysledky_obec" if law == KV else "obvody/vysledky_obce_obvod"
    paths = ["vysledky.xml", *(f"{family}_{unit}.xml" for unit in units)]
    paths += [f"okrsky/vysledky_okrsky_{number:05d}.xml" for number in (1, 2)]
    paths += ["okresy/vysledky_obce_okres_CZ0642.xml"] if law == KV else []
    return {path: of(event, path) for path in paths}


def several(store: MadeStore, *, seen: str = "live") -> None:
    """All those events, each with a live run; that of the second round in phase ``seen``."""
    for event, date, law, first, units in EVENTS:
        phase = seen if first is not None else "live"
        store.runs[event] = Run(
            event, event, "Made up", date, law, phase, True, True, ("volby",), first_date=first
        )
        store.write_state()
        store.release(SeriesKey(event, event, "volby"), documents(event, law, units))


@pytest.fixture
async def fed(store: MadeStore) -> AsyncIterator[Fed]:
    """A feed on all of them."""
    await to_thread(several, store)
    async with feed_on(store) as running:
        yield running


ALL, OKRSKY = "vysledky.xml", "okrsky/vysledky_okrsky_0000{}.xml"
OKRES, OBEC = "okresy/vysledky_obce_okres_CZ0642.xml", "zastup/vysledky_obec_582786.xml"
OBVOD = "obvody/vysledky_obce_obvod_{}.xml"
ADDRESSES = (
    # address, event, path
    ("/pls/kv2018/vysledky", "kv2018", ALL),
    ("/pls/kv2018/vysledky?datumvoleb=20181005", "kv2018", ALL),
    ("/pls/kv2018/vysledky?datum_voleb=20181005", "kv2018", ALL),
    ("/pls/kv2018/VYSLEDKY?DATUMVOLEB=", "kv2018", ALL),
    ("/pls/kvmedia/vysledky?datumvoleb=20181005", "kv2018", ALL),
    ("/pls/kvmedia/vysledky_okrsky?davka=2&datumvoleb=20181005", "kv2018", OKRSKY.format(2)),
    ("/pls/kv2018/vysledky_obce_okres?nuts=CZ0642&datumvoleb=", "kv2018", OKRES),
    ("/pls/kv2018/vysledky_obce_okres?Nuts=cz0642", "kv2018", OKRES),
    ("/pls/kv2018/vysledky_obec?datumvoleb=20181005&cislo_obce=582786", "kv2018", OBEC),
    ("/pls/kv2018/vysledky_okrsky?datumvoleb=20181005&davka=1", "kv2018", OKRSKY.format(1)),
    ("/pls/kv2018/vysledky_okrsky?davka=&datumvoleb=", "kv2018", OKRSKY.format(2)),
    ("/appdata/kv2018/20181005/odata/vysledky.xml", "kv2018", ALL),
    (f"/appdata/kv2018/20181005/odata/{OKRES}", "kv2018", OKRES),
    (f"/appdata/kv2018/20181005/odata/{OBEC}", "kv2018", OBEC),
    ("/appdata/kv2018/20181005/odata/okrsky/vysledky_okrsky_00001.xml", "kv2018", OKRSKY.format(1)),
    ("/appdata/kv2018/20181005/odata/okrsky/vysledky_okrsky.xml", "kv2018", OKRSKY.format(2)),
    # by-elections need their day; the folder may be that of the term or of the year
    ("/pls/kv2018/vysledky?datumvoleb=20190118", "kv-leden", ALL),
    ("/pls/kv2019/vysledky?datumvoleb=20190118", "kv-leden", ALL),
    ("/pls/kvmedia/vysledky?datumvoleb=20190118", "kv-leden", ALL),
    ("/appdata/kv2018/20190118/odata/vysledky.xml", "kv-leden", ALL),
    ("/pls/kvmedia/vysledky", "kv2018", ALL),
    ("/pls/senat/vysledky?datum_voleb=20190405", "se-jaro", ALL),
    ("/appdata/senat/20190405/odata/vysledky.xml", "se-jaro", ALL),
    # both rounds of the Senate stand under the first one's day, and the newest wins
    ("/pls/senat/vysledky", "se2018-2", ALL),
    ("/pls/senat/vysledky?datum_voleb=20181005", "se2018-2", ALL),
    ("/pls/senat/vysledky?DATUMVOLEB=20181005&kolo=", "se2018-2", ALL),
    ("/pls/senat/vysledky?kolo=1", "se2018", ALL),
    ("/pls/senat/vysledky?KOLO=2", "se2018-2", ALL),
    ("/pls/se2018/vysledky", "se2018-2", ALL),
    ("/pls/semedia/vysledky", "se2018-2", ALL),
    ("/pls/senat/vysledky_okrsky?datum_voleb=20181005&kolo=1&davka=2", "se2018", OKRSKY.format(2)),
    ("/pls/senat/vysledky_okrsky?davka=1&kolo=2&datum_voleb=20181005", "se2018-2", OKRSKY.format(1)),
    ("/pls/senat/vysledky_okrsky?kolo=1&davka=", "se2018", OKRSKY.format(2)),
    ("/pls/senat/vysledky_okrsky?&davka=", "se2018-2", OKRSKY.format(2)),
    ("/pls/senat/vysledky_obce_obvod?cislo_obvodu=4", "se2018-2", OBVOD.format(4)),
    ("/pls/senat/vysledky_obce_obvod?cislo_obvodu=4&kolo=1", "se2018", OBVOD.format(4)),
    ("/appdata/senat/20181005/odata/vysledky.xml", "se2018-2", ALL),
    ("/appdata/senat/20181005/odata/obvody/vysledky_obce_obvod_4.xml", "se2018-2", OBVOD.format(4)),
    ("/appdata/senat/20181005/odata/okrsky/vysledky_okrsky_00001.xml", "se2018-2", OKRSKY.format(1)),
    ("/appdata/senat/20181005/odata/okrsky/vysledky_okrsky.xml", "se2018-2", OKRSKY.format(2)),
    # a constituency that was decided at once has no second round
    ("/pls/senat/vysledky_obce_obvod?cislo_obvodu=7", "se2018", OBVOD.format(7)),
    ("/appdata/senat/20181005/odata/obvody/vysledky_obce_obvod_7.xml", "se2018", OBVOD.format(7)),
)
MISSING = (
    # address, status, root, code, schema
    ("/pls/kv2018/vysledky?datumvoleb=20181006", 200, "VYSLEDKY", "30", "kv_vysledky.xsd"),
    ("/pls/kv2018/vysledky_okrsky?davka=3", 200, "VYSLEDKY_OKRSKY", "30", "kv_vysledky_okrsky.xsd"),
    ("/pls/senat/vysledky?datum_voleb=20181007", 200, "VYSLEDKY", "30", "se_vysledky.xsd"),
    ("/pls/senat/vysledky?kolo=3", 200, "VYSLEDKY", "30", "se_vysledky.xsd"),
    ("/pls/senat/vysledky?kolo=2&datum_voleb=20190405", 200, "VYSLEDKY", "10", "se_vysledky.xsd"),
    ("/pls/senat/vysledky_okrsky?kolo=1&davka=0", 200, "VYSLEDKY_OKRSKY", "30", "se_vysledky_okrsky.xsd"),
    ("/pls/senat/vysledky_obce_obvod", 200, "VYSLEDKY_OBCE_OBVOD", "30", "se_vysledky_obce_obvod.xsd"),
    ("/pls/senat/vysledky_obce_obvod?cislo_obvodu=9", 200, "VYSLEDKY_OBCE_OBVOD", "30", "se_vysledky_obce_obvod.xsd"),
    ("/appdata/senat/20181005/odata/obvody/vysledky_obce_obvod_9.xml", 404, "VYSLEDKY_OBCE_OBVOD", "10", "se_vysledky_obce_obvod.xsd"),
    ("/appdata/senat/20181005/odata/okrsky/vysledky_okrsky_00003.xml", 404, "VYSLEDKY_OKRSKY", "10", "se_vysledky_okrsky.xsd"),
)  # fmt: skip
NOTHING = (
    "/pls/kv2014/vysledky",
    "/pls/kv2022/vysledky?datumvoleb=20181005",
    "/pls/senat/vysledky_obec?cislo_obce=582786",
    "/pls/kv2018/vysledky_obce_obvod?cislo_obvodu=4",
    "/pls/ps2021/vysledky",
    "/appdata/senat/20181012/odata/vysledky.xml",
    "/appdata/senat/aktual/odata/vysledky_celk.xml",
    "/appdata/kv2018/20181005/odata/obce_d/vysledky_obce.xml",
    "/appdata/kv2018/20181005/odata/obce_d/vysledky_obce_00001.xml",
    "/appdata/senat/20181005/odata/zastup/vysledky_obec_4.xml",
)


@pytest.mark.parametrize(("address", "event", "path"), ADDRESSES, ids=[row[0] for row in ADDRESSES])
async def test_address(fed: Fed, address: str, event: str, path: str) -> None:
    """Each address is answered with the document of the election, round and unit that it means."""
    status, body, headers = await fed.get(address)
    assert (status, body) == (200, of(event, path))
    assert (headers["Access-Control-Allow-Origin"], headers["Skrutinium-Run"]) == ("*", event)


@pytest.mark.parametrize(
    ("address", "status", "root", "code", "schema"), MISSING, ids=[row[0] for row in MISSING]
)
async def test_missing(fed: Fed, address: str, status: int, root: str, code: str, schema: str) -> None:
    """What is not there is CHYBA, valid by the schema of its election: 200 from procedures, 404 from files."""
    answered, body, headers = await fed.get(address)
    found = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    file = Path(__file__).resolve().parents[2] / "xsd" / "volby" / "1" / schema
    etree.XMLSchema(etree.parse(str(file))).assertValid(found)
    assert (answered, etree.QName(found).localname, found[0].get("KOD_CHYBY")) == (status, root, code)
    assert headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("address", NOTHING)
async def test_nothing(fed: Fed, address: str) -> None:
    """Elections, days and documents that there are none of are ordinary refusals."""
    status, body, _ = await fed.get(address)
    assert status == 404
    assert b"urn:skrutinium:1" in body


async def test_tests_of_a_second_round_stay_beside_the_live_first(store: MadeStore) -> None:
    """While the second round is only tested, the addresses of both go on with the first, which is live."""
    await to_thread(several, store, seen="test")
    async with feed_on(store) as fed:
        status, body, headers = await fed.get("/pls/senat/vysledky?datum_voleb=20181005")
        assert (status, body) == (200, of("se2018", ALL))
        assert headers["Skrutinium-Phase"] == "live"


async def test_first_round_is_read_until_the_second_may_be(store: MadeStore) -> None:
    """Before the legal minute of the second round its addresses tell the first; who asks for round 2 hears CHYBA 10."""
    await to_thread(several, store)
    await to_thread(_close_until_later, store)
    async with feed_on(store) as fed:
        for address in ("/pls/senat/vysledky", "/appdata/senat/20181005/odata/vysledky.xml"):
            status, body, headers = await fed.get(address)
            assert (status, body, headers["Skrutinium-Run"]) == (200, of("se2018", ALL), "se2018")
        status, body, headers = await fed.get("/pls/senat/vysledky?kolo=2")
        assert status == 200
        assert b'KOD_CHYBY="10"' in body
        assert int(headers["Retry-After"]) > 0


def _close_until_later(store: MadeStore) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    store.runs["se2018-2"] = msgspec.structs.replace(store.runs["se2018-2"], not_before=later)
    store.write_state()
