"""The access list: which address is in which range, and what a broken list is told."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.feed.access import AccessList, load_access, parse_access, seen_as
from skrutinium_server.feed.errors import AccessError

HERE = Path("access.toml")


def listed(*networks: str) -> AccessList:
    text = "".join(f'[[range]]\nnetwork = "{network}"\nname = "{network}"\n' for network in networks)
    return parse_access(HERE, text.encode())


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
    assert [access.find(address) for address in inside] == [network] * len(inside)
    assert [access.find(address) for address in outside] == [None] * len(outside)


def test_innermost_range_names_the_address() -> None:
    """Of ranges that nest, the innermost names the address, and the outer one again after it."""
    access = listed("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.255.255.255")
    found = [
        access.find(address)
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
    access = AccessList((net, str(net)) for net in ranges)
    edges = [
        int(net.network_address) + step
        for net in ranges
        for step in (-1, 0, net.num_addresses - 1, net.num_addresses)
    ]
    for number in numbers + [edge for edge in edges if 0 <= edge < 2**32]:
        address = ipaddress.IPv4Address(number)
        holding = [net for net in ranges if address in net]
        found = access.find(str(address))
        assert found == (str(max(holding, key=lambda net: net.prefixlen)) if holding else None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[range]]\nnetwork = \nname = 1", "line 2"),
        ('[[range]]\nnetwork = "10.0.0.0/8"\n', "entry 1"),
        (
            '[[range]]\nnetwork = "10.0.0.0/8"\nname = "a"\n[[range]]\nnetwork = "10.0.0.1/8"\nname = "TV"',
            "entry 2 (TV)",
        ),
        ('[[range]]\nnetwork = "10.0.0.256"\nname = "a"', "entry 1 (a)"),
        ('[[range]]\nnetwork = 10\nname = "a"', "entry 1 (a)"),
        ('[[range]]\nnetwork = "10.0.0.1"\nname = "a"\ncolour = "red"', "'colour'"),
        ('[range]\nnetwork = "10.0.0.1"\nname = "a"', "[[range]]"),
        ("range = [1]", "entry 1"),
        ("other = 1", "'other'"),
        ("name = '\xff'", "not UTF-8"),
    ],
)
def test_malformed_list_names_the_place(text: str, named: str) -> None:
    """A malformed list is refused; the message names line or entry."""
    with pytest.raises(AccessError) as caught:
        parse_access(HERE, text.encode("latin-1"))
    assert named in str(caught.value)


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
