"""Versions of a definition are stored whole, once, and only read back as they were stored."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.election.canonical import canonical, sha256
from skrutinium_server.election.errors import DefinitionError, StoreError
from skrutinium_server.election.store import DefinitionStore
from tests.election.made import SMALL


def test_versions_follow_each_other(tmp_path: Path) -> None:
    """Other facts are the next version; the same facts are the version that is there."""
    store = DefinitionStore(tmp_path / "definition")
    assert store.newest() is None
    assert store.save(msgspec.structs.replace(SMALL, version=7)) == 1
    assert store.save(msgspec.structs.replace(SMALL, version=9, areas=SMALL.areas[::-1])) == 1
    other = msgspec.structs.replace(SMALL, name="Other")
    assert store.save(other) == 2
    assert store.newest() == msgspec.structs.replace(other, version=2)
    assert store.load(1) == SMALL
    assert sorted(path.name for path in (tmp_path / "definition").iterdir()) == [
        "0001.json",
        "0001.json.sha256",
        "0002.json",
        "0002.json.sha256",
    ]
    assert (tmp_path / "definition/0001.json").read_bytes() == canonical(SMALL)
    assert (
        tmp_path / "definition/0001.json.sha256"
    ).read_text() == f"{sha256(canonical(SMALL))}  0001.json\n"


def test_broken_definition_is_not_stored(tmp_path: Path) -> None:
    """What does not agree with itself leaves nothing behind."""
    store = DefinitionStore(tmp_path)
    with pytest.raises(DefinitionError):
        store.save(msgspec.structs.replace(SMALL, districts=()))
    assert list(tmp_path.iterdir()) == []


def test_changed_or_missing_file_is_told(tmp_path: Path) -> None:
    """One changed byte, a missing hash, a missing version and a version under another number are errors."""
    store = DefinitionStore(tmp_path)
    store.save(SMALL)
    path, hash_path = tmp_path / "0001.json", tmp_path / "0001.json.sha256"
    good, good_hash = path.read_bytes(), hash_path.read_bytes()
    path.write_bytes(good.replace(b"Jana", b"Hana"))
    with pytest.raises(StoreError, match="was changed after it was stored"):
        store.load(1)
    path.write_bytes(good)
    hash_path.unlink()
    with pytest.raises(StoreError, match="sha256 is missing"):
        store.newest()
    with pytest.raises(StoreError, match="Version 5"):
        store.load(5)
    (tmp_path / "0002.json").write_bytes(good)
    (tmp_path / "0002.json.sha256").write_bytes(good_hash)
    with pytest.raises(StoreError, match="holds version 1; expected 2"):
        store.newest()


def test_writers_take_turns(tmp_path: Path) -> None:
    """Stores that save at the same moment get a version each, and every version is whole."""
    names = [f"Made-up election {n}" for n in range(12)]

    def save(name: str) -> int:
        return DefinitionStore(tmp_path).save(msgspec.structs.replace(SMALL, name=name))

    with ThreadPoolExecutor(len(names)) as pool:
        versions = dict(zip(pool.map(save, names), names, strict=True))
    store = DefinitionStore(tmp_path)
    assert store.versions() == tuple(sorted(versions)) == tuple(range(1, 13))
    assert {version: store.load(version).name for version in versions} == versions


def test_interrupted_writing_leaves_the_version_before(tmp_path: Path) -> None:
    """A draft and a hash without its version, left by a crash, are not a version and do not stop the next one."""
    store = DefinitionStore(tmp_path)
    store.save(SMALL)
    (tmp_path / "0002.json.sha256").write_text("0" * 64 + "  0002.json\n")
    (tmp_path / ".0002.json.draft").write_bytes(b"{")
    assert store.newest() == SMALL
    assert store.save(msgspec.structs.replace(SMALL, name="Other")) == 2
    assert store.load(2).name == "Other"
