"""Everything that the feed reads from others: each text or file is understood or refused by the error that says so, never a fault."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skrutinium_server.feed.access import parse_access
from skrutinium_server.feed.choosing import Choice, Chosen, read_territory
from skrutinium_server.feed.conditional import choose_coding, failed, none_match, not_modified
from skrutinium_server.feed.errors import AccessError
from skrutinium_server.feed.proxies import Header, Proxies
from skrutinium_server.feed.ranges import Part, choose_part
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.targets import LONGEST, parse_target
from skrutinium_server.feed.waiting import preferred_wait
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.notices import read_notices
from skrutinium_server.release.store.reading import read_manifest, read_state
from skrutinium_server.release.store.registers import read_index
from skrutinium_server.release.store.signing import split_signed
from tests.contract.pages import ROOT
from tests.feed.made import MadeStore, night, small_night
from tests.fuzz.mutating import mutated, mutated_trees

MANY = settings(max_examples=settings().max_examples * 3)
PIECES = st.sampled_from(
    [
        "event", "kv2018", "run", "night", "series", "volby", "newest", "release", "at", "changes", "pack", "push", "line",
        "checkpoint", "registers", "archive", "object", "keys", "xsd", "samples", "codebooks", "state.xml", "notices.xml",
        "manifest.xml", "manifest.xml.sig", "newest.zip", "1.zip", "-csv.zip", "bundle.zip", "status.atom", "appdata", "odata",
        "pls", "kv9999", "20181005", "1", "0", "01", "-1", "9" * 9, "9" * 10, "9" * 300, "1.1", "1e9", "0" * 64, "..", ".", "%2e%2e",
        "%252e", "%00", "%0d%0a", "%5c", "%c0%ae", "\udcff", "\u0663", "\u2028", "a" * 201, "2018-10-06T14:00:00Z", "9999-12-31T23:59:59Z",
        "0000-00-00T00:00:00Z", "", " ", "\0", "C:",
    ]
)  # fmt: skip
QUERIES = st.sampled_from(
    ["", "?", "?since=1", "?since=", "?since=1&since=2", "?since=" + "9" * 400, "?after=1", "?after=-1", "?area=CZ", "?area=" + "CZ," * 300, "?contest=..", "?path=../x", "?path=event.xml", "?%00", "?=&=&", "?" + "a&" * 500, "#x", "?x#y", "?since=%d9%a3", "?area=%ff", "?since=1;area=CZ"]
)  # fmt: skip


@MANY
@given(
    st.lists(PIECES, max_size=9),
    QUERIES,
    st.sampled_from(["", "/", "//", "http://x", "http://[", "HTTPS://a:b@c:1", "*", "\\"]),
)
def test_any_target_of_known_words_is_understood_or_refused(
    segments: list[str], query: str, before: str
) -> None:
    """However the words of good addresses are put together, the target is understood or refused, and no path in it climbs."""
    target = before + "/" + "/".join(segments) + query
    found = parse_target(target)
    if isinstance(found, Refusal):
        assert 400 <= found.status < 500
        assert found.code
        return
    assert len(target) <= LONGEST
    path = getattr(found, "path", "x")
    assert all(part.strip(".") and part.isascii() and part.isprintable() for part in path.split("/"))


HEADERS = st.text(max_size=60) | st.text(alphabet='"W/*,;=q0.19- bytes\t\\gzidentyaw', max_size=60)


@MANY
@given(HEADERS)
def test_any_condition_and_coding_is_read(header: str) -> None:
    """No value of a header line about conditions or codings is a fault, and none of them matches by accident."""
    tag = '"0123456789abcdef0123456789abcdef"'
    assert choose_coding(header) in ("gzip", "identity", None)
    assert not none_match(header, tag) or header.strip(" \t,") == "*"
    assert not not_modified(None, header, tag, "Sat, 06 Oct 2018 14:02:00 GMT")
    assert failed(header, None, tag, "") is (header.strip(" \t,") != "*")
    failed(None, header, tag, "Sat, 06 Oct 2018 14:02:00 GMT")


@MANY
@given(
    HEADERS | st.from_regex(r"bytes=[0-9]{0,30}-[0-9]{0,30}(,[0-9]{0,3}-[0-9]{0,3}){0,2}", fullmatch=True),
    st.none() | HEADERS,
    st.integers(0, 10_000),
)
def test_any_range_is_inside_refused_or_no_range(header: str, if_range: str | None, size: int) -> None:
    """A range is a part of the document, one that cannot be, or none; never more than there is."""
    found = choose_part(header, if_range, '"a"', size)
    if isinstance(found, Part):
        assert 0 < len(found) <= size
    elif found is not None:
        assert found.status == 416


@MANY
@given(
    st.lists(
        HEADERS
        | st.from_regex(r"(wait|respond-async|x)( ?=? ?\"?[0-9]{0,40}\"?)?(;.{0,5})?", fullmatch=True),
        max_size=5,
    ),
    st.integers(0, 600),
)
def test_no_preference_waits_too_long(lines: list[str], longest: int) -> None:
    """Whatever is preferred, the wait is a whole number of seconds up to the longest."""
    assert 0 <= preferred_wait(lines, longest) <= longest


HOPS = st.sampled_from(
    [
        "192.0.2.1",
        "10.0.0.1",
        "::1",
        "[2001:db8::1]:80",
        "192.0.2.1:80",
        "unknown",
        "_x",
        "",
        " ",
        "for=192.0.2.1",
        'for="[::1]"',
        "for=_a",
        "by=1;for=10.0.0.1",
        "FOR=10.0.0.1;proto=https",
        'for="10.0.0.1',
        "fe80::1%eth0",
        "999.1.1.1",
        "0x7f.1",
        "127.1",
        "::ffff:10.0.0.1",
    ]
)


@MANY
@given(
    st.lists(st.lists(HOPS, max_size=5).map(",".join) | st.text(max_size=40), max_size=4),
    st.sampled_from(["x-forwarded-for", "forwarded"]),
)
def test_any_forwarded_header_names_an_address_or_is_refused(lines: list[str], header: Header) -> None:
    """What proxies tell is an address or refused."""
    found = Proxies(["10.0.0.0/24"], header).client("10.0.0.9", lines)
    if isinstance(found, Refusal):
        assert found.status == 400
    else:
        assert str(ip_address(found)) == found


LISTS = [
    (
        b'number = 7\n[[subscriber]]\nid = "radio-example"\nname = "Radio Example"\nevents = ["kv2018"]\n'
        b'live = ["192.0.2.0/28", "2001:db8::/48"]\ntest = ["198.51.100.7"]\nuntil = 2030-12-31T00:00:00Z\n'
    ),
    b'[[subscriber]]\nid = "a"\nname = "A"\nlive = ["::ffff:192.0.2.0/120"]\n[[subscriber]]\nid = "b"\nname = "B"\ntest = ["::/0"]\n',
    b"",
]


@MANY
@given(mutated(LISTS, 5))
@example(b"number = " + b"9" * 5_000)
def test_any_access_list_is_read_or_refused(data: bytes) -> None:
    """An access list is read or refused with its place; what is read never lets in who is no address."""
    try:
        found = parse_access(Path("access.toml"), data)
    except AccessError as error:
        told, found = str(error), None
    else:
        told = ""
    assert found is None or found.find("nobody") is None
    assert found is not None or "access.toml" in told


SAMPLES = ROOT / "samples"
READERS = {
    "state": read_state,
    "manifest": read_manifest,
    "notices": read_notices,
    "registers": read_index,
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """One good document of each kind, from a made store or from the samples."""
    store = MadeStore(tmp_path_factory.mktemp("store"))
    small_night(store)
    layout = store.writer.layout
    found = {
        "state": split_signed(layout.state.read_bytes())[0],
        "manifest": layout.manifest(night(), 2).read_bytes(),
    }
    for name in ("notices", "registers"):
        found[name] = next(
            path.read_bytes()
            for path in sorted(SAMPLES.rglob("*.xml"))
            if b"<%b " % name.encode() in path.read_bytes()[:600]
        )
    yield found
    store.close()


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_any_document_of_the_store_is_read_or_refused(
    documents: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    """Whatever becomes of a signed document before it is signed, its reader reads it or refuses it by name."""
    good = [documents[name]]
    bad = data.draw(mutated(good, 3) | mutated_trees(good))
    try:
        READERS[name](Path("made.xml"), bad)
    except StoreError as error:
        told = str(error)
    else:
        told = "read"
    assert 0 < len(told) < 2_000


TERRITORY = [
    b'<areas xmlns="urn:skrutinium:1"><area id="CZ"/><area id="1" parent="CZ"/><area id="2" parent="1"/></areas>',
    b'<contests xmlns="urn:skrutinium:1"><contest id="1" area="1"><district id="1.1"/></contest></contests>',
    b'<precincts xmlns="urn:skrutinium:1"><precinct id="1-1" area="1"><contest id="1"/></precinct></precincts>',
]


@given(*(mutated([sample]) | mutated_trees([sample]) | st.just(sample) for sample in TERRITORY))
def test_any_territory_is_read_or_refused(areas: bytes, contests: bytes, precincts: bytes) -> None:
    """Registers that tell what lies where are read and gone through, or refused: never a fault, never an endless walk."""
    try:
        territory = read_territory(areas, contests, precincts)
    except ValueError as error:
        told = str(error)
    else:
        found = territory.chosen(Choice(areas=("CZ",), contests=("1",)))
        told = type(found).__name__
    assert told


def test_areas_in_a_circle_are_walked_once() -> None:
    """Areas that lie in each other do not make an endless walk."""
    circle = b'<areas xmlns="urn:skrutinium:1"><area id="1" parent="2"/><area id="2" parent="1"/></areas>'
    assert isinstance(read_territory(circle, *TERRITORY[1:]).chosen(Choice(areas=("1",))), Chosen)
