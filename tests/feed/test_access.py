"""The access list: which address is in which range, and what a broken list is told."""

import datetime
import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.feed import access as access_list
from skrutinium_server.feed.access import AccessList, Grant, load_access, parse_access, seen_as
from skrutinium_server.feed.errors import AccessError

HERE = Path("access.toml")
FIRST = "[[subscriber]]\nid = 'first'\nname = 'First'\nlive = ['192.0.2.1']\n"
TV = "[[subscriber]]\nid = 'tv'\nname = 'TV'\n"


def listed(*networks: str) -> AccessList:
    text = "".join(
        f'[[subscriber]]\nid = "s{at}"\nname = "{network}"\nlive = ["{network}"]\n'
        for at, network in enumerate(networks)
    )
    return parse_access(HERE, text.encode())


def name_of(access: AccessList, address: str) -> str | None:
    grant = access.find(address)
    return grant.name if grant else None


def test_no_range_nobody() -> None:
    """An empty list lets nobody in."""
    assert parse_access(HERE, b"").find("127.0.0.1") is None


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        (
            "192.0.2.0/24",
            ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"],
            ["192.0.1.255", "192.0.3.0", "::c000:207"],
        ),
        ("198.51.100.7", ["198.51.100.7"], ["198.51.100.6", "198.51.100.8"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], ["2001:db9::", "32.1.13.184"]),
        ("2001:db8::1", ["2001:db8::1"], ["2001:db8::2"]),
        ("fe80::/10", ["fe80::1%eth0"], ["fec0::1"]),
        ("::ffff:203.0.113.0/120", ["203.0.113.9", "::ffff:203.0.113.9"], ["203.0.114.0"]),
        ("0.0.0.0/0", ["255.255.255.255", "0.0.0.0"], ["::1"]),
        ("::/0", ["::1"], ["127.0.0.1", "::ffff:127.0.0.1"]),
    ],
)
def test_range_holds_its_addresses_only(network: str, inside: list[str], outside: list[str]) -> None:
    """A range holds exactly its addresses; IPv4-mapped IPv6 is IPv4."""
    access = listed(network)
    assert [name_of(access, address) for address in inside] == [network] * len(inside)
    assert [name_of(access, address) for address in outside] == [None] * len(outside)


def test_innermost_range_names_the_address() -> None:
    """Of ranges that nest, the innermost names the address, and the outer one again after it."""
    access = listed("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.255.255.255")
    found = [
        name_of(access, address)
        for address in (
            "10.0.0.1",
            "10.1.0.1",
            "10.1.2.3",
            "10.1.3.0",
            "10.2.0.0",
            "10.255.255.255",
            "11.0.0.0",
        )
    ]
    assert found == [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "10.1.0.0/16",
        "10.0.0.0/8",
        "10.255.255.255",
        None,
    ]


networks = st.builds(
    lambda number, bits: ipaddress.IPv4Network((number >> (32 - bits) << (32 - bits), bits)),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)


