"""``skrutinium verify ARCHIVE.zip``: a right archive agrees, whatever is changed in it is named, and no zip does harm."""

import asyncio
import contextlib
import csv
import hashlib
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skrutinium import Report, SkrutiniumError
from skrutinium.errors import DamagedError, NoSuchPlace
from skrutinium.sources import zipped
from skrutinium.verifying.archive import verify_archive
from skrutinium_server.archive.complete.making import archive_release
from skrutinium_server.archive.complete.tables import TABLES
from skrutinium_server.archive.complete.zipping import ZipWriter
from skrutinium_server.rehearsal.made_up import made_up_second_round
from tests.archive.night import Night, made_up
from tests.e2e.forging import Forger

Edit = Callable[[dict[str, bytes]], None]


def checked(path: Path, fingerprint: str | None = None) -> Report:
    """What ``verify`` finds in an archive."""
    return asyncio.run(verify_archive(path, fingerprint=fingerprint))


def codes(report: Report) -> set[str]:
    """Which checks found something."""
    return {one.code for one in report.differences}


def repacked(source: Path, target: Path, edit: Edit) -> Path:
    """The archive with other members; its own list of hashes is made anew, so that only what is signed can tell."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "SHA256SUMS"}
        comment = archive.comment.decode()
    edit(members)
    with ZipWriter(target, comment) as writer:
        for name, data in members.items():
            writer.add(name, data)
        writer.add_sums()
    return target


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a whole night, with its tables beside it."""
    folder = tmp_path_factory.mktemp("whole")
    night = Night(folder)
    night.whole()
    made = archive_release(night.store, night.key)
    (folder / "fingerprint").write_text(night.site.signer().fingerprint)
    (folder / "members").write_text(str(len(night.definition.polls)))
    shutil.copy(made.xml, folder / "results.zip")
    shutil.copy(made.csv, folder / "results-csv.zip")
    night.close()
    return folder / "results.zip"


@pytest.fixture
def alone(whole: Path, tmp_path: Path) -> Callable[[Edit], Report]:
    """Changes the archive and says what is found in it; the tables are left out."""

    def change(edit: Edit) -> Report:
        return checked(repacked(whole, tmp_path / "changed.zip", edit))

    return change


@pytest.fixture
def tables(whole: Path, tmp_path: Path) -> Callable[[Edit], Report]:
    """Changes the tables beside the archive and says what is found."""

    def change(edit: Edit) -> Report:
        shutil.copy(whole, tmp_path / "results.zip")
        repacked(whole.with_name("results-csv.zip"), tmp_path / "results-csv.zip", edit)
        return checked(tmp_path / "results.zip")

    return change


def test_whole_night_agrees(whole: Path) -> None:
    """Every document, protocol and row of a whole night is looked at and agrees; the key is the one on paper."""
    fingerprint = (whole.parent / "fingerprint").read_text()
    report = checked(whole, fingerprint)
    assert report.differences == []
    assert report.fingerprint == fingerprint
    assert report.counting == report.expected == int((whole.parent / "members").read_text())
    assert report.protocols == report.reread > report.counting  # some came twice
    assert report.decided > 0
    with zipfile.ZipFile(whole.with_name("results-csv.zip")) as archive:
        tables = [archive.read(f"{name}.csv").decode() for name in TABLES]
    assert report.rows == sum(len(list(csv.reader(io.StringIO(table, newline="")))) - 1 for table in tables)


