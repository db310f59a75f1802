"""What is read from a request: targets, conditions, codings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.feed.addresses import (
    Changes,
    Checkpoint,
    NewestDocument,
    NumberedDocument,
    Page,
    Place,
    VolbyProcedure,
)
from skrutinium_server.feed.conditional import choose_coding, failed, none_match, not_modified
from skrutinium_server.feed.proxies import Header, Proxies
from skrutinium_server.feed.ranges import choose_part
from skrutinium_server.feed.refusals import BAD_FORWARDED, Refusal
from skrutinium_server.feed.targets import parse_target

PLACE = Place("kv2018", None, "skrutinium")


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("/event/kv2018/newest/area/CZ.xml", NewestDocument(PLACE, "area/CZ.xml")),
        ("http://feed.example/event/kv2018/newest/area/CZ.xml", NewestDocument(PLACE, "area/CZ.xml")),
        ("/event/kv2018/newest/%61rea/CZ.xml?x=1", NewestDocument(PLACE, "area/CZ.xml")),
        (
            "/event/kv2018/run/night/release/7/event.xml",
            NumberedDocument(Place("kv2018", "night", "skrutinium"), 7, "event.xml"),
        ),
        ("/event/kv2018/run/n/series/volby/changes?since=0", Changes(Place("kv2018", "n", "volby"), 0)),
        ("/event/kv2018/checkpoint/newest.xml.sig", Checkpoint(PLACE, None, signature=True)),
        ("/health", Page("health")),
        (
            "/pls/kv2018/vysledky_okrsky?DAVKA=&Datumvoleb=20181005",
            VolbyProcedure("kv", 2018, "vysledky_okrsky", (("davka", ""), ("datumvoleb", "20181005"))),
        ),
    ],
)
def test_target_is_understood(target: str, meant: object) -> None:
    """A target in origin or absolute form says what it asks for."""
    assert parse_target(target) == meant


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/event/kv2018/newest/../../state.xml", 400, "bad-address"),
        ("/event/kv2018/newest/%2e%2e/state.xml", 400, "bad-address"),
        ("/event/kv2018/newest/..%2fstate.xml", 400, "bad-address"),
        ("/event/kv2018/newest/%252e%252e/x", 400, "bad-address"),
        ("//state.xml", 400, "bad-address"),
        ("/event//newest/x", 400, "bad-address"),
        ("/state.xml%00", 400, "bad-address"),
        ("/event/kv2018/newest/\udcff", 400, "bad-address"),
        ("/event/kv2018/newest/%ff", 400, "bad-address"),
        ("*", 400, "bad-address"),
        ("/.git/config", 400, "bad-address"),
        ("/" + "a" * 2000, 414, "uri-too-long"),
        ("/nothing", 404, "not-found"),
        ("/event/kv2018/release/0/event.xml", 400, "bad-number"),
        ("/event/kv2018/release/01/event.xml", 400, "bad-number"),
        ("/event/kv2018/release/1e3/event.xml", 400, "bad-number"),
        ("/event/kv2018/release/9999999999/event.xml", 400, "bad-number"),
        ("/event/kv2018/pack/x", 400, "bad-number"),
        ("/event/kv2018/changes", 400, "bad-query"),
        ("/event/kv2018/changes?since=1&since=2", 400, "bad-query"),
        ("/event/kv2018/changes?since=1.5", 400, "bad-number"),
        ("/event/kv2018/changes?" + "&".join("a=1" for _ in range(50)), 400, "bad-query"),
        ("/event/kv2018/at/2018-13-06T15:00:00Z/event.xml", 400, "bad-time"),
        ("/event/kv2018/at/yesterday/event.xml", 400, "bad-time"),
        ("/object/abc", 404, "no-object"),
    ],
)
def test_target_is_refused(target: str, status: int, code: str) -> None:
    """A target that asks for nothing is refused with the code that says why."""
    refusal = parse_target(target)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (status, code)


@given(st.text(max_size=120).map(lambda text: "/" + text) | st.text(alphabet="/.%2eE0x?&=-:", max_size=60))
def test_any_text_is_understood_or_refused(target: str) -> None:
    """No target makes the reader fail, and no path it lets through has a segment that climbs."""
    found = parse_target(target)
    if not isinstance(found, Refusal):
        path = getattr(found, "path", "x")
        assert all(segment.strip(".") and "\0" not in segment for segment in path.split("/"))


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("GZIP, deflate, br", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("br", "identity"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("gzip;q=nonsense", "identity"),
    ],
)
def test_coding_follows_the_quality_values(accept: str | None, coding: str | None) -> None:
    """Accept-Encoding decides by RFC 9110, 12.5.3."""
    assert choose_coding(accept) == coding


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b" ,W/"a"', True),
        ('"a,b", "c"', False),
        ("*", True),
        ("a", False),
        ('"A"', False),
        ("", False),
        ('"b" "a"', False),
        ('"a', False),
    ],
)
def test_tags_are_compared_weakly(header: str, same: bool) -> None:
    """If-None-Match holds a list of tags, compared weakly, or a star."""
    assert none_match(header, '"a"') is same


def test_date_counts_only_without_tags_and_when_it_is_ours() -> None:
    """If-Modified-Since counts only without If-None-Match, and only when it repeats our own date."""
    date = "Sat, 06 Oct 2018 14:02:00 GMT"
    assert not_modified(None, date, '"a"', date)
    assert not not_modified('"b"', date, '"a"', date)
    assert not not_modified(None, "Sat, 06 Oct 2018 23:59:59 GMT", '"a"', date)
    assert not not_modified(None, "", '"a"', "")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    [
        '"' * 8000,
        "W/" * 4000,
        "a;" * 4000 + '"',
        " ," * 4000,
        'for="' + "\\" * 8000,
        "for=a;" * 1300,
        '"a" ' * 2000,
        ";q=" * 2600,
        "bytes=" + " \t" * 4000 + "-" + " " * 4000 + "x",
        "bytes=" + "0" * 8000 + "-",
        '"' + "a" * 8000,
    ],
)
def test_no_header_takes_long_to_read(line: str) -> None:
    """Whatever reads a header reads one that is nearly right, again and again, as fast as any other: it would hold up everybody."""
    date = "Sun, 07 Oct 2040 00:00:00 GMT"
    choose_coding.__wrapped__(line)
    none_match(line, '"x"')
    failed(line, None, '"x"', date)
    failed(None, line, '"x"', date)
    choose_part(line, None, '"x"', 10)
    headers: tuple[Header, ...] = ("x-forwarded-for", "forwarded")
    for header in headers:
        assert Proxies(["10.0.0.1"], header).client("10.0.0.1", [line, line]) is BAD_FORWARDED
