"""Whose request a proxy passes on: only named proxies are believed, and then each request is checked."""

import asyncio
import socket
from asyncio import to_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.feed.errors import ProxyError
from skrutinium_server.feed.proxies import Proxies
from skrutinium_server.feed.refusals import BAD_FORWARDED
from skrutinium_server.feed.settings import FeedSettings
from tests.feed.made import EVENT, MadeStore, feed_on

PROXY = "10.0.0.1"
DOCUMENT = f"/event/{EVENT}/newest/event.xml"


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([], PROXY),
        (["192.0.2.7"], "192.0.2.7"),
        (["1.1.1.1, 192.0.2.7"], "192.0.2.7"),
        (["1.1.1.1", "192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, 10.0.0.9"], "192.0.2.7"),
        (["10.0.0.8,10.0.0.9"], "10.0.0.8"),
        (["nonsense, 192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7:4711"], "192.0.2.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["::ffff:192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, nonsense"], None),
        (["unknown"], None),
        ([""], None),
        (["192.0.2.7,"], None),
        (["192.0.2.7 10.0.0.9"], None),
        (["fe80::1%eth0"], None),
        (["192.0.2.7:99999999"], None),
    ],
)
def test_last_address_that_is_no_proxy_is_the_client(lines: list[str], address: str | None) -> None:
    """X-Forwarded-For is read from its end; what is none of an address there makes it malformed."""
    found = Proxies(["10.0.0.0/24"]).client(PROXY, lines)
    assert found == (BAD_FORWARDED if address is None else address)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["for=192.0.2.7"], "192.0.2.7"),
        (['For="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
        (["for=1.1.1.1, for=192.0.2.7;proto=http;by=203.0.113.43"], "192.0.2.7"),
        (["for=1.1.1.1", "proto=https;for=192.0.2.7"], "192.0.2.7"),
        (['for=192.0.2.7, for="10.0.0.9:80"'], "192.0.2.7"),
        (['by="a,b;for=1.1.1.1";for=192.0.2.7'], "192.0.2.7"),
        (["for=_hidden, for=192.0.2.7"], "192.0.2.7"),
        (["for=_hidden"], None),
        (["for=unknown"], None),
        (["proto=http"], None),
        (["for=192.0.2.7;for=1.1.1.1"], None),
        (["192.0.2.7"], None),
        (['for="192.0.2.7'], None),
        ([""], None),
    ],
)
def test_forwarded_of_rfc_7239(lines: list[str], address: str | None) -> None:
    """The header of RFC 7239 is read by its grammar, quoted strings too."""
    found = Proxies(["10.0.0.0/24"], "forwarded").client(PROXY, lines)
    assert found == (BAD_FORWARDED if address is None else address)


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=40), max_size=4), st.ip_addresses())
def test_client_cannot_choose_who_it_is(sent: list[str], real: object) -> None:
    """Whatever a client writes into the header, what the proxy adds at its end decides."""
    address = str(real)
    proxies = Proxies(["10.0.0.0/24"])
    if proxies.trusts(address):
        return
    found = proxies.client(PROXY, [*sent, address])
    plain = proxies.client(PROXY, [address])
    assert found == plain


@given(st.text(max_size=60))
def test_any_header_is_survived(text: str) -> None:
    """Any text gives an address or a refusal."""
    for header in ("x-forwarded-for", "forwarded"):
        found = Proxies(["10.0.0.0/24"], header).client(PROXY, [text])
        assert found == BAD_FORWARDED or isinstance(found, str)


def test_proxy_that_is_no_network_is_told() -> None:
    """A network that is none stops the start."""
    with pytest.raises(ProxyError, match=r"10\.0\.0\.1/8"):
        Proxies(["10.0.0.1/8"])


OTHERS = '[[subscriber]]\nid = "others"\nname = "Others"\nlive = ["192.0.2.0/24"]\n'


async def test_header_from_nobody_in_particular_does_not_count(night_store: MadeStore) -> None:
    """Without named proxies, and from an address that is none of them, the header changes nothing."""
    await to_thread(night_store.access.write_text, OTHERS)
    for settings in (FeedSettings(), FeedSettings(proxies=("198.51.100.1",))):
        async with feed_on(night_store, settings=settings) as fed:
            status, body, _ = await fed.get(DOCUMENT, X_Forwarded_For="192.0.2.7", Forwarded="for=192.0.2.7")
            assert (status, b"access-refused" in body) == (403, True)
            assert b'"address": "127.0.0.1"' in (await fed.get("/access", X_Forwarded_For="192.0.2.7"))[1]


async def test_each_request_of_a_named_proxy_is_checked(night_store: MadeStore) -> None:
    """On one connection of the proxy each request counts as its own client's; the other header is not believed."""
    await to_thread(night_store.access.write_text, OTHERS)
    async with feed_on(night_store, settings=FeedSettings(proxies=("127.0.0.0/8",))) as fed:
        for _ in range(2):
            assert (await fed.get(DOCUMENT, X_Forwarded_For="192.0.2.7"))[0] == 200
            told = (await fed.get("/access", X_Forwarded_For="192.0.2.7"))[1]
            assert b'"address": "192.0.2.7"' in told
            assert b'"subscriber": "others"' in told
            assert (await fed.get(DOCUMENT, X_Forwarded_For="192.0.2.7, 203.0.113.1"))[0] == 403
            assert (await fed.get(DOCUMENT, Forwarded="for=192.0.2.7"))[0] == 403
            assert (await fed.get(DOCUMENT))[0] == 403
            status, body, _ = await fed.get(DOCUMENT, X_Forwarded_For="unknown")
            assert (status, b'code="bad-forwarded"' in body) == (400, True)


async def test_pipelined_requests_of_a_proxy_are_each_their_own(night_store: MadeStore) -> None:
    """Requests of two clients in one piece: one is answered, the other is refused."""
    await to_thread(night_store.access.write_text, OTHERS)
    one = "GET {} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nX-Forwarded-For: {}\r\n\r\n"
    async with feed_on(night_store, settings=FeedSettings(proxies=("127.0.0.0/8",))) as fed:
        for _ in range(3):  # a front would know the request by now
            reader, writer = await asyncio.open_connection("127.0.0.1", fed.running.port)
            writer.write((one.format(DOCUMENT, "192.0.2.7") + one.format(DOCUMENT, "203.0.113.1")).encode())
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            answer = await reader.read()
            writer.close()
            assert [answer.count(code) for code in (b"HTTP/1.1 200", b"HTTP/1.1 403")] == [1, 1]
            assert answer.startswith(b"HTTP/1.1 200")