@pytest.mark.parametrize("law", ["cz-municipal-2018", "cz-senate-2018"])
def test_every_stage_of_a_night_agrees(new_night: Callable[..., Night], law: str) -> None:
    """An archive agrees before the first protocol, in the middle without a checkpoint, and at the end."""
    night = new_night(made_up(law))
    numbers = [archive_release(night.store, night.key)]
    night.take(night.left // 2)
    night.cut(checkpoint=False)
    numbers.append(archive_release(night.store, night.key))
    night.take(night.left)
    night.cut(checkpoint=False)
    numbers.append(archive_release(night.store, night.key))
    for made in numbers:
        report = checked(made.xml)
        assert report.differences == []
        assert report.rows


def test_second_round_agrees(new_night: Callable[..., Night]) -> None:
    """What the first round ended with, in documents and tables of the second, agrees too."""
    night = new_night(made_up_second_round(made_up("cz-senate-2018"), 3))
    night.whole()
    report = checked(archive_release(night.store, night.key).xml)
    assert report.differences == []


def test_another_key_is_named(whole: Path) -> None:
    """With the fingerprint of another key on paper no signature is believed."""
    report = checked(whole, "ab" * 32)
    assert codes(report) == {"signature"}


def test_documents_cannot_be_changed(alone: Callable[[Edit], Report]) -> None:
    """A document that was changed, taken away, added or put under another name is named."""

    def other(members: dict[str, bytes]) -> None:
        members["event.xml"] = members["event.xml"].replace(b'votes="', b'votes="1')

    def gone(members: dict[str, bytes]) -> None:
        del members["summary.xml"]

    def added(members: dict[str, bytes]) -> None:
        members["precinct/new.xml"] = b"<precinct-results/>"

    assert codes(alone(other)) == {"object"}
    assert {(one.code, one.path) for one in alone(gone).differences} == {("object", "summary.xml")}
    assert {(one.code, one.path) for one in alone(added).differences} == {("archive", "precinct/new.xml")}


def test_what_is_signed_cannot_be_changed(alone: Callable[[Edit], Report]) -> None:
    """A manifest or checkpoint with one letter changed, or without its signature, is named."""

    def manifest(members: dict[str, bytes]) -> None:
        members["manifest.xml"] = members["manifest.xml"].replace(b'state="complete"', b'state="final"')

    def unsigned(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.startswith("signed/checkpoint") and name.endswith("sig"))
        del members[name]

    def broken_chain(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.startswith("signed/checkpoint") and name.endswith("xml"))
        members[name] = re.sub(rb' manifest="[0-9a-f]{4}', b' manifest="0000', members[name], count=1)

    def missing(members: dict[str, bytes]) -> None:
        for name in [one for one in members if one.startswith("signed/manifest")]:
            del members[name]

    assert {"signature", "chain"} <= codes(alone(manifest))
    assert codes(alone(unsigned)) == {"signature"}
    assert codes(alone(broken_chain)) == {"signature", "chain"}
    assert codes(alone(missing)) == {"number"}


def test_sums_of_the_zip_are_checked(whole: Path, tmp_path: Path) -> None:
    """A README that nobody signed cannot be changed without the list of hashes telling."""
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        comment = archive.comment.decode()
    members["README.txt"] += b"Everything is different.\n"
    with ZipWriter(tmp_path / "changed.zip", comment) as writer:
        for name, data in members.items():
            writer.add(name, data)
    report = checked(tmp_path / "changed.zip")
    assert {(one.code, one.path) for one in report.differences} == {("archive", "README.txt")}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("contest/", b' votes="', b' votes="1'),
        ("area/", b'<figure field="eligible" value="', b'<figure field="eligible" value="1'),
        ("event.xml", b' reported="', b' reported="1'),
        ("corrections/", b' reason="', b' reason="no '),
        ("precinct/", b'<figure field="issued" value="', b'<figure field="issued" value="1'),
    ],
)
def test_whoever_holds_the_key_cannot_forge_sums(
    new_night: Callable[..., Night], path: str, old: bytes, new: bytes
) -> None:
    """Numbers that the protocols do not add up to are found, also when they are signed by the right key."""
    night = new_night()
    night.whole()
    forger = Forger(night.store, night.site.root / "keys")
    number, name = max(
        (number, name)
        for number in range(1, forger.newest + 1)
        for name in forger.rows(number)
        if name.startswith(path) and old in forger.document(number, name)
    )
    forger.exchange({(number, name): forger.document(number, name).replace(old, new, 1)})
    report = checked(archive_release(night.store, night.key).xml)
    assert {one.path for one in report.differences if one.code in ("total", "correction")} == {name}


def test_tables_say_what_the_documents_say(tables: Callable[[Edit], Report]) -> None:
    """A cell that was changed, a row that is missing or too much, a column, a table: each is named, with its row."""

    def of(name: str, old: bytes, new: bytes) -> Edit:
        def edit(members: dict[str, bytes]) -> None:
            assert old in members[name]
            members[name] = members[name].replace(old, new, 1)

        return edit

    def cut(members: dict[str, bytes]) -> None:
        members["lists.csv"] = b"\r\n".join(members["lists.csv"].split(b"\r\n")[:-2]) + b"\r\n"

    def more(members: dict[str, bytes]) -> None:
        members["areas.csv"] += members["areas.csv"].splitlines(keepends=True)[-1]

    def without(members: dict[str, bytes]) -> None:
        del members["protocols.csv"]

    def garbled(members: dict[str, bytes]) -> None:
        members["contests.csv"] = b'contest,"kind\xff'

    def said(edit: Edit) -> tuple[str, str]:
        (one,) = tables(edit).differences
        assert one.code == "table"
        return one.path, one.what

    path, what = said(of("list_votes.csv", b",1,", b",7,"))
    assert (path, what.split(" (")[0].split(": ")[1]) == ("list_votes.csv", "list")
    assert "of contest/" in said(cut)[1]
    assert said(more)[1].endswith("of no document")
    assert said(of("events.csv", b"run,phase", b"phase,run")) == ("events.csv", "row 1: columns")
    assert said(without) == ("protocols.csv", "in the zip")
    assert said(garbled)[1] == "cannot be read"


