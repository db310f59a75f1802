"""What there is besides releases: registers, notices, the line for tickers, protocols as taken over, status, index of addresses."""

import asyncio
import datetime
import gzip
import hashlib
import json
import re
from asyncio import to_thread

from lxml import etree

from skrutinium_server.feed.pages import ADDRESSES
from skrutinium_server.release.store.model import Incident, Notices, Planned, SecondSite
from skrutinium_server.release.store.writing import write_whole
from tests.feed.made import ALLOWED, EVENT, START, Fed, MadeStore, document, feed_on, night, small_night
from tests.feed.made_registers import BEFORE, publish_notices, publish_registers
from tests.feed.test_serving import PARSER, SCHEMA, code

REGISTERS = f"/event/{EVENT}/registers"
ATOM = "{http://www.w3.org/2005/Atom}"
DAY = datetime.timedelta(days=1)


async def test_registers_are_read_before_there_is_a_run(store: MadeStore) -> None:
    """Index, signature and every document, before any run is opened; each with its media type; a zip in one coding only."""
    held = await to_thread(
        publish_registers, store, bundle_zip=b"PK made", calendar_ics=b"BEGIN:VCALENDAR\r\n"
    )
    async with feed_on(store) as fed:
        await fed.until(f"{REGISTERS}/newest/registers.xml", b"<registers")
        for path, due in held.items():
            status, body, headers = await fed.get(f"{REGISTERS}/newest/{path}")
            assert (status, body) == (200, due), path
            assert headers["Skrutinium-Registers"] == "1"
            assert (await fed.get(f"{REGISTERS}/newest/{path}", If_None_Match=headers["ETag"]))[0] == 304
            status, body, headers = await fed.get(f"{REGISTERS}/newest/{path}", Accept_Encoding="gzip")
            packed = headers.get("Content-Encoding") == "gzip"
            assert (gzip.decompress(body) if packed else body) == due
            assert packed is not path.endswith((".zip", ".sig"))
            if not path.startswith("registers.xml"):
                assert (await fed.get(f"/object/{hashlib.sha256(due).hexdigest()}"))[:2] == (200, due)
        kinds = {path: (await fed.get(f"{REGISTERS}/newest/{path}"))[2]["Content-Type"] for path in held}
        assert kinds["bundle.zip"] == "application/zip"
        assert kinds["calendar.ics"] == "text/calendar; charset=utf-8"
        for path, refused in (
            ("newest/nothing.xml", "no-document"),
            ("2/registers.xml", "no-registers"),
            ("x/registers.xml", "bad-number"),
            ("1.0/registers.xml", "bad-number"),
            ("1.2.3/registers.xml", "bad-number"),
            ("at/2018-99-01T00:00:00Z/registers.xml", "bad-time"),
            ("at/2000-01-01T00:00:00Z/registers.xml", "no-registers"),
        ):
            assert code((await fed.get(f"{REGISTERS}/{path}"))[1]) == refused
        assert code((await fed.get("/event/other/registers/newest/registers.xml"))[1]) == "no-registers"


async def test_registers_by_version_and_by_time(night_store: MadeStore) -> None:
    """Each version, in its last edition or the one asked for, and what was newest at a time; what was replaced stays."""
    first = await to_thread(publish_registers, night_store, 1, BEFORE, a_xml=b"<a>1</a>")
    async with feed_on(night_store) as fed:
        again = await to_thread(publish_registers, night_store, 1, BEFORE + DAY, a_xml=b"<a>2</a>")
        second = await to_thread(publish_registers, night_store, 2, BEFORE + 2 * DAY, a_xml=b"<a>3</a>")
        await fed.until(f"{REGISTERS}/newest/a.xml", b"<a>3</a>")
        for version, due in (
            ("newest", second),
            ("2", second),
            ("1", again),
            ("1.1", first),
            ("1.2", again),
            (f"at/{BEFORE:%Y-%m-%dT%H:%M:%SZ}", first),
            (f"at/{BEFORE + DAY:%Y-%m-%dT%H:%M:%SZ}", again),
            ("at/2030-01-01T00:00:00Z", second),
        ):
            for path in ("registers.xml", "registers.xml.sig", "a.xml"):
                assert (await fed.get(f"{REGISTERS}/{version}/{path}"))[:2] == (200, due[path]), version
        assert code((await fed.get(f"{REGISTERS}/1.3/registers.xml"))[1]) == "no-registers"
        assert (await fed.get(f"/object/{hashlib.sha256(b'<a>1</a>').hexdigest()}"))[1] == b"<a>1</a>"


