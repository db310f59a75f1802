"""The release store: what appears in it is whole, signed, addressed by its hash, and survives a writer that is killed."""

import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.release.store.errors import StoreDamaged, StoreMissing, StoreWriteFailed
from skrutinium_server.release.store.layout import Layout, signature_of
from skrutinium_server.release.store.model import ZEROS, SeriesKey
from skrutinium_server.release.store.packing import compress, expand, pack
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import (
    Signer,
    fingerprint,
    read_public_key,
    signature_holds,
    split_signed,
)
from skrutinium_server.release.store.writing import StoreWriter, write_whole

KEY = SeriesKey("made-up", "night", "skrutinium")
STAMP = 'xmlns="urn:skrutinium:1" event="made-up" run="night" phase="test" time="2030-01-01T14:00:00Z" schema="1.0" codebook="1"'


def manifest(number: int, previous: str, rows: str) -> bytes:
    return (
        f'<manifest {STAMP} release="{number}" series="skrutinium" previous="{previous}" position="{number}" '
        f'ledger="{"a" * 64}" state="interim" expected="3" reported="{number}">\n{rows}</manifest>\n'
    ).encode()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[StoreWriter]:
    signer = Signer.generate(tmp_path / "keys")
    made = StoreWriter(tmp_path / "store", signer)
    yield made
    made.close()


def publish(
    writer: StoreWriter,
    number: int,
    previous: str,
    documents: dict[str, bytes],
) -> str:
    rows = writer.put_objects((path, data, "s.xsd", 1) for path, data in sorted(documents.items()))
    listed = "".join(
        f'<document path="{row.path}" size="{row.size}" sha256="{row.sha256}" schema="{row.schema}" codebook="1"/>\n'
        for row in rows
    )
    data = manifest(number, previous, listed)
    writer.publish(KEY, number, data, sorted(documents.items()))
    return hashlib.sha256(data).hexdigest()


def test_published_release_reads_back(writer: StoreWriter, tmp_path: Path) -> None:
    """What was published is read back: newest, manifest, its rows and the documents by hash."""
    reader = StoreReader(tmp_path / "store")
    assert reader.newest(KEY) is None
    first = publish(writer, 1, ZEROS, {"event.xml": b"<a/>\n", "contest/1.xml": b"<b/>\n"})
    second = publish(writer, 2, first, {"event.xml": b"<c/>\n"})

    assert reader.newest(KEY) == (2, second)
    assert reader.manifest(KEY, 2).previous == first
    assert [row.path for row in reader.manifest(KEY, 1).rows] == ["contest/1.xml", "event.xml"]
    snapshot = reader.snapshot(KEY, 2)
    assert {path: reader.object(row.sha256) for path, row in snapshot.items()} == {
        "event.xml": b"<c/>\n",
        "contest/1.xml": b"<b/>\n",
    }


def test_signature_is_checked_with_the_published_key(writer: StoreWriter, tmp_path: Path) -> None:
    """A manifest's signature holds for its exact bytes, with the published key, and for nothing else."""
    writer.publish_key()
    publish(writer, 1, ZEROS, {"event.xml": b"<a/>\n"})
    reader = StoreReader(tmp_path / "store")
    key = read_public_key(Layout(tmp_path / "store").key(writer.signer.key_id).read_bytes())
    data, line = reader.manifest_bytes(KEY, 1), reader.manifest_signature(KEY, 1)
    assert signature_holds(key, data, line)
    assert not signature_holds(key, data + b" ", line)
    assert not signature_holds(Ed25519PrivateKey.generate().public_key(), data, line)
    assert fingerprint(key) == writer.signer.fingerprint
    assert len(writer.signer.fingerprint.split()) == 16


@pytest.mark.parametrize(
    "line",
    [b"", b"ed25519", b"ed25519 0 0 0\n", b"ed25519 0123456789abcdef !!!!\n", "ed25519 č ď\n".encode()],
)
def test_broken_signature_line_does_not_hold(line: bytes, tmp_path: Path) -> None:
    """A line that is no signature never holds and never raises."""
    signer = Signer.generate(tmp_path / "k")
    assert not signature_holds(signer.public, b"data", line)


def test_private_key_is_for_its_owner_only(writer: StoreWriter, tmp_path: Path) -> None:
    """The private key's file can be read by nobody else, and loads again."""
    assert (tmp_path / "keys" / "signing.pem").stat().st_mode & 0o077 == 0
    assert Signer.load(tmp_path / "keys").key_id == writer.signer.key_id


