"""Every address of the feed, its bytes and its header lines, over real sockets."""

import base64
import gzip
import hashlib
import io
import tarfile
from asyncio import to_thread
from importlib.resources import files

import pytest
from lxml import etree

from skrutinium_server.release.store.reading import StoreReader
from tests.feed.made import EVENT, Fed, MadeStore, Phase, document, feed_on, night, small_night

CONTRACT = {
    name: files("skrutinium_server").joinpath("_contract", name).read_bytes()
    for name in ("xsd/skrutinium/1.0/skrutinium.xsd", "codebooks/README.md", "samples/README.md")
}
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
SCHEMA = etree.XMLSchema(
    etree.fromstring(
        CONTRACT["xsd/skrutinium/1.0/skrutinium.xsd"],
        PARSER,
    )
)


def code(body: bytes) -> str:
    """The code of an error document, which must be valid."""
    element = etree.fromstring(body, PARSER)
    SCHEMA.assertValid(element)
    return str(element.get("code"))


async def members(data: bytes) -> dict[str, bytes]:
    """The members of a tar, in order."""
    return await to_thread(_members, data)


def _members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


async def test_newest_numbered_and_timed_documents(fed: Fed) -> None:
    """A document is served as of the newest release, any release, and any time."""
    for path, version in [
        ("newest", 3),
        ("release/1", 1),
        ("release/2", 2),
        ("release/3", 3),
        ("at/2018-10-06T14:01:00Z", 1),
        ("at/2018-10-06T14:02:59Z", 2),
        ("at/2030-01-01T00:00:00Z", 3),
        ("run/night/newest", 3),
        ("run/night/release/1", 1),
        ("series/skrutinium/newest", 3),
    ]:
        status, body, _ = await fed.get(f"/event/{EVENT}/{path}/event.xml")
        assert (status, body) == (200, document("event night", version)), path
    status, body, _ = await fed.get(f"/event/{EVENT}/release/3/contest/1.xml")
    assert (status, body) == (200, document("contest night", 1, 3000))


async def test_manifests_and_signatures(fed: Fed) -> None:
    """Manifests are the exact bytes of the store, with their signature lines beside them."""
    reader = StoreReader(fed.store.root)
    for number in (1, 2, 3):
        assert (await fed.get(f"/event/{EVENT}/release/{number}/manifest.xml"))[1] == await to_thread(
            reader.manifest_bytes, night(), number
        )
        assert (await fed.get(f"/event/{EVENT}/release/{number}/manifest.xml.sig"))[1] == await to_thread(
            reader.manifest_signature, night(), number
        )
    assert (await fed.get(f"/event/{EVENT}/newest/manifest.xml"))[1] == await to_thread(
        reader.manifest_bytes, night(), 3
    )
    assert (await fed.get(f"/event/{EVENT}/newest/manifest.xml.sig"))[1] == await to_thread(
        reader.manifest_signature, night(), 3
    )


async def test_checkpoints_packs_heartbeat_state_keys_objects(fed: Fed) -> None:
    """Everything else of the store is served byte for byte."""
    reader = StoreReader(fed.store.root)
    index, line = await to_thread(reader.checkpoint, night(), 2)
    row = (await to_thread(reader.snapshot, night(), 3))["contest/1.xml"]
    layout = reader.layout
    for path, due in {
        f"/event/{EVENT}/checkpoint/newest.xml": index,
        f"/event/{EVENT}/checkpoint/2.xml": index,
        f"/event/{EVENT}/checkpoint/newest.xml.sig": line,
        f"/event/{EVENT}/checkpoint/2.xml.sig": line,
        f"/event/{EVENT}/pack/2": await to_thread(reader.pack_gzip, night(), 2),
        f"/event/{EVENT}/heartbeat.xml": await to_thread(reader.heartbeat, night()),
        "/state.xml": await to_thread(layout.state.read_bytes),
        f"/keys/{fed.store.signer.key_id}.pem": fed.store.signer.public_pem(),
        f"/object/{row.sha256}": document("contest night", 1, 3000),
        "/xsd/skrutinium/1.0/skrutinium.xsd": CONTRACT["xsd/skrutinium/1.0/skrutinium.xsd"],
        "/codebooks/README.md": CONTRACT["codebooks/README.md"],
        "/samples/README.md": CONTRACT["samples/README.md"],
    }.items():
        status, body, headers = await fed.get(path)
        assert (status, body) == (200, due), path
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert headers["Repr-Digest"] == f"sha-256=:{digest}:"


