"""What is no good request gets a small clear error or a closed connection, on every loop, with and without the front."""

import re
import socket
from collections.abc import Iterator

import pytest
from lxml import etree

from tests.feed.hostile import BOTH, DOCUMENT, KINDS, Attacked, ask, attacked, read_to_end, statuses
from tests.feed.made import EVENT, MadeStore, document

GOOD = ask(DOCUMENT, "Connection: close")
BODY = document("event night", 3)
SMALL = 2_000
"""No error is larger, in bytes."""


@pytest.fixture(scope="module", params=BOTH)
def feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One feed of each kind for all tests."""
    store = MadeStore(tmp_path_factory.mktemp("attacked"))
    yield from attacked(store, *KINDS[request.param])


def said(feed: Attacked, *pieces: bytes, ends: bool = True) -> bytes:
    """Everything a feed answers to pieces; it must close by itself when ``ends`` is false."""
    with feed.connect() as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it may close before all is sent, and what is closed already cannot be shut down
        return read_to_end(connection)


def small(answer: bytes) -> None:
    """One error document of ours, well-formed, that repeats nothing and tells nothing of the inside."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert len(answer) < SMALL
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in head
    assert b"\r\nCache-Control: no-store\r\n" in head
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    assert root.get("code")
    assert not re.search(rb"\.py|aiohttp|uvloop|Traceback|/store/|object at", answer)


PATHS = {
    "climbing": "/event/kv2018/newest/../../../../etc/passwd",
    "encoded dots": "/event/kv2018/newest/%2e%2e/%2e%2e/etc/passwd",
    "encoded slash": "/event/kv2018/newest/..%2f..%2fetc%2fpasswd",
    "doubly encoded": "/event/kv2018/newest/%252e%252e%252fetc%252fpasswd",
    "NUL": "/event/kv2018/newest/event.xml%00.png",
    "backslash": "/event/kv2018/newest/..%5c..%5cstate.xml",
    "plain backslash": "/event\\kv2018\\newest\\event.xml",
    "overlong UTF-8": "/event/kv2018/newest/%c0%ae%c0%ae/%c0%afetc",
    "fullwidth dots": "/event/kv2018/newest/%ef%bc%8e%ef%bc%8e/x",
    "half an escape": "/event/kv2018/newest/%",
    "no hexadecimal": "/event/kv2018/newest/%zz",
    "double slash": "//event/kv2018/newest/event.xml",
    "semicolon": "/event/kv2018/newest/..;/event.xml",
    "colon": "/event/kv2018/newest/C:/windows/win.ini",
    "a dot": "/event/kv2018/newest/./event.xml",
    "hidden file": "/.git/config",
    "store file": "/store/state.xml",
    "key": "/keys/../private.pem",
    "schema that climbs": "/xsd/..%2f..%2fserver/pyproject.toml",
    "sample that climbs": "/samples/%2e%2e/README.md",
    "line break": "/event/kv2018/newest/event.xml%0d%0aX-Made:%20up",
    "tilde": "/event/kv2018/newest/~root",
    "tag": "/event/<script>alert(1)</script>",
    "entity": "/event/&xxe;/newest/event.xml",
    "query tricks": "/event/kv2018/changes?since=../../etc/passwd",
    "semicolons": "/event/kv2018/changes;since=1",
    "absolute, bad port": f"http://x:99999999{DOCUMENT}-",
    "absolute, bad host": f"http://[::1{DOCUMENT}",
    "another scheme": "gopher://x/1",
    "file": "file:///etc/passwd",
    "javascript": "javascript:alert(1)",
    "star": "*",
    "nothing": "",
    "object that climbs": "/object/../../../etc/passwd",
    "object in capitals": "/object/" + "A" * 64,
    "object one too long": "/object/" + "a" * 65,
    "very long": "/event/" + "a" * 3000,
    "many segments": "/event/kv2018/newest" + "/a" * 900,
    "long query": "/event/kv2018/changes?" + "since=1&" * 200,
    "release nought": "/event/kv2018/release/0/event.xml",
    "release below nought": "/event/kv2018/release/-1/event.xml",
    "huge release": "/event/kv2018/release/" + "9" * 400 + "/event.xml",
    "release in other digits": "/event/kv2018/release/%d9%a3/event.xml",
    "release 1e9": "/event/kv2018/release/1e9/event.xml",
    "release not there": "/event/kv2018/release/999999999/event.xml",
    "huge since": "/event/kv2018/changes?since=" + "9" * 400,
    "since not there": "/event/kv2018/changes?since=999999999",
    "since below nought": "/event/kv2018/changes?since=-1",
    "since infinite": "/event/kv2018/changes?since=inf",
    "huge pack": "/event/kv2018/pack/99999999999999999999",
    "huge checkpoint": "/event/kv2018/checkpoint/99999999999.xml",
    "year nought": "/event/kv2018/at/0000-01-01T00:00:00Z/event.xml",
    "year one": "/event/kv2018/at/0001-01-01T00:00:00Z/event.xml",
    "second 61": "/event/kv2018/at/2018-10-06T14:00:61Z/event.xml",
    "30 February": "/event/kv2018/at/2018-02-30T00:00:00Z/event.xml",
    "huge municipality": "/pls/kv2018/vysledky_obec?cislo_obce=" + "9" * 300,
    "huge batch": "/pls/kv2018/vysledky_okrsky?davka=" + "9" * 300,
    "volby of another year": "/pls/kv9999/vysledky",
    "volby file that climbs": "/appdata/kv2018/20181005/odata/../../../../etc/passwd",
    "volby date": "/appdata/kv2018/99999999/odata/vysledky.xml",
}