@given(st.lists(networks, max_size=12), st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_bisection_agrees_with_asking_every_range(
    ranges: list[ipaddress.IPv4Network], numbers: list[int]
) -> None:
    """For any ranges and addresses, also at the edges, bisection finds a range when and only when one holds the address."""
    access = AccessList(Grant("s", str(net), net, "live") for net in ranges)
    edges = [
        int(net.network_address) + step
        for net in ranges
        for step in (-1, 0, net.num_addresses - 1, net.num_addresses)
    ]
    for number in numbers + [edge for edge in edges if 0 <= edge < 2**32]:
        address = ipaddress.IPv4Address(number)
        holding = [net for net in ranges if address in net]
        found = name_of(access, str(address))
        assert found == (str(max(holding, key=lambda net: net.prefixlen)) if holding else None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[subscriber]]\nid = \nname = 1", ["line 2"]),
        ("[[subscriber]]\nname = 'a'\nlive = ['10.0.0.1']", ["[[subscriber]] 1, id:"]),
        (TV + "live = ['10.0.0.1/8']", ["[[subscriber]] 2 (tv), live:", "10.0.0.1/8 has host bits set"]),
        (TV + "live = ['10.0.0.256']", ["(tv), live:", "10.0.0.256"]),
        (TV + "test = ['::1/200']", ["(tv), test:", "::1/200"]),
        (TV + "test = [10]", ["(tv), test:", "10 is no text"]),
        (TV + "live = '10.0.0.1'", ["(tv), live:", "expected a list"]),
        (TV, ["(tv), live:", "neither live nor test"]),
        (
            TV + "live = ['192.0.2.1']",
            ["(tv), live:", "192.0.2.1/32 stands in the list already (live of first)"],
        ),
        (TV + "test = ['::ffff:192.0.2.1']", ["(tv), test:", "192.0.2.1/32", "(live of first)"]),
        (TV + "live = ['10.0.0.1']\ntest = ['10.0.0.1']", ["(tv), test:", "10.0.0.1/32", "(live of tv)"]),
        (TV + "live = ['10.0.0.1']\ncolour = 'red'", ["(tv), 'colour':", "expected id, name"]),
        (TV + "live = []\nevents = []", ["(tv), events:"]),
        (TV + "live = []\nevents = 'kv2018'", ["(tv), events:"]),
        (TV + "live = []\nevents = ['a/b']", ["(tv), events:", "a/b"]),
        (TV + "live = []\nuntil = '2030-01-01T00:00:00Z'", ["(tv), until:", "no quotes"]),
        (TV + "live = []\nuntil = 2030-01-01T00:00:00", ["(tv), until:", "offset"]),
        (TV + "live = []\nuntil = 2030-01-01", ["(tv), until:"]),
        (TV + "live = []\nuntil = 0001-01-01T00:00:00+14:00", ["(tv), until:", "UTC"]),
        ("[[subscriber]]\nid = 'tv'\nname = \"a\\nb\"\nlive = []", ["(tv), name:", "printable"]),
        ("[[subscriber]]\nid = 'tv'\nlive = []", ["(tv), name:"]),
        ("[[subscriber]]\nid = 'a/b'\nname = 'x'\nlive = []", ["[[subscriber]] 1, id:"]),
        (TV + "live = []\n" + TV + "live = []", ["[[subscriber]] 3 (tv), id:", "already"]),
        ("[subscriber]\nid = 'tv'", ["[[subscriber]]"]),
        ("[[range]]\nnetwork = '10.0.0.1'", ["'range'", "[[subscriber]]"]),
        ("subscriber = [1]", ["[[subscriber]] 1"]),
        ("number = '7'", ["number"]),
        ("number = true", ["number"]),
        ("number = -1", ["number"]),
        ("name = '\xff'", ["not UTF-8"]),
        ("a = " + "[" * 5000, ["not TOML"]),
    ],
)
def test_malformed_list_names_the_place(text: str, named: list[str]) -> None:
    """A malformed list is refused; the message names the line, or subscriber and field, and what was expected."""
    if text.startswith(TV):
        text = FIRST + text
    with pytest.raises(AccessError) as caught:
        parse_access(HERE, text.encode("latin-1"))
    assert [part for part in named if part not in str(caught.value)] == []


def test_list_tells_everything_of_a_range() -> None:
    """Subscriber, kind, events and end come with the range that holds an address; the version comes with the list."""
    text = (
        "number = 7\n[[subscriber]]\nid = 'radio'\nname = 'Radio'\nevents = ['kv2018', 'se2018']\n"
        "live = ['192.0.2.0/28']\ntest = ['198.51.100.7']\nuntil = 2030-12-31T01:00:00+01:00\n"
    )
    access = parse_access(HERE, text.encode())
    assert (access.number, access.size) == (7, 2)
    until = datetime.datetime(2030, 12, 31, tzinfo=datetime.UTC)
    events = frozenset({"kv2018", "se2018"})
    live, test = ipaddress.ip_network("192.0.2.0/28"), ipaddress.ip_network("198.51.100.7")
    assert access.find("192.0.2.9") == Grant("radio", "Radio", live, "live", events, until)
    assert access.find("198.51.100.7") == Grant("radio", "Radio", test, "test", events, until)


def test_test_range_inside_of_a_live_range_is_a_test_range() -> None:
    """The innermost network wins, whichever its kind."""
    access = parse_access(
        HERE, (FIRST.replace("192.0.2.1", "192.0.2.0/24") + TV + "test = ['192.0.2.7']").encode()
    )
    kinds = [
        grant.kind for address in ("192.0.2.6", "192.0.2.7", "192.0.2.8") if (grant := access.find(address))
    ]
    assert kinds == ["live", "test", "live"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("#" * (access_list.LARGEST + 1), "too large"),
        ("[[subscriber]]\n" * (access_list.SUBSCRIBERS + 1), "subscribers"),
        (f"[[subscriber]]\nid='a'\nname='a'\nlive={['::']}".replace("'::'", "'::'," * 1001), "live"),
    ],
)
def test_list_that_is_too_large_is_refused(text: str, named: str) -> None:
    """Size, subscribers and networks are limited."""
    with pytest.raises(AccessError, match=named):
        parse_access(HERE, text.encode())


def test_absent_list_is_an_error(tmp_path: Path) -> None:
    """A list that is not there is told."""
    with pytest.raises(AccessError, match="cannot be read"):
        load_access(tmp_path / "access.toml")


def test_seen_as_tells_the_plain_address() -> None:
    """Addresses are shown as the list knows them."""
    assert [seen_as(text) for text in ("::ffff:192.0.2.1", "fe80::1%eth0", "x")] == [
        "192.0.2.1",
        "fe80::1",
        "x",
    ]
