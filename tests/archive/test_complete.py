"""The complete archive: everything is in it, it checks itself, and its tables add up to the published totals."""

import csv
import hashlib
import io
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from skrutinium.verifying import tables as verifying_tables
from skrutinium_server.archive.cells import safe
from skrutinium_server.archive.complete.making import archive_release
from skrutinium_server.archive.complete.tables import READERS, TABLES
from skrutinium_server.archive.errors import NothingToArchive
from skrutinium_server.archive.reading import parse
from skrutinium_server.release.store.archives import ArchiveLayout, read_newest_archive
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import read_public_key, signature_holds
from tests.archive.night import Night, made_up

ROOT = Path(__file__).parents[2]


def rows(path: Path, table: str) -> list[dict[str, str]]:
    """The rows of one table."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(f"{table}.csv").decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_archive_holds_every_document_and_checks_itself(night: Night, tmp_path: Path) -> None:
    """Every document of the snapshot lies under its path, `sha256sum --check` is content, and the signature holds."""
    night.whole()
    made = archive_release(night.store, night.key)
    reader = StoreReader(night.store)
    with zipfile.ZipFile(made.xml) as archive:
        archive.extractall(tmp_path / "out")
        assert b"phase=rehearsal release=3" in archive.comment
    for path, row in reader.snapshot(night.key, 3).items():
        data = (tmp_path / "out" / path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row.sha256
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "out", check=True
    )
    (key,) = (tmp_path / "out" / "keys").glob("*.pem")
    public = read_public_key(key.read_bytes())
    signed = tmp_path / "out" / "signed"
    listed = set()
    for line in signed.glob("*.sig"):
        data = line.with_suffix("").read_bytes()
        assert signature_holds(public, data, line.read_bytes())
        listed |= {one.attrib["sha256"] for one in etree.fromstring(data).iter("{*}document")}
    assert listed >= {row.sha256 for row in reader.snapshot(night.key, 3).values()}
    assert "REHEARSAL" in (tmp_path / "out" / "README.txt").read_text("utf-8")
    assert (tmp_path / "out" / "xsd" / "skrutinium" / "1.0" / "skrutinium.xsd").is_file()


def test_same_release_same_bytes(night: Night) -> None:
    """Made again, also when later releases exist, an archive has the same bytes; `newest` never goes back."""
    night.take(5)
    night.cut(checkpoint=False)
    first = archive_release(night.store, night.key, 2)
    before = first.xml.read_bytes(), first.csv.read_bytes()
    night.whole()
    last = archive_release(night.store, night.key)
    again = archive_release(night.store, night.key, 2)
    assert (again.xml.read_bytes(), again.csv.read_bytes()) == before
    newest = read_newest_archive(ArchiveLayout(night.store, night.key))
    assert newest is not None
    assert newest.number == last.number == 4
    assert newest.xml_sha256 == hashlib.sha256(last.xml.read_bytes()).hexdigest()
    assert newest.csv_sha256 == hashlib.sha256(last.csv.read_bytes()).hexdigest()


def test_precinct_rows_add_up_to_the_contests(night: Night) -> None:
    """Votes of lists and candidates and the protocol figures, added up by precinct, are the totals of the districts."""
    night.whole()
    made = archive_release(night.store, night.key)
    lists: Counter[tuple[str, str]] = Counter()
    for row in rows(made.csv, "list_votes"):
        lists[row["district"], row["list"]] += int(row["votes"])
    told = {(row["district"], row["list"]): int(row["votes"]) for row in rows(made.csv, "lists")}
    assert told
    assert told == {key: lists[key] for key in told}
    assert lists.keys() <= told.keys()
    candidates: Counter[tuple[str, str, str]] = Counter()
    for row in rows(made.csv, "candidate_votes"):
        candidates[row["district"], row["list"], row["candidate"]] += int(row["votes"])
    named = [row for row in rows(made.csv, "candidates") if row["votes"]]
    assert len(named) > 100
    for row in named:
        assert candidates[row["district"], row["list"], row["candidate"]] == int(row["votes"])
    district = {(row["precinct"], row["contest"]): row["district"] for row in rows(made.csv, "protocols")}
    figures: Counter[tuple[str, str]] = Counter()
    for row in rows(made.csv, "protocol_figures"):
        figures[district[row["precinct"], row["contest"]], row["field"]] += int(row["value"])
    totals = {
        (row["district"], row["field"]): int(row["value"]) for row in rows(made.csv, "district_figures")
    }
    assert figures == totals


def test_what_is_out_is_awaited_and_not_zero(night: Night) -> None:
    """Before anything is reported every poll is awaited, and no votes, seats or figures are told."""
    made = archive_release(night.store, night.key)
    protocols = rows(made.csv, "protocols")
    assert len(protocols) == len(night.definition.polls)
    assert {row["reporting"] for row in protocols} == {"awaited"}
    assert {row["votes"] for row in rows(made.csv, "lists")} == {""}
    assert rows(made.csv, "list_votes") == rows(made.csv, "district_figures") == []


def test_corrections_are_told_number_by_number(night: Night) -> None:
    """The table of corrections names old and new value, reason and authority of every change in the documents."""
    night.whole()
    made = archive_release(night.store, night.key)
    changed = [row for row in rows(made.csv, "corrections") if row["old"] != row["new"]]
    assert changed
    assert all(row["reason"] and row["authority"] and row["supersedes"] for row in changed)


def test_tables_are_read_by_others_as_they_are_written() -> None:
    """For every sample, questions and first rounds too, the server writes the rows that `skrutinium verify` expects."""
    tables = set()
    for path in sorted((ROOT / "samples/skrutinium/1.0/valid").glob("*.xml")):
        root = parse(path.name, path.read_bytes())
        read = READERS.get(etree.QName(root).localname)
        written = [] if read is None else [(name, [safe(cell) for cell in row]) for name, row in read(root)]
        expected = [(name, [safe(cell) for cell in row]) for name, row in verifying_tables.rows(root)]
        assert written == expected, path
        tables |= {name for name, _ in written}
    assert tables == set(TABLES)
    assert verifying_tables.COLUMNS == TABLES


def test_no_cell_is_a_formula(new_night: Callable[..., Night]) -> None:
    """A name that a spreadsheet would run is written as text; numbers stay as they are."""
    definition = made_up()
    lists = tuple(msgspec.structs.replace(one, name="=HYPERLINK(A1)") for one in definition.lists)
    night = new_night(msgspec.structs.replace(definition, lists=lists))
    made = archive_release(night.store, night.key)
    assert {row["name"] for row in rows(made.csv, "lists")} == {"'=HYPERLINK(A1)"}
    assert [safe(cell) for cell in (None, 0, 12, "-1", "+a", "@a", "\ta", "a=b")] == [
        *("", "0", "12", "'-1", "'+a", "'@a", "'\ta", "a=b")
    ]


def test_no_such_release_is_refused(night: Night) -> None:
    """A number beyond the newest names those there are."""
    with pytest.raises(NothingToArchive, match="known: 1 to 1"):
        archive_release(night.store, night.key, 7)


def test_damaged_store_leaves_no_archive(night: Night) -> None:
    """A document that is not what its name says ends the archive with its path, and nothing is left behind."""
    row = StoreReader(night.store).snapshot(night.key, 1)["event.xml"]
    path = StoreReader(night.store).layout.object(row.sha256)
    path.write_bytes(b"nonsense")
    with pytest.raises(StoreDamaged, match=row.sha256):
        archive_release(night.store, night.key)
    assert list(ArchiveLayout(night.store, night.key).folder.iterdir()) == []