async def test_protocols_are_read_as_they_were_taken_over(store: MadeStore) -> None:
    """A batch names the hash of a protocol; its bytes are served by that hash to whom the run is open, and to nobody else."""
    taken = b"<OKRSEK/>"
    sha256 = hashlib.sha256(taken).hexdigest()
    await to_thread(store.writer.put_objects, [("protocol/1", taken, "", 1)])
    await to_thread(store.open_run, "night", "live")
    batch = f'<protocol-batch><protocol sha256="{sha256}"/></protocol-batch>\n'.encode()
    await to_thread(store.release, night(), {"batch/1.xml": batch})
    async with feed_on(store) as fed:
        assert (await fed.get(f"/object/{sha256}"))[:2] == (200, taken)
        later = b"<OKRSEK again/>"
        await to_thread(store.writer.put_objects, [("protocol/2", later, "", 1)])
        other = hashlib.sha256(later).hexdigest()
        assert code((await fed.get(f"/object/{other}"))[1]) == "no-object"
        batch = f'<protocol-batch><protocol sha256="{other}"/></protocol-batch>\n'.encode()
        await to_thread(store.release, night(), {"batch/2.xml": batch})
        await fed.until(f"/event/{EVENT}/newest/manifest.xml", b'release="2"')
        assert (await fed.get(f"/object/{other}"))[:2] == (200, later)
        assert (await fed.get(f"/object/{sha256}"))[:2] == (200, taken)
        await to_thread(store.access.write_text, ALLOWED.replace("live", "test"))
        await fed.until("/access", b'"kind": "test"')
        assert code((await fed.get(f"/object/{sha256}"))[1]) == "no-object"


async def test_line_for_tickers(store: MadeStore) -> None:
    """One line of text for each kind of contest, of the newest release; conditional like everything else."""
    summary = (
        b'<summary xmlns="urn:skrutinium:1"><kind><line>MADE UP: 3 of 5 protocols</line></kind>'
        b"<kind><line>Senate: 1 of 2\n protocols</line></kind></summary>\n"
    )
    await to_thread(store.open_run, "night", "live")
    await to_thread(store.release, night(), {"summary.xml": summary})
    async with feed_on(store) as fed:
        status, body, headers = await fed.get(f"/event/{EVENT}/line")
        assert (status, body) == (200, b"MADE UP: 3 of 5 protocols\nSenate: 1 of 2 protocols\n")
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert headers["Skrutinium-Phase"] == "live"
        assert (await fed.get(f"/event/{EVENT}/line", If_None_Match=headers["ETag"]))[0] == 304
        assert (await fed.get(f"/event/{EVENT}/run/night/line"))[1] == body


async def test_no_summary_no_line(fed: Fed) -> None:
    """A release without a summary says so."""
    assert code((await fed.get(f"/event/{EVENT}/line"))[1]) == "no-line"


def told() -> Notices:
    """Notices of every kind."""
    return Notices(
        3,
        (
            Incident("i1", START, 'The line is slow & "old".', START + datetime.timedelta(minutes=5)),
            Incident("i2", START + datetime.timedelta(minutes=7), "Something <else>."),
        ),
        (Planned(START + 3650 * DAY, "A new certificate."), Planned(START - DAY, "It was changed.")),
        SecondSite("https://second.example", "a" * 64),
    )


async def test_notices_are_served_as_signed_and_shown(night_store: MadeStore) -> None:
    """notices.xml byte for byte; incidents, the next planned change and the second site in every form of the status."""
    async with feed_on(night_store) as fed:
        assert code((await fed.get("/notices.xml"))[1]) == "no-notices"
        data = await to_thread(publish_notices, night_store, told())
        await fed.until("/notices.xml", b"<notices")
        assert (await fed.get("/notices.xml"))[1] == data
        shown = json.loads((await fed.get("/status"))[1])
        assert [one["id"] for one in shown["incidents"]] == ["i1", "i2"]
        assert shown["planned"]["text"] == "A new certificate."
        assert shown["second_site"]["address"] == "https://second.example"
        await to_thread(publish_notices, night_store, Notices(2))
        await fed.until("/status", b'"notices"')
        assert (await fed.get("/notices.xml"))[1] == data