def test_archive_alone_says_that_no_tables_were_compared(whole: Path, tmp_path: Path) -> None:
    """Without its tables an archive agrees, and it is said that they were not there."""
    shutil.copy(whole, tmp_path / "alone.zip")
    report = checked(tmp_path / "alone.zip")
    assert report.agrees
    assert any("alone-csv.zip" in note for note in report.notes)
    with pytest.raises(DamagedError, match="the one with the tables"):
        checked(whole.with_name("results-csv.zip"))


def written(
    path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A zip with these members, whatever their names."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("manifest.xml")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../outside", "not allowed"),
        ("/etc/passwd", "not allowed"),
        ("a\\b", "not allowed"),
        ("folder/", "not allowed"),
        ("x" * 9 + "/" * 2 + "y", "not allowed"),
        ("příloha", "not allowed"),
        (_link(), "no plain file"),
    ],
    ids=str,
)
def test_members_that_could_lead_elsewhere_are_refused(
    tmp_path: Path, name: str | zipfile.ZipInfo, said: str
) -> None:
    """A name with .., an absolute one, a link or a folder ends it before anything is read."""
    with pytest.raises(DamagedError, match=said):
        checked(written(tmp_path / "bad.zip", (name, b"data")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_of_other_kinds_are_refused(tmp_path: Path) -> None:
    """A member twice, one that is encrypted, one packed in another way: each is refused in words."""
    twice = written(tmp_path / "twice.zip", ("a", b"1"), ("a", b"2"))
    packed = written(tmp_path / "packed.zip", ("a", b"1" * 99), method=zipfile.ZIP_LZMA)
    secret = written(tmp_path / "secret.zip", ("a", b"1" * 99))
    data = bytearray(secret.read_bytes())
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(mark) + at] |= 1
    secret.write_bytes(data)
    for path, said in ((twice, "there twice"), (packed, "not read"), (secret, "encrypted")):
        with pytest.raises(DamagedError, match=said):
            checked(path)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would unpack to far more than it is, has too many members, or one too large, is refused by its directory."""
    bomb = written(tmp_path / "bomb.zip", ("a", bytes(50_000_000)))
    with pytest.raises(DamagedError, match="together are read"):
        checked(bomb)
    many = written(tmp_path / "many.zip", *((f"a/{number}", b"") for number in range(30)))
    monkeypatch.setattr(zipped, "MOST_MEMBERS", 29)
    with pytest.raises(DamagedError, match="30 members"):
        checked(many)
    monkeypatch.setattr(zipped, "LARGEST_MEMBER", 10)
    with pytest.raises(DamagedError, match="at most 10"):
        checked(written(tmp_path / "large.zip", ("a", b"12345678901")))


def test_sizes_that_lie_are_refused(tmp_path: Path) -> None:
    """A member that unpacks to other bytes than the directory says, and a directory that is said to be huge, are damage."""
    lie = bytearray(
        written(tmp_path / "lie.zip", ("manifest.xml", b"x" * 5000), ("SHA256SUMS", b"")).read_bytes()
    )
    at = lie.index(b"PK\x01\x02") + 24
    lie[at : at + 4] = struct.pack("<I", 100)
    (tmp_path / "lie.zip").write_bytes(lie)
    with (
        contextlib.closing(zipped.Zipped(tmp_path / "lie.zip")) as archive,
        pytest.raises(DamagedError, match=r"manifest\.xml cannot be unpacked"),
    ):
        archive.read("manifest.xml")
    end = lie.index(b"PK\x05\x06")
    lie[end + 12 : end + 16] = struct.pack("<I", 0xFFFFFFF0)
    (tmp_path / "huge.zip").write_bytes(lie)
    with pytest.raises(DamagedError, match="no whole zip"):
        checked(tmp_path / "huge.zip")


def test_files_that_are_no_zip_are_refused(whole: Path, tmp_path: Path) -> None:
    """Nothing, noise, half of an archive and a missing file each say what is wrong."""
    for name, data in {
        "empty": b"",
        "noise": hashlib.sha256(b"noise").digest() * 100,
        "half": whole.read_bytes()[: whole.stat().st_size // 2],
        "other": written(tmp_path / "other.zip", ("thesis.txt", b"years of work")).read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DamagedError):
            checked(tmp_path / name)
    with pytest.raises(NoSuchPlace):
        checked(tmp_path / "missing.zip")


def contents(path: Path) -> dict[str, bytes] | None:
    """What a zip holds; None when it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # noqa: BLE001 - the library raises what it likes for broken files
        return None


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), tail=st.booleans())
def test_no_flipped_bit_goes_unseen(whole: Path, tmp_path: Path, place: float, bit: int, tail: bool) -> None:
    """Whatever bit is flipped, an archive that still agrees still holds the same; anything else is an error in words."""
    data = bytearray(whole.read_bytes())
    start = len(data) - 8000 if tail else 0  # the directory is where a zip can be led astray
    data[start + int(place * (len(data) - start))] ^= 1 << bit
    path = tmp_path / "flipped.zip"
    path.write_bytes(data)
    try:
        agrees = checked(path).agrees
    except SkrutiniumError:
        return
    assert not agrees or contents(path) == contents(whole)