@pytest.mark.parametrize("target", PATHS.values(), ids=PATHS)
def test_path_tricks_get_a_small_error(feed: Attacked, target: str) -> None:
    """No trick with an address or its numbers reads anything, alone or behind a good request."""
    alone = said(feed, ask(target, "Connection: close"))
    assert len(statuses(alone)) == 1, alone[:300]
    assert statuses(alone)[0] in (400, 404, 410, 414) or "/pls/" in target
    assert len(alone) < SMALL
    assert b"root:" not in alone
    assert b"\r\nX-Made" not in alone
    if "/pls/" not in target:
        small(alone)
    behind = said(feed, ask(DOCUMENT) + ask(target, "Connection: close"))
    # The parser gives up a piece as a whole when something in it is malformed: then one error is all that comes.
    assert statuses(behind) in ([200, *statuses(alone)], [400])


LATEST = {
    "year 9999": f"/event/{EVENT}/at/9999-12-31T23:59:59Z/event.xml",
    "absolute form": f"http://another.example:1{DOCUMENT}",
    "user in the address": f"http://a:b@another.example{DOCUMENT}",
    "query that means nothing": f"{DOCUMENT}?a=b&a=c&&&=%00",
    "encoded letters": f"/event/{EVENT}/newest/%65%76ent.xml",
}


@pytest.mark.parametrize("target", LATEST.values(), ids=LATEST)
def test_odd_but_good_addresses_are_answered(feed: Attacked, target: str) -> None:
    """Odd spellings of good addresses get the document and nothing else."""
    assert said(feed, ask(target, "Connection: close")).endswith(BODY)


