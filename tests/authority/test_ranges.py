"""Ranges as people write them: what is taken, in which form, and what is told of the rest."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.authority.ranges import RangeRefused, read_range, shown
from skrutinium_server.authority.settings import SubscriberSettings
from skrutinium_server.feed.access import plain_network
from tests.authority.made import EXAMPLES

STRICT = SubscriberSettings()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("192.0.2.0/28", "192.0.2.0/28"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
    ],
)
def test_ranges_have_one_form(text: str, meant: str) -> None:
    """Whatever way a range is written, it is recorded in one; IPv4 in IPv6 form is IPv4."""
    assert str(read_range(text, EXAMPLES)) == meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("192.0.2.5/24", "Probably meant: 192.0.2.0/24 (the whole range) or 192.0.2.5 (this one address)"),
        (
            "2001:db8::5/64",
            "Probably meant: 2001:db8::/64 (the whole range) or 2001:db8::5 (this one address)",
        ),
        ("192.0.2.0/255.255.255.0", "Probably meant: 192.0.2.0/24"),
        ("192.0.2.0-192.0.2.15", "Probably meant: 192.0.2.0/28"),
        ("192.0.2.0-2001:db8::", "no range"),
        ("192.0.2.0/23", "too wide"),
        ("0.0.0.0/0", "too wide"),
        ("::/0", "too wide"),
        ("2001:db8::/47", "at most /48"),
        ("::ffff:0:0/96", "too wide"),
        ("::ffff:192.0.0.0/118", "too wide"),
        ("fe80::1%eth0", "zone"),
        ("192.0.2.256", "no range"),
        ("192.0.2.007", "no range"),
        ("192.0.2", "no range"),
        ("192.0.2.0/33", "no range"),
        ("192.0.2.0/-1", "no range"),
        ("192.0.2.0/", "number of fixed bits"),
        ("192.0.2.0/2٨", "number of fixed bits"),
        ("radio.example", "no range"),
        ("3221225985", "no range"),
        ("", "no range"),
        ("1" * 5000, "no range"),
    ],
)
def test_bad_range_is_refused_with_what_was_meant(text: str, told: str) -> None:
    """A range that cannot be taken is named, with the reason and what was probably meant."""
    with pytest.raises(RangeRefused) as refusal:
        read_range(text, EXAMPLES)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10.1.2.0/24", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.0/24", "private"),
        ("127.0.0.1", "loopback"),
        ("0.0.0.0", "no address"),
        ("224.0.0.1", "multicast"),
        ("169.254.1.1", "link-local"),
        ("100.64.0.1", "shared"),
        ("255.255.255.255", "reserved"),
        ("198.51.100.7", "examples"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("fd00::/48", "private"),
        ("fe80::1", "link-local"),
        ("ff02::1", "multicast"),
        ("2001:db8::/48", "examples"),
    ],
)
def test_addresses_that_nobody_comes_from_are_refused(text: str, told: str) -> None:
    """Private, loopback, multicast and such addresses need the setting that takes them."""
    with pytest.raises(RangeRefused, match=told):
        read_range(text, STRICT)
    read_range(text, EXAMPLES)


@given(address=st.ip_addresses())
def test_agrees_with_the_library(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """What the library calls private, multicast, loopback, link-local or unspecified is never taken by itself."""
    try:
        read_range(str(address), STRICT)
    except RangeRefused:
        return
    plain = getattr(address, "ipv4_mapped", None) or address
    assert not any((plain.is_multicast, plain.is_loopback, plain.is_link_local, plain.is_unspecified))
    # Parts of 2001::/23 are set aside for protocols (RFC 2928).
    assert not plain.is_private or plain in ipaddress.ip_network("2001::/23")


@given(
    network=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    length=st.integers(0, 128),
    text=st.text(max_size=3),
)
def test_what_is_taken_is_what_the_feed_reads(
    network: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int, text: str
) -> None:
    """A range that is taken is within the limits, says the same to the feed, and is taken again as it is shown."""
    try:
        taken = read_range(f"{network}/{length}{text}", EXAMPLES)
    except RangeRefused:
        return
    assert taken.prefixlen >= (EXAMPLES.widest_v4 if taken.version == 4 else EXAMPLES.widest_v6)
    assert plain_network(str(taken)) == taken
    assert read_range(shown(taken), EXAMPLES) == taken