async def test_changes_hold_manifests_and_newest_versions(fed: Fed) -> None:
    """Changes are the manifests after N with signatures, then the newest version of each changed document."""
    reader = StoreReader(fed.store.root)
    for since in (0, 1, 2):
        status, body, headers = await fed.get(f"/event/{EVENT}/changes?since={since}")
        assert (status, headers["Content-Type"]) == (200, "application/x-tar")
        held = await members(body)
        due = {}
        for number in range(since + 1, 4):
            due[f"manifest/{number:09d}.xml"] = await to_thread(reader.manifest_bytes, night(), number)
            due[f"manifest/{number:09d}.xml.sig"] = await to_thread(
                reader.manifest_signature, night(), number
            )
        manifests = [await to_thread(reader.manifest, night(), number) for number in range(since + 1, 4)]
        paths = {row.path for manifest in manifests for row in manifest.rows}
        rows = await to_thread(reader.snapshot, night(), 3)
        due |= {path: await to_thread(reader.object, rows[path].sha256) for path in sorted(paths)}
        assert list(held.items()) == list(due.items())
        status, packed, headers = await fed.get(
            f"/event/{EVENT}/changes?since={since}", Accept_Encoding="gzip"
        )
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed) == body
    assert await members((await fed.get(f"/event/{EVENT}/changes?since=3"))[1]) == {}


async def test_changes_too_far_back_point_to_the_checkpoint(store: MadeStore) -> None:
    """After more than 200 releases the reader is told to join by checkpoint."""

    def publish() -> None:
        store.open_run("night", "live")
        for number in range(1, 203):
            store.release(night(), {"event.xml": document("event", number)})

    await to_thread(publish)
    async with feed_on(store) as fed:
        assert (await fed.get(f"/event/{EVENT}/changes?since=2"))[0] == 200
        status, body, _ = await fed.get(f"/event/{EVENT}/changes?since=1")
        assert (status, code(body)) == (410, "too-far-back")
        assert b"checkpoint/newest.xml" in body


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"/event/{EVENT}/release/4/event.xml", 404, "not-yet"),
        (f"/event/{EVENT}/pack/4", 404, "not-yet"),
        (f"/event/{EVENT}/changes?since=4", 404, "not-yet"),
        (f"/event/{EVENT}/at/2018-10-06T14:00:59Z/event.xml", 404, "not-yet"),
        (f"/event/{EVENT}/newest/contest/2.xml", 404, "no-document"),
        (f"/event/{EVENT}/release/1/area/CZ.xml", 404, "no-document"),
        (f"/event/{EVENT}/checkpoint/1.xml", 404, "no-checkpoint"),
        (f"/event/{EVENT}/checkpoint/9.xml", 404, "no-checkpoint"),
        (f"/event/{EVENT}/series/nist/newest/event.xml", 404, "no-event"),
        (f"/event/{EVENT}/run/other/newest/event.xml", 404, "no-event"),
        ("/event/other/newest/event.xml", 404, "no-event"),
        (f"/event/{EVENT}/series/volby/heartbeat.xml", 404, "not-yet"),
        (f"/keys/{'0' * 16}.pem", 404, "no-key"),
        (f"/object/{'0' * 64}", 404, "no-object"),
        ("/xsd/nothing.xsd", 404, "not-found"),
        ("/xsd/skrutinium", 404, "not-found"),
        ("//", 400, "bad-address"),
    ],
)
async def test_what_is_not_there_is_told(fed: Fed, path: str, status: int, said: str) -> None:
    """What is not there is refused with a valid error document, which no cache keeps."""
    answered, body, headers = await fed.get(path)
    assert (answered, code(body)) == (status, said)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "application/xml; charset=utf-8"