async def test_status_says_the_same_in_json_and_xml(night_store: MadeStore) -> None:
    """The XML is valid and tells what the JSON tells: age, sign of life, delay against their targets, and runs that are not read."""
    await to_thread(small_night, night_store, "trial", "test", current=False)
    await to_thread(publish_notices, night_store, told())
    now = datetime.datetime.now(datetime.UTC)
    await to_thread(night_store.beat, night(), now)
    async with feed_on(night_store) as fed:
        await to_thread(night_store.release, night(), {"event.xml": document("event", 4)})
        await fed.until(f"/event/{EVENT}/newest/manifest.xml", b'release="4"')
        status, body, headers = await fed.get("/status.xml")
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        root = etree.fromstring(body, PARSER)
        SCHEMA.assertValid(root)
        told_json = json.loads((await fed.get("/status"))[1])
        rows = root.findall("{*}series")
        assert len(rows) == len(told_json["series"]) == 4
        for row, one in zip(rows, told_json["series"], strict=True):
            assert (row.get("event"), row.get("run"), row.get("id")) == (
                one["event"],
                one["run"],
                one["series"],
            )
            assert row.get("release") == (str(one["release"]) if one["release"] else None)
            for name in ("time", "state", "phase"):
                assert row.get(name) == one.get(name)
        measured = next(
            one for one in told_json["series"] if (one["run"], one["series"]) == ("night", "skrutinium")
        )
        assert 0 <= measured["alive"] < 60
        assert 0 <= measured["delay"] < 10_000
        assert told_json["target"] == {"alive": 15, "delay": 1000}
        assert root.get("target-delay") == "1000"
        await to_thread(night_store.access.write_text, ALLOWED.replace("live", "test"))
        await fed.until("/access", b'"kind": "test"')
        root = etree.fromstring((await fed.get("/status.xml"))[1], PARSER)
        SCHEMA.assertValid(root)
        refused = {row.get("run"): row.get("refused") for row in root.findall("{*}series")}
        assert refused == {"night": "run-refused", "trial": "run-refused"}


def check_atom(body: bytes) -> dict[str, tuple[str, str]]:
    """What RFC 4287 asks of a feed and its entries, strictly; the entries as title and time of update by id."""
    root = etree.fromstring(body, PARSER)
    assert root.tag == f"{ATOM}feed"
    moment = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
    allowed = {"id", "title", "updated", "author", "link", "entry"}
    assert {str(child.tag).removeprefix(ATOM) for child in root} <= allowed
    for name in ("id", "title", "updated", "author"):
        assert len(root.findall(f"{ATOM}{name}")) == 1, name
    assert root.find(f"{ATOM}author/{ATOM}name") is not None
    assert root.find(f"{ATOM}link").get("rel") == "self"  # type: ignore[union-attr]
    entries: dict[str, tuple[str, str]] = {}
    times = []
    for entry in root.findall(f"{ATOM}entry"):
        id, title, updated = (entry.findtext(f"{ATOM}{name}", "") for name in ("id", "title", "updated"))
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", id)
        assert moment.fullmatch(updated)
        assert title
        assert entry.find(f"{ATOM}content").get("type") == "text"  # type: ignore[union-attr]
        assert id not in entries
        entries[id] = (title, updated)
        times.append(updated)
    assert times == sorted(times, reverse=True)
    assert root.findtext(f"{ATOM}updated") == (times[0] if times else "1970-01-01T00:00:00Z")
    return entries


