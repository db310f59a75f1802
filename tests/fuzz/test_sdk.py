"""Whatever a feed, a disc or a state file offers a newsroom: it is read when it is right, and else a SkrutiniumError says why."""

import asyncio
import gzip
import hashlib
import io
import itertools
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from skrutinium.documents import (
    notices,
    protocols_reading,
    reading,
    registers_reading,
    series_reading,
    streaming,
)
from skrutinium.documents import protocols as documents
from skrutinium.documents.registers import SCHEMA as REGISTERS_SCHEMA
from skrutinium.documents.registers import RegisterRow
from skrutinium.errors import NotYet, SkrutiniumError
from skrutinium.following import statefile
from skrutinium.sources import packs, push
from skrutinium.sources.expanding import Expanding
from skrutinium.trust.signing import KeyRing, plain_fingerprint, read_key, split_line, split_signed
from skrutinium.verifying import taken_over
from skrutinium_server.release.store.packing import compress, pack
from skrutinium_server.release.store.signing import Signer
from tests.fuzz import test_intake
from tests.fuzz.mutating import mutated, mutated_trees

ROOT = Path(__file__).resolve().parents[2]
VALID = {
    path.stem: path.read_bytes() for path in sorted((ROOT / "samples/skrutinium/1.0/valid").glob("*.xml"))
}
READERS: dict[str, Callable[..., Any]] = {
    "event": reading.read_event,
    "area": reading.read_area,
    "contest": reading.read_contest,
    "district": reading.read_district,
    "summary": reading.read_summary,
    "precinct": protocols_reading.read_precinct,
    "batch": protocols_reading.read_batch,
    "corrections": protocols_reading.read_corrections,
    "manifest": series_reading.read_manifest,
    "checkpoint": series_reading.read_checkpoint,
    "heartbeat": series_reading.read_heartbeat,
    "feed-state": series_reading.read_state,
    "error": series_reading.read_refusal,
    "turnout": reading.read_turnout,
    "notices": notices.read_notices,
    "status": notices.read_status,
}
READ = {stem: data for stem, data in VALID.items() if stem.split("-")[0] in READERS or stem in READERS}
OFTEN = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def readers_of(data: bytes) -> list[Callable[..., Any]]:
    """The reader of the sample that the bytes came from, or every reader when that cannot be told."""
    found = [reader for name, reader in READERS.items() if b"<" + ROOTS[name] in data]
    return found or list(READERS.values())


ROOTS = {
    "event": b"event-results",
    "area": b"area-results",
    "contest": b"contest-results",
    "district": b"district-results",
    "summary": b"summary ",
    "precinct": b"precinct-results",
    "batch": b"protocol-batch",
    "corrections": b"corrections",
    "manifest": b"manifest",
    "checkpoint": b"checkpoint",
    "heartbeat": b"heartbeat",
    "feed-state": b"feed-state",
    "error": b"error",
    "turnout": b"turnout",
    "notices": b"notices",
    "status": b"status ",
}


@cache
def judge() -> xmlschema.XMLSchema10:
    """The schema as another library understands it."""
    return xmlschema.XMLSchema10(str(ROOT / "xsd/skrutinium/1.0/skrutinium.xsd"))