LINES = {
    "date of garbage": "If-Modified-Since: yesterday at noon",
    "date in the year 0": "If-Modified-Since: Sat, 00 Jan 0000 00:00:00 GMT",
    "date in the year 9999": "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT",
    "date beyond": "If-Modified-Since: Fri, 31 Dec 99999 23:59:59 GMT",
    "date as a number": "If-Modified-Since: 99999999999999999999",
    "tags without end": 'If-None-Match: "' + "a" * 8000,
    "thousands of tags": "If-None-Match: " + '"a", ' * 1500 + '"b"',
    "tag of quotes": "If-None-Match: " + '"' * 8001,
    "range beyond": "Range: bytes=99999999999999999999-",
    "range backwards": "Range: bytes=9-1",
    "range of garbage": "Range: bytes=a-b",
    "range in parsecs": "Range: parsecs=1-2",
    "thousands of ranges": "Range: bytes=" + ",".join("0-" for _ in range(2000)),
    "ranges that overlap": "Range: bytes=" + ",".join(f"{n}-" for n in range(1500)),
    "range from the end": "Range: bytes=-99999999999999999999999",
    "range with a wrong date": "Range: bytes=0-1\r\nIf-Range: yesterday",
    "waits for ever": "Prefer: wait=99999999999999999999",
    "waits below nought": "Prefer: wait=-1",
    "waits for garbage": "Prefer: wait=" + ";" * 4000,
    "unknown coding": "Accept-Encoding: br, zstd, compress, made-up",
    "thousands of codings": "Accept-Encoding: " + ", ".join(f"x{n}" for n in range(1000)),
    "quality of garbage": "Accept-Encoding: gzip;q=nan, identity;q=1e400, *;q=-1",
    "language": "Accept-Language: " + "a" * 8000,
    "spoofed address": "X-Forwarded-For: 192.0.2.1",
    "spoofed addresses": "X-Forwarded-For: " + "1.1.1.1, " * 800 + "192.0.2.1",
    "spoofed by RFC 7239": 'Forwarded: for="[2001:db8::1]";proto=https',
    "real address": "X-Real-IP: 192.0.2.1",
    "other method": "X-HTTP-Method-Override: DELETE",
    "other address": "X-Original-URL: /keys/private",
    "host of another": "X-Forwarded-Host: evil.example",
    "event id of garbage": "Last-Event-ID: 99999999999999999999",
    "upgrade": "Upgrade: h2c, websocket",
    "settings": "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
    "expectation": "Expect: 100-continue",
    "trailer": "TE: trailers",
    "high bytes": "X-Made: \x80\xff\xfe",
    "cookie": "Cookie: " + "a=b; " * 1600,
    "credentials": "Authorization: Basic " + "A" * 8000,
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_header_tricks_change_nothing_for_anybody(feed: Attacked, line: str) -> None:
    """A strange line gets the document, a part of it, nothing new, or a small error: never a fault, never somebody else's rights."""
    for target in (DOCUMENT, f"/event/{EVENT}/newest/manifest.xml", "/status", f"/event/{EVENT}/pack/1"):
        if "Prefer" in line and "-1" not in line:
            continue_after = ask(target, line, "Connection: close", 'If-None-Match: "x"')
        else:
            continue_after = ask(target, line, "Connection: close")
        answer = said(feed, continue_after)
        status = statuses(answer)
        assert len(status) == 1, answer[:300]
        assert status[0] in (200, 206, 304, 400, 406, 416, 417), answer[:300]
        if status[0] >= 400:
            small(answer)
    told = said(feed, ask("/access", line, "Connection: close"))
    assert b"192.0.2.1" not in told
    assert b"2001:db8" not in told


@pytest.mark.parametrize(
    "method",
    [
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "PRI",
        "get",
        "G\x00T",
        "MADEUP",
        "A" * 9000,
    ],
)
def test_other_methods_are_refused(feed: Attacked, method: str) -> None:
    """The feed is only read: whatever else is a small error."""
    answer = said(feed, ask(DOCUMENT, "Connection: close", method=method))
    assert set(statuses(answer)[:1]) <= {400, 405, 414, 431}, answer[:300]
    small(answer[: answer.find(b"</error>\n") + 9])
    assert BODY not in answer


SHAPES = {
    "CL and TE": ("Content-Length: 6\r\nTransfer-Encoding: chunked", b"0\r\n\r\nG"),
    "TE and CL": (
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"5c\r\nGET /x HTTP/1.1\r\n\r\n0\r\n\r\n",
    ),
    "two lengths": ("Content-Length: 0\r\nContent-Length: 45", b""),
    "list of lengths": ("Content-Length: 0, 45", b""),
    "length with a sign": ("Content-Length: +0", b""),
    "length below nought": ("Content-Length: -1", b""),
    "length in hexadecimal": ("Content-Length: 0x0", b""),
    "huge length": ("Content-Length: 99999999999999999999999999", b""),
    "space before the colon": ("Content-Length : 45", b""),
    "chunked twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"0\r\n\r\n"),
    "chunked spelt oddly": ("Transfer-Encoding: xchunked", b"0\r\n\r\n"),
    "chunked with a tab": ("Transfer-Encoding:\tchunked, identity", b"0\r\n\r\n"),
    "chunked with a vertical tab": ("Transfer-Encoding: \x0bchunked", b"0\r\n\r\n"),
    "chunk size of garbage": ("Transfer-Encoding: chunked", b"zz\r\n\r\n"),
    "chunk size below nought": ("Transfer-Encoding: chunked", b"-1\r\n\r\n"),
    "chunk size that overflows": ("Transfer-Encoding: chunked", b"fffffffffffffffff\r\n\r\n"),
    "chunk with a bare LF": ("Transfer-Encoding: chunked", b"0\n\n"),
    "chunk extension without end": ("Transfer-Encoding: chunked", b"0;" + b"a" * 20000 + b"\r\n\r\n"),
    "trailers without end": ("Transfer-Encoding: chunked", b"0\r\n" + b"X: y\r\n" * 3000 + b"\r\n"),
    "folded line": ("X-Made: up\r\n Content-Length: 45", b""),
    "folded length": ("Content-Length:\r\n 45", b""),
    "bare CR": ("X-Made: up\rContent-Length: 45", b""),
    "bare LF": ("X-Made: up\nContent-Length: 45", b""),
    "NUL": ("X-Made: u\0p", b""),
    "no colon": ("Content-Length 45", b""),
    "no name": (": x", b""),
    "name of a space": (" : x", b""),
    "two hosts": ("Host: y", b""),
    "line too long": ("X-Made: " + "y" * 9000, b""),
    "name too long": ("X" * 9000 + ": y", b""),
    "too many lines": ("\r\n".join(f"X-{n}: y" for n in range(200)), b""),
    "body": ("Content-Length: 5", b"hello"),
    "body that never comes": ("Content-Length: 1000000000", b""),
    "body that is a bomb": ("Content-Encoding: gzip\r\nContent-Length: 30", b"\x1f\x8b\x08" + bytes(27)),
}


@pytest.mark.parametrize(("lines", "body"), SHAPES.values(), ids=SHAPES)
def test_smuggled_requests_are_never_answered(feed: Attacked, lines: str, body: bytes) -> None:
    """Where two readers could disagree on where a request ends, what hides behind it is not answered: the connection closes."""
    hidden = ask(f"/event/{EVENT}/run/night/newest/contest/1.xml")
    target = f"/event/{EVENT}/newest/area/CZ.xml"
    answer = said(feed, ask(target, lines) + body + hidden)
    assert b'name="contest' not in answer or lines in HARMLESS, answer[:400]
    assert len(statuses(answer)) <= 1 or lines in HARMLESS, statuses(answer)
    assert not {status for status in statuses(answer) if status >= 500}


HARMLESS = {SHAPES[name][0] for name in ("two hosts",)}
"""What is refused or read alike by everybody, so that the next request is one."""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0" * 5000,
        b"\r\n" * 5000 + GOOD,
        b"\xff" * 100_000,
        b"GET",
        b"GET /",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/11.1\r\nHost: x\r\n\r\n",
        b"GET / ICAP/1.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"A" * 2_000_000,
        b"GET /" + b"a" * 2_000_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200_000,
    ],
    ids=lambda value: repr(value[:24]),
)
def test_garbage_is_refused_or_closed(feed: Attacked, garbage: bytes) -> None:
    """What is no HTTP at all gets one small error or a closed connection."""
    answer = said(feed, garbage)
    assert len(answer) < SMALL
    assert all(status in (200, 400, 404, 414, 431) for status in statuses(answer)), answer[:300]
    assert len(statuses(answer)) <= 1


def test_garbage_closes_by_itself(feed: Attacked) -> None:
    """After a malformed request the feed closes, though the other side would go on."""
    answer = said(feed, b"GET / HTTP/1.1\r\nHost x\r\n\r\n", ends=False)
    assert statuses(answer) == [400]
    small(answer)


def test_flood_of_malformed_requests_does_not_fill_the_log(feed: Attacked) -> None:
    """Hundreds of malformed requests leave a few lines in the log, not hundreds."""
    before = len(feed.log)
    for _ in range(300):
        said(feed, b"GET / HTTP/1.1\r\nHost x\r\n\r\n")
    assert len(feed.log) - before < 4_000