@pytest.mark.parametrize(
    "data", [None, b"", b"no key\n", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_key_that_cannot_be_used_is_named(writer: StoreWriter, tmp_path: Path, data: bytes | None) -> None:
    """A private key that is missing or damaged is refused by the name of its file."""
    assert writer.signer.key_id
    path = tmp_path / "keys" / "signing.pem"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(StoreDamaged, match=r"signing\.pem"):
        Signer.load(tmp_path / "keys")


def test_signed_in_one_file_splits(writer: StoreWriter, tmp_path: Path) -> None:
    """A heartbeat carries its signature as its last line."""
    writer.write_heartbeat(KEY, b"<heartbeat/>\n")
    data = StoreReader(tmp_path / "store").heartbeat(KEY)
    assert data is not None
    body, line = split_signed(data)
    assert body == b"<heartbeat/>\n"
    assert signature_holds(writer.signer.public, body, line)


def test_damage_is_named(writer: StoreWriter, tmp_path: Path) -> None:
    """A changed, truncated or missing object is named with its path, and nothing false is returned."""
    publish(writer, 1, ZEROS, {"event.xml": b"<a/>\n"})
    reader = StoreReader(tmp_path / "store")
    row = reader.snapshot(KEY, 1)["event.xml"]
    path = Layout(tmp_path / "store").object(row.sha256)
    whole = path.read_bytes()
    path.write_bytes(compress(b"<b/>\n"))
    with pytest.raises(StoreDamaged, match=row.sha256):
        reader.object(row.sha256)
    path.write_bytes(whole[:-3])
    with pytest.raises(StoreDamaged, match="truncated"):
        reader.object(row.sha256)
    path.unlink()
    with pytest.raises(StoreMissing, match=row.sha256):
        reader.object(row.sha256)


def test_snapshot_starts_at_the_nearest_checkpoint(writer: StoreWriter, tmp_path: Path) -> None:
    """With a checkpoint, the releases before it need not be read again."""
    first = publish(writer, 1, ZEROS, {"a.xml": b"1\n", "b.xml": b"1\n"})
    reader = StoreReader(tmp_path / "store")
    rows = sorted((reader.snapshot(KEY, 1) | {}).values(), key=lambda row: row.path)
    listed = "".join(
        f'<document path="{row.path}" size="{row.size}" sha256="{row.sha256}" schema="s.xsd" codebook="1"/>'
        for row in rows
    )
    index = f'<checkpoint {STAMP} release="2" series="skrutinium" manifest="{first}">{listed}</checkpoint>\n'.encode()
    second = publish(writer, 2, first, {})
    writer.write_checkpoint(KEY, 2, index)
    publish(writer, 3, second, {"b.xml": b"3\n"})
    Layout(tmp_path / "store").manifest(KEY, 1).unlink()
    assert {path: reader.object(row.sha256) for path, row in reader.snapshot(KEY, 3).items()} == {
        "a.xml": b"1\n",
        "b.xml": b"3\n",
    }
    data, line = reader.checkpoint(KEY, 2)
    assert signature_holds(writer.signer.public, data, line)
    assert signature_of(Layout(tmp_path).checkpoint(KEY, 2)).name == "000000002.xml.sig"


def test_disk_that_takes_nothing_leaves_the_old_release(writer: StoreWriter, tmp_path: Path) -> None:
    """When a file cannot be written the error says which, and the newest release is the one before."""
    first = publish(writer, 1, ZEROS, {"event.xml": b"<a/>\n"})
    folder = Layout(tmp_path / "store").manifest(KEY, 1).parent
    shutil.move(folder, folder.with_name("elsewhere"))
    folder.write_bytes(b"in the way")
    with pytest.raises(StoreWriteFailed, match="manifest"):
        publish(writer, 2, first, {"event.xml": b"<b/>\n"})
    assert StoreReader(tmp_path / "store").newest(KEY) == (1, first)


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    """A failed write leaves neither the new file nor a part of it."""
    target = tmp_path / "folder" / "file"
    target.mkdir(parents=True)
    (target / "in the way").touch()
    with pytest.raises(StoreWriteFailed, match="Free space"):
        write_whole(target, b"data")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,20}\.xml", fullmatch=True), st.binary(max_size=2000)), max_size=5
    )
)
def test_packs_depend_on_their_members_only(members: list[tuple[str, bytes]]) -> None:
    """Packing the same members twice gives the same bytes, and compressing loses nothing."""
    packed = pack(members)
    assert packed == pack(list(members))
    assert expand(compress(packed), len(packed)) == packed
    assert compress(packed) == compress(packed)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"([a-z]{1,60}/)?[a-z]{1,110}\.xml", fullmatch=True), st.binary(max_size=2000)
        ),
        max_size=5,
    )
)
def test_packs_are_ustar_archives(members: list[tuple[str, bytes]]) -> None:
    """A pack is, byte for byte, the ustar archive that Python's tarfile writes; a name too long for one is refused by both."""
    out = io.BytesIO()
    try:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in members:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    except ValueError:
        with pytest.raises(ValueError, match="name is too long"):
            pack(members)
    else:
        assert pack(members) == out.getvalue()


def test_expanding_is_limited() -> None:
    """A bomb is not expanded beyond the limit; what follows the end is refused."""
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        expand(compress(b"0" * 1_000_000), 1000)
    with pytest.raises(ValueError, match="truncated"):
        expand(compress(b"0") + b"more", 1000)
    with pytest.raises(ValueError, match="not gzip"):
        expand(b"plain", 1000)