async def test_status_as_atom(night_store: MadeStore) -> None:
    """Incidents, planned changes and changes of state are entries with lasting ids; only those of runs that are read; 304 while nothing changes."""
    async with feed_on(night_store) as fed:
        before = check_atom((await fed.get("/status.atom"))[1])
        titles = {title for title, _ in before.values()}
        assert titles == {f"{EVENT} night (live), {series}: interim" for series in ("skrutinium", "volby")}
        await to_thread(publish_notices, night_store, told())
        await fed.until("/status.atom", b"A new certificate.")
        status, body, headers = await fed.get("/status.atom")
        assert (status, headers["Content-Type"]) == (200, "application/atom+xml; charset=utf-8")
        after = check_atom(body)
        assert before.items() <= after.items()
        assert len(after) == 6
        assert ("Incident i1: over", "2018-10-06T14:05:00Z") in after.values()
        assert (await fed.get("/status.atom", If_None_Match=headers["ETag"]))[0] == 304
        # The same at another process.
        async with feed_on(night_store) as other:
            assert check_atom((await other.get("/status.atom"))[1]) == after
        await to_thread(night_store.access.write_text, ALLOWED.replace("live", "test"))
        await fed.until("/access", b'"kind": "test"')
        assert len(check_atom((await fed.get("/status.atom"))[1])) == 4


async def test_health_tells_by_its_status(night_store: MadeStore) -> None:
    """200 while the store is looked at, 503 when it is not, with the same JSON."""
    async with feed_on(night_store) as fed:
        status, body, _ = await fed.get("/health")
        assert (status, json.loads(body)["alive"]) == (200, True)
        fed.running._handling._looked = lambda: 11.0
        status, body, headers = await fed.get("/health")
        assert (status, json.loads(body), headers["Content-Type"]) == (
            503,
            {"alive": False, "looked": 11.0},
            "application/json",
        )


async def test_every_address_of_the_index_is_one(night_store: MadeStore) -> None:
    """What the index names is understood: each address, filled in, is another answer than bad-address or not-found."""
    await to_thread(publish_registers, night_store)
    await to_thread(publish_notices, night_store, told())
    await to_thread(write_whole, night_store.root / "unrelated", b"")
    async with feed_on(night_store) as fed:
        status, body, headers = await fed.get("/")
        assert (status, body.decode(), headers["Content-Type"]) == (
            200,
            ADDRESSES,
            "text/plain; charset=utf-8",
        )
        named = re.findall(r"(?:^|  )(/\S+)", ADDRESSES, re.MULTILINE)
        assert len(named) > 25
        filled = {
            "EVENT": EVENT,
            "RUN": "night",
            "SERIES": "skrutinium",
            "PATH[,PATH...]": "event.xml",
            "ID[,ID...]&contest=ID[,ID...]": "6202&contest=27",
            "KEYID": "0" * 16,
            "SHA256": "0" * 64,
            "TIME": "2018-10-06T15:00:00Z",
            "PATH": "event.xml",
            "N": "1",
        }
        for address in named:
            path = address.removesuffix("...")
            for name, value in filled.items():
                path = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Z])", value, path)
            if path.endswith(
                ("/", "push", "/receipt")
            ):  # a stream; where no receipts are taken there is nothing
                continue
            async with asyncio.timeout(60):
                status, body, _ = await fed.get(path)
            assert status == 200 or code(body) not in {"not-found", "bad-address", "bad-query"}, path


async def test_bytes_taken_over_that_are_no_xml_are_told_to_be_bytes(store: MadeStore) -> None:
    """A protocol taken over from CSV is not called XML; one from XML is."""
    xml, csv = (
        b"<OKRSEK/>",
        b"100003-1,100003,100003.1,1,2030-10-05T12:00:00Z,false,60,30,30,89\n100003-1,100003,1,,89",
    )
    named = {hashlib.sha256(taken).hexdigest(): taken for taken in (xml, csv)}
    await to_thread(
        store.writer.put_objects,
        [(f"protocol/{at}", taken, "", 1) for at, taken in enumerate(named.values())],
    )
    await to_thread(store.open_run, "night", "rehearsal")
    protocols = "".join(f'<protocol sha256="{sha256}"/>' for sha256 in named)
    batch = f"<protocol-batch>{protocols}</protocol-batch>\n".encode()
    await to_thread(store.release, night(), {"batch/1.xml": batch})
    async with feed_on(store) as fed:
        told = {taken: await fed.get(f"/object/{sha256}") for sha256, taken in named.items()}
        assert {taken: answer[:2] for taken, answer in told.items()} == {xml: (200, xml), csv: (200, csv)}
        kinds = [told[taken][2]["Content-Type"] for taken in (xml, csv)]
        assert kinds == ["application/xml; charset=utf-8", "application/octet-stream"]