async def test_header_lines_of_a_document(fed: Fed) -> None:
    """A document says how it may be kept, what it belongs to, and what its bytes hash to."""
    _, plain, headers = await fed.get(f"/event/{EVENT}/newest/contest/1.xml")
    _, packed, other = await fed.get(f"/event/{EVENT}/newest/contest/1.xml", Accept_Encoding="gzip")
    assert gzip.decompress(packed) == plain
    assert headers["ETag"] != other["ETag"]
    assert "Content-Encoding" not in headers
    assert other["Content-Encoding"] == "gzip"
    for body, told in ((plain, headers), (packed, other)):
        assert told["Vary"] == "Accept-Encoding"
        assert told["Content-Type"] == "application/xml; charset=utf-8"
        assert told["X-Content-Type-Options"] == "nosniff"
        assert (told["Skrutinium-Run"], told["Skrutinium-Phase"], told["Skrutinium-Release"]) == (
            "night",
            "live",
            "3",
        )
        assert told["Cache-Control"] == "max-age=1, must-revalidate"
        assert told["Last-Modified"].endswith(" GMT")
        assert told["Repr-Digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        assert not told["ETag"].startswith("W/")


async def test_conditional_requests(fed: Fed) -> None:
    """A matching tag or our own date gives 304 without a body; another one the document; HEAD the head of GET."""
    path = f"/event/{EVENT}/newest/event.xml"
    _, body, headers = await fed.get(path)
    tag, date = headers["ETag"], headers["Last-Modified"]
    for sent in (
        {"If_None_Match": tag},
        {"If_None_Match": f'"x", W/{tag}'},
        {"If_None_Match": "*"},
        {"If_Modified_Since": date},
    ):
        status, nothing, told = await fed.get(path, **sent)
        assert (status, nothing) == (304, b""), sent
        kept = {"ETag", "Cache-Control", "Vary", "Date", "Last-Modified", "Skrutinium-Release"}
        assert kept <= set(told.keys()) | {"ETag"}
        assert told["ETag"] == tag
        assert "Content-Length" not in told
    for sent in (
        {"If_None_Match": '"x"'},
        {"If_None_Match": '"x"', "If_Modified_Since": date},
        {"If_Modified_Since": "Sun, 07 Oct 2040 00:00:00 GMT"},
    ):
        assert (await fed.get(path, **sent))[:2] == (200, body)
    status, nothing, told = await fed.get(path, method="HEAD")
    assert (status, nothing, told["Content-Length"], told["ETag"]) == (200, b"", str(len(body)), tag)
    assert (await fed.get(path, method="HEAD", If_None_Match=tag))[0] == 304


async def test_other_methods(fed: Fed) -> None:
    """OPTIONS tells what is allowed; whatever writes is refused and told the same."""
    status, body, headers = await fed.get("/state.xml", method="OPTIONS")
    assert (status, body, headers["Allow"]) == (204, b"", "GET, HEAD, OPTIONS")
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
        status, body, headers = await fed.get("/state.xml", method=method)
        assert (status, code(body), headers["Allow"]) == (405, "method", "GET, HEAD, OPTIONS")
    async with fed.client.get(fed.base + "/state.xml", data=b"x") as response:
        assert (response.status, code(await response.read())) == (413, "no-body")
    status, body, _ = await fed.get(f"/event/{EVENT}/newest/event.xml", Accept_Encoding="identity;q=0")
    assert (status, code(body)) == (406, "not-acceptable")


async def test_numbered_answers_are_immutable(fed: Fed) -> None:
    """Numbered documents, packs and checkpoints of a named run may be kept for ever, as objects may."""
    row = (await to_thread(StoreReader(fed.store.root).snapshot, night(), 3))["event.xml"]
    paths = [
        "release/3/event.xml",
        "release/1/manifest.xml",
        "release/1/manifest.xml.sig",
        "pack/1",
        "checkpoint/2.xml",
        "at/2018-10-06T14:01:30Z/event.xml",
    ]
    for path in [f"/event/{EVENT}/run/night/{path}" for path in paths] + [f"/object/{row.sha256}"]:
        assert (await fed.get(path))[2]["Cache-Control"] == "max-age=31536000, immutable", path


@pytest.mark.parametrize("phase", ["rehearsal", "live"])
async def test_no_cache_carries_a_run_into_the_next_one(store: MadeStore, phase: Phase) -> None:
    """Numbers at the event's own address are kept for a moment only: the next run, live again or not, has the same ones."""
    await to_thread(small_night, store, "first", phase)
    async with feed_on(store) as fed:
        own = (await fed.get(f"/event/{EVENT}/release/1/event.xml"))[2]
        named = (await fed.get(f"/event/{EVENT}/run/first/release/1/event.xml"))[2]
    assert (own["Skrutinium-Phase"], own["Cache-Control"]) == (phase, "max-age=1, must-revalidate")
    assert named["Cache-Control"] == "max-age=31536000, immutable"


async def test_pages_about_the_feed(fed: Fed) -> None:
    """/access, /status and /health tell about reader, releases and feed."""
    async with fed.client.get(fed.base + "/access") as response:
        told = await response.json()
        assert {name: told[name] for name in ("address", "allowed", "range", "kind", "until")} == {
            "address": "127.0.0.1",
            "allowed": True,
            "range": "This machine",
            "kind": "live",
            "until": None,
        }
    async with fed.client.get(fed.base + "/status") as response:
        told = await response.json()
    assert told["alarms"] == []
    assert [(row["series"], row["release"], row["phase"]) for row in told["series"]] == [
        ("skrutinium", 3, "live"),
        ("volby", 2, "live"),
    ]
    assert all(0 <= row["age"] < 3600 for row in told["series"])
    async with fed.client.get(fed.base + "/health") as response:
        assert (await response.json())["alive"] is True


async def test_memory_is_bounded(night_store: MadeStore) -> None:
    """With next to no memory everything is still served, again and again, from the store."""
    async with feed_on(night_store, memory=2000) as fed:
        for _ in range(2):
            for path, due in {
                "newest/contest/1.xml": document("contest night", 1, 3000),
                "release/1/event.xml": document("event night", 1),
                "newest/area/CZ.xml": document("area", 2),
            }.items():
                assert (await fed.get(f"/event/{EVENT}/{path}"))[:2] == (200, due)


async def test_damaged_object_is_not_served(night_store: MadeStore) -> None:
    """A document whose bytes do not match its hash is refused, and the rest is served on."""
    reader = StoreReader(night_store.root)
    row = (await to_thread(reader.snapshot, night(), 3))["event.xml"]
    await to_thread(reader.layout.object(row.sha256).write_bytes, gzip.compress(b"<other/>"))
    async with feed_on(night_store) as fed:
        status, body, _ = await fed.get(f"/event/{EVENT}/newest/event.xml")
        assert (status, code(body)) == (503, "store-damaged")
        assert (await fed.get(f"/event/{EVENT}/newest/contest/1.xml"))[0] == 200
