"""Whatever became of the files of a release store: each is read as it was written or refused with a StoreError."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.layout import signature_of
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer, read_public_key, signature_holds, split_signed
from tests.feed.made import MadeStore, night, small_night
from tests.fuzz.mutating import mutated

KEY = night()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeStore]:
    """A store with a small night."""
    store = MadeStore(tmp_path_factory.mktemp("store"))
    small_night(store)
    yield store
    store.close()


def readings(reader: StoreReader, sha256: str) -> list[Callable[[], object]]:
    """Everything that can be asked of a store."""
    return [
        lambda: reader.newest(KEY),
        lambda: reader.manifest(KEY, 2),
        lambda: reader.manifest_signature(KEY, 2),
        lambda: reader.pack_gzip(KEY, 2),
        lambda: reader.checkpoints(KEY),
        lambda: reader.checkpoint(KEY, 2),
        lambda: reader.object(sha256),
        lambda: reader.heartbeat(KEY),
        reader.state,
        lambda: reader.snapshot(KEY, 3),
        lambda: reader.snapshot(KEY, getattr(reader.newest(KEY), "number", 0)),
    ]


def ask_everything(store: MadeStore) -> None:
    """Ask everything; only a StoreError may say no, and a document that is handed out has the hash it was asked by."""
    reader = StoreReader(store.root)
    row = store.series[KEY].rows["event.xml"]
    told = []
    for ask in readings(reader, row.sha256):
        try:
            ask()
        except StoreError as error:
            told.append(str(error))
    assert all(0 < len(text) < 2_000 for text in told)
    try:
        assert hashlib.sha256(reader.object(row.sha256)).hexdigest() == row.sha256
        for listed in reader.manifest(KEY, 2).rows:
            assert hashlib.sha256(reader.object(listed.sha256)).hexdigest() == listed.sha256
    except StoreError:
        pass


FILES: dict[str, Callable[[MadeStore], Path]] = {
    "newest": lambda store: store.writer.layout.newest(KEY),
    "manifest": lambda store: store.writer.layout.manifest(KEY, 2),
    "signature": lambda store: signature_of(store.writer.layout.manifest(KEY, 2)),
    "pack": lambda store: store.writer.layout.pack(KEY, 2),
    "checkpoint": lambda store: store.writer.layout.checkpoint(KEY, 2),
    "object": lambda store: store.writer.layout.object(store.series[KEY].rows["event.xml"].sha256),
    "heartbeat": lambda store: store.writer.layout.heartbeat(KEY),
    "state": lambda store: store.writer.layout.state,
}


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_mutated_file_is_read_or_refused(made: MadeStore, name: str, data: st.DataObject) -> None:
    """A store in which one file is damaged answers, or says with a StoreError which file it is."""
    path = FILES[name](made)
    good = path.read_bytes()
    try:
        path.write_bytes(data.draw(mutated([good])))
        ask_everything(made)
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_and_folder_in_its_place_are_refused(made: MadeStore, name: str) -> None:
    """A file that is gone, or a folder where it was, is a StoreError wherever it is needed."""
    path = FILES[name](made)
    good = path.read_bytes()
    path.unlink()
    try:
        ask_everything(made)
        path.mkdir()
        ask_everything(made)
        path.rmdir()
    finally:
        path.write_bytes(good)


def test_strange_names_are_read_over(made: MadeStore) -> None:
    """Files that do not belong into a store change nothing."""
    folder = made.writer.layout.checkpoint(KEY, 2).parent
    strange = [folder / name for name in ("notes.xml.gz", ".000000003.xml.gz.123.456", "000000002.xml.gz~")]
    for path in strange:
        path.write_bytes(b"not a checkpoint")
    try:
        assert StoreReader(made.root).checkpoints(KEY) == (2,)
    finally:
        for path in strange:
            path.unlink()


@given(st.data())
def test_mutated_signature_never_holds(made: MadeStore, data: st.DataObject) -> None:
    """Neither a damaged signature line nor a damaged document has a signature that holds."""
    signer: Signer = made.signer
    document = b"<a/>\n"
    line = data.draw(mutated([signer.line(document)]))
    same = line.rstrip(b"\n") == signer.line(document).rstrip(b"\n")
    assert signature_holds(signer.public, document, line) == same
    damaged = data.draw(mutated([document + signer.line(document)]))
    try:
        body, signature = split_signed(damaged)
    except ValueError:
        return
    assert not signature_holds(signer.public, body, signature) or body == document


def test_signature_alone_is_no_line(made: MadeStore) -> None:
    """A signature without the name of its kind and key does not count."""
    line = made.signer.line(b"<a/>\n")
    assert signature_holds(made.signer.public, b"<a/>\n", line)
    assert not signature_holds(made.signer.public, b"<a/>\n", line.split()[2])


def test_key_of_another_kind_is_refused(made: MadeStore) -> None:
    """A key file that names a kind of key nobody knows is a ValueError."""
    with pytest.raises(ValueError, match="Ed25519"):
        read_public_key(made.signer.public_pem().replace(b"MCowBQYDK2Vw", b"MCowBQYDNaNw"))


@given(st.data())
def test_mutated_key_is_a_key_or_refused(made: MadeStore, data: st.DataObject) -> None:
    """A damaged public key is a ValueError or a key."""
    try:
        read_public_key(data.draw(mutated([made.signer.public_pem()])))
    except ValueError:
        return