def result_of(reader: Callable[..., Any], data: bytes, **how: bool) -> Any:
    """What is read, None when it is refused; the same whether the document is read as a small or as a large one."""
    results = []
    for size in (streaming.WHOLE, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(streaming, "WHOLE", size)
            try:
                results.append(reader(data, "sample.xml", **how))
            except SkrutiniumError:
                results.append(None)
    assert results[0] == results[1]
    return results[0]


def read_all(data: bytes) -> None:
    """Read with every reader that fits: a result only where the other library finds no fault, errors of one family only."""
    for reader in readers_of(data):
        if result_of(reader, data) is not None:
            root = etree.fromstring(data)
            if root.get("schema", "1.0") == "1.0":
                assert judge().is_valid(data), [error.reason for error in judge().iter_errors(data)]
        if reader.__module__ in (reading.__name__, protocols_reading.__name__):
            result_of(reader, data, validate=False)


def test_every_sample_has_its_reader() -> None:
    """Every document that has a reader is read from its valid sample, so that a mutation has something to break."""
    assert VALID.keys() == READ.keys()
    for stem, data in READ.items():
        (reader,) = readers_of(data)
        assert reader(data, stem) is not None
        read_all(data)


@OFTEN
@given(mutated(sorted(READ.values())))
def test_mutated_document_is_valid_or_refused(data: bytes) -> None:
    """A document with damaged bytes is valid by the schema or a SkrutiniumError."""
    read_all(data)


@OFTEN
@given(mutated_trees(sorted(READ.values())))
def test_mutated_tree_is_valid_or_refused(data: bytes) -> None:
    """A document with elements and attributes changed is valid by the schema or a SkrutiniumError."""
    read_all(data)


@OFTEN
@given(mutated_trees([data.replace(b'schema="1.0"', b'schema="1.1"') for data in sorted(READ.values())]))
def test_mutated_document_of_a_later_version_is_read_or_refused(data: bytes) -> None:
    """What no schema at hand can judge is read strictly all the same: a result or a SkrutiniumError."""
    read_all(data)


REGISTERS = {
    path.stem.split("-")[0]: path.read_bytes()
    for path in sorted((ROOT / "samples/skrutinium/1.0/registers/valid").glob("*.xml"))
}
REGISTER_READERS: dict[str, Callable[..., Any]] = {
    "areas": registers_reading.read_areas,
    "calendar": registers_reading.read_calendar,
    "candidates": registers_reading.read_candidates,
    "codebooks": registers_reading.read_codebook,
    "committees": registers_reading.read_committees,
    "contests": registers_reading.read_contests,
    "districts": registers_reading.read_districts,
    "lists": registers_reading.read_lists,
    "precincts": registers_reading.read_precincts,
}
OF_SAMPLES = RegisterRow(
    "registers/sample.xml",
    0,
    "",
    REGISTERS_SCHEMA,
    2,
    "53e68827102dffed88fd0ac91a1547020227dffd525512162980a10fc5046690",
)


@cache
def registers_judge() -> xmlschema.XMLSchema10:
    """The schema of registers as another library understands it."""
    return xmlschema.XMLSchema10(str(ROOT / "xsd/skrutinium/1.0/registers.xsd"))


def read_register(name: str, data: bytes) -> None:
    """Rows only where the other library finds no fault, the same as a small and as a large document."""
    if name == "registers":
        read = result_of(registers_reading.read_index, data)
    else:
        read = result_of(lambda data, _: REGISTER_READERS[name](data, "sample2030", OF_SAMPLES), data)
    if read is not None and etree.fromstring(data).get("schema") == "1.0":
        assert registers_judge().is_valid(data), [one.reason for one in registers_judge().iter_errors(data)]


def test_every_register_has_its_reader() -> None:
    """Every sample of a register is read, so that a mutation has something to break."""
    assert REGISTERS.keys() == {*REGISTER_READERS, "registers"}
    for name, data in REGISTERS.items():
        read_register(name, data)
        reader = REGISTER_READERS.get(name)
        assert reader is None or reader(data, "sample2030", OF_SAMPLES)


@OFTEN
@given(data=st.data(), name=st.sampled_from(sorted(REGISTERS)))
def test_mutated_register_is_valid_or_refused(name: str, data: st.DataObject) -> None:
    """A register, codebook, calendar or index with damaged bytes, or changed elements, is valid by the schema or a SkrutiniumError."""
    sample = [REGISTERS[name]]
    read_register(name, data.draw(mutated(sample) | mutated_trees(sample)))


PACK = pack(
    [("manifest.xml", VALID["manifest"]), ("manifest.xml.sig", b"a" * 120), ("contest/1.xml", b"b" * 900)]
)
MEMBERS = [
    ("manifest.xml", VALID["manifest"]),
    ("manifest.xml.sig", b"a" * 120),
    ("contest/1.xml", b"b" * 900),
]


END = len(PACK.rstrip(b"\0")) // 512 * 512 + 512 + 1024
"""Where the two empty blocks end; what follows is padding."""


@given(mutated([PACK]))
def test_mutated_pack_is_read_or_refused(data: bytes) -> None:
    """A damaged archive is refused, or its members lie in it as they were read."""
    try:
        found = list(packs.members(io.BytesIO(data), "pack"))
    except SkrutiniumError:
        return
    for name, member in found:
        assert member in data
        assert ".." not in name
        assert not name.startswith("/")


@given(mutated([compress(PACK)]))
def test_mutated_compressed_pack_is_read_or_refused(data: bytes) -> None:
    """Damaged gzip around an archive is noticed: the members are those that were packed, or a SkrutiniumError."""
    try:
        with gzip.open(io.BytesIO(data)) as file:
            found = list(packs.members(file, "pack"))
    except SkrutiniumError:
        return
    assert found == MEMBERS


def unpacked(pieces: list[bytes], most: int = packs.LARGEST_MEMBER) -> list[packs.Member] | None:
    """The members of an archive that came in those pieces, None when it is refused."""
    unpacking = packs.Unpacking("pack", lambda _: most)
    try:
        found = [member for piece in pieces for member in unpacking.take(piece)]
        unpacking.end()
    except SkrutiniumError:
        return None
    return found


def cut_up(data: bytes, cuts: list[int]) -> list[bytes]:
    """The same in pieces."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:stop] for start, stop in itertools.pairwise(places)]


@given(mutated([PACK]) | st.just(PACK), st.lists(st.integers(0, 20_000), max_size=9))
def test_pack_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    """An archive that comes in pieces, damaged or not, gives what it gives as a whole, with the right hashes; large members are let go."""
    try:
        due = list(packs.members(io.BytesIO(data), "pack"))
    except SkrutiniumError:
        due = None
    found = unpacked(cut_up(data, cuts))
    told = None if found is None else [(one.name, one.data) for one in found]
    assert told == due
    if found is not None:
        for one in found:
            assert one.data is not None
            assert (one.size, one.sha256) == (len(one.data), hashlib.sha256(one.data).hexdigest())
        let_go = [(one.name, one.size, one.sha256) for one in unpacked(cut_up(data, cuts), 0) or ()]
        assert let_go == [(one.name, one.size, one.sha256) for one in found]


@given(st.integers(0, len(PACK) - 1))
def test_pack_cut_off_anywhere(size: int) -> None:
    """An archive that ends before its two empty blocks is refused."""
    found = unpacked([PACK[:size]])
    assert found is None or not PACK[size:].strip(b"\0")
    assert (found is None) == (size < END)


@given(mutated([compress(PACK)]), st.lists(st.integers(0, 2_000), max_size=5))
def test_mutated_compressed_pack_that_comes_in_pieces(data: bytes, cuts: list[int]) -> None:
    """Damaged gzip around an archive that comes in pieces is noticed, or the members are those that were packed."""
    stretch = Expanding(len(PACK), "pack")
    try:
        pieces = [part for piece in cut_up(data, cuts) for part in stretch.take(piece)]
        stretch.end()
    except SkrutiniumError:
        return
    found = unpacked(pieces)
    assert found is not None
    assert [(one.name, one.data) for one in found] == MEMBERS


DOCUMENT = b"<heartbeat/>\n"


@cache
def signer() -> Signer:
    """A key of the tests."""
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


async def fetch(key_id: str) -> tuple[bytes, bytes | None]:
    """The one key there is."""
    if key_id != signer().key_id:
        raise NotYet("no such key")
    return signer().public_pem(), None


@given(st.deferred(lambda: mutated([signer().line(DOCUMENT)])))
def test_mutated_signature_line_never_holds(line: bytes) -> None:
    """A damaged signature line is a SkrutiniumError, unless it says the same."""
    ring = KeyRing(fetch, pinned=signer().fingerprint)
    try:
        split_line(line, "a.sig")
        asyncio.run(ring.check(DOCUMENT, line, "a.sig"))
    except SkrutiniumError:
        return
    assert line.rstrip(b"\n") == signer().line(DOCUMENT).rstrip(b"\n")


@given(st.deferred(lambda: mutated([DOCUMENT + signer().line(DOCUMENT)])))
def test_mutated_signed_file_never_holds(data: bytes) -> None:
    """A file that carries its signature and was damaged is a SkrutiniumError, unless document and signature say the same."""
    ring = KeyRing(fetch, pinned=signer().fingerprint)
    try:
        split_signed(data, "a.xml")
        body = asyncio.run(ring.signed(data, "a.xml"))
    except SkrutiniumError:
        return
    assert body == DOCUMENT


@given(st.deferred(lambda: mutated([signer().public_pem()])), st.text(max_size=80))
def test_mutated_key_is_refused_or_a_key(pem: bytes, paper: str) -> None:
    """A damaged key file, or fingerprint as typed, is a SkrutiniumError or a key."""
    for read in (lambda: read_key(pem, "a.pem"), lambda: plain_fingerprint(paper)):
        try:
            assert read()
        except SkrutiniumError:
            pass


SEEN = statefile.Seen(
    "kv2030", "night", "live", "skrutinium", 7, "a" * 64, ("b" * 64,), 3, (("https://feed.example", 3),)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("a" * 64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def seen_or_refused(path: Path) -> None:
    """What was read has the types it should have and reads the same again."""
    try:
        seen = statefile.read(path)
    except SkrutiniumError:
        return
    assert seen is not None
    texts = (seen.event, seen.run, seen.phase, seen.series, seen.manifest, *seen.keys)
    assert all(type(text) is str for text in texts), seen
    assert type(seen.number) is int
    assert type(seen.feed_state) is int
    assert all((type(where), type(number)) == (str, int) for where, number in seen.feed_states)
    assert seen.number >= 1
    KeyRing(fetch, known=())
    statefile.write(path, seen)
    assert statefile.read(path) == seen


@cache
def state_bytes(folder: Path) -> bytes:
    """A state file as it is written."""
    statefile.write(folder / "good", SEEN)
    return (folder / "good").read_bytes()


@OFTEN
@given(data=st.data())
def test_mutated_state_file_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """A damaged state file is a SkrutiniumError or a place to go on from."""
    path = tmp_path / "state"
    path.write_bytes(data.draw(mutated([state_bytes(tmp_path)])))
    seen_or_refused(path)


@OFTEN
@given(
    name=st.sampled_from(
        (
            "format",
            "event",
            "run",
            "phase",
            "series",
            "number",
            "manifest",
            "keys",
            "feed_state",
            "feed_states",
        )
    ),
    value=JSON,
)
def test_state_file_with_another_value_is_read_or_refused(tmp_path: Path, name: str, value: Any) -> None:
    """A state file in which one value is of another kind is a SkrutiniumError, not a fault later on."""
    path = tmp_path / "state"
    content = json.loads(state_bytes(tmp_path)) | {name: value}
    path.write_text(json.dumps(content))
    seen_or_refused(path)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b'{"number": Infinity}'])
def test_state_file_that_would_exhaust_the_reader_is_refused(tmp_path: Path, data: bytes) -> None:
    """Nesting without end and numbers of thousands of digits are a SkrutiniumError."""
    path = tmp_path / "state"
    path.write_bytes(data)
    with pytest.raises(SkrutiniumError):
        statefile.read(path)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("release", "heartbeat")),
        st.none() | st.integers(0, 999).map(str),
        st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=9).filter(
            lambda text: not text.startswith(" ")
        ),
    ),
    max_size=5,
)


def spelled(sent: list[tuple[str, str | None, str]], end: str) -> bytes:
    """A stream of events with one kind of line end."""
    text = ": hello" + end + end
    for kind, id, data in sent:
        text += (
            f"event: {kind}{end}" + (f"id: {id}{end}" if id is not None else "") + f"data: {data}{end}{end}"
        )
    return text.encode()


class Stream:
    """A real server that sends a stream in the pieces it is told, and a reader of it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send the pieces, each in a chunk of its own."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self.pieces:
            await response.write(piece)
        return response

    async def read(self, pieces: list[bytes]) -> list[push.Event]:
        """All events of a stream of those pieces; each chunk is read by itself, however fast they come."""
        self.pieces = pieces
        app = web.Application()
        app.router.add_get("/", self.answer)
        async with (
            TestServer(app) as server,
            ClientSession() as session,
            session.get(server.make_url("/")) as response,
        ):
            return [event async for event in push.events(response)]


@given(sent=EVENTS, end=st.sampled_from(("\n", "\r\n")), cuts=st.lists(st.integers(0, 300), max_size=9))
def test_events_are_the_same_however_the_stream_is_cut(
    sent: list[tuple[str, str | None, str]], end: str, cuts: list[int]
) -> None:
    """Every event arrives as it was sent, with either line end, wherever the stream is cut into pieces."""
    stream = spelled(sent, end)
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    pieces = [stream[start:stop] for start, stop in itertools.pairwise(places)]
    found = asyncio.run(Stream().read(pieces))
    told = [(event.kind, event.id, event.data) for event in found if event is not push.COMMENT]
    assert told == sent


@given(
    st.deferred(
        lambda: mutated([spelled([("release", "1", "1 " + "a" * 64), ("heartbeat", None, "1 x")], "\n")])
    )
)
def test_mutated_stream_is_events_or_refused(stream: bytes) -> None:
    """A damaged stream gives events of text, or a SkrutiniumError."""
    try:
        found = asyncio.run(Stream().read([stream]))
    except SkrutiniumError:
        return
    assert sum(event is not push.COMMENT for event in found) <= stream.count(b"data")
    assert len(found) <= stream.count(b"\n")


def test_stream_without_end_is_refused() -> None:
    """An event that never ends is a SkrutiniumError before it fills the memory."""
    with pytest.raises(SkrutiniumError):
        asyncio.run(Stream().read([b"data: " + b"a" * 2**16] * 64))


RECORDS = [test_intake.record(row).strip().encode() for row in test_intake.night()]


@OFTEN
@given(
    mutated(RECORDS, 3),
    st.sampled_from(("UTF-8", "ISO-8859-2", "WINDOWS-1250", "UTF-16", "idna", "utf-7", "a" * 40, "")),
    st.sampled_from(sorted(taken_over.FORMATS)),
)
def test_mutated_bytes_taken_over_are_reread_or_refused(data: bytes, encoding: str, form: str) -> None:
    """Damaged bytes in a published protocol are read again or a SkrutiniumError; verify goes on."""
    taken = documents.TakenOver(data, form, encoding, "1.xml", "0" * 64, 0)
    try:
        again = taken_over.reread(taken)
    except SkrutiniumError:
        return
    assert all(votes >= 0 for votes in again.lists.values())