def test_command_tells_the_verdict_by_its_exit_code(whole: Path, tmp_path: Path) -> None:
    """0 for agreement, 1 for differences, 16 for a damaged file, 25 for none; JSON says the same."""
    start = [sys.executable, "-c", "from skrutinium.commands import main; main()", "verify"]
    run = partial(subprocess.run, capture_output=True, text=True, check=False, timeout=120)

    def removed(members: dict[str, bytes]) -> None:
        del members["event.xml"]

    changed = repacked(whole, tmp_path / "changed.zip", removed)
    (tmp_path / "half.zip").write_bytes(whole.read_bytes()[:1000])

    agrees = run([*start, str(whole)])
    differs = run([*start, "--json", str(changed)])
    assert (agrees.returncode, agrees.stderr) == (0, "")
    assert "rows of its tables" in agrees.stdout
    assert "AGREEMENT" in agrees.stdout
    assert differs.returncode == 1
    assert {one["path"] for one in json.loads(differs.stdout)["differences"]} == {"event.xml"}
    for path, code in ((tmp_path / "half.zip", 16), (tmp_path / "none.zip", 25)):
        done = run([*start, str(path)])
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("skrutinium: ")
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("law", "path", "old", "new", "what"),
    [
        ("cz-municipal-2018", "contest/", rb' seats="(\d+)"(/?>\n   <candidate)', rb' seats="9\1"\2', "seats of list"),
        ("cz-municipal-2018", "contest/", rb' elected="1" way="G"', b"", "elected of list"),
        ("cz-municipal-2018", "contest/", rb' passed="true"', b' passed="false"', "passed"),
        ("cz-municipal-2018", "contest/", rb'outcome="decided" threshold="5"', b'outcome="decided" threshold="4"', "threshold"),
        ("cz-municipal-2018", "contest/", rb'outcome="decided"', b'outcome="open"', "outcome"),
        ("cz-municipal-2018", "event.xml", rb' seats="(\d+)"', rb' seats="9\1"', "seats of committee"),
        ("cz-municipal-2018", "event.xml", rb' seats-decided="(\d+)"', rb' seats-decided="9\1"', "seats-decided"),
        ("cz-senate-2018", "event.xml", rb' decided="(\d+)"', rb' decided="9\1"', "decided"),
    ],
)  # fmt: skip
def test_seats_are_given_again(
    new_night: Callable[..., Night], law: str, path: str, old: bytes, new: bytes, what: str
) -> None:
    """Seats, thresholds, who is elected and who takes part follow from the protocols; whoever signs something else is found."""
    night = new_night(made_up(law))
    night.whole()
    forger = Forger(night.store, night.site.root / "keys")
    number, name = max(
        (number, name)
        for number in range(1, forger.newest + 1)
        for name in forger.rows(number)
        if name.startswith(path) and re.search(old, forger.document(number, name))
    )
    forger.exchange({(number, name): re.sub(old, new, forger.document(number, name), count=1)})
    report = checked(archive_release(night.store, night.key).xml)
    assert {one.path for one in report.differences} == {name}
    assert any(what in one.what for one in report.differences)
