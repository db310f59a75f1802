"""``verify`` finds nothing in a right night, and names exactly what is wrong in a wrong one."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from skrutinium import Report, open_source, verify
from tests.sdk.store_builder import NIGHT, Night, Sent, fingerprint, make_night, sign


async def checked(root: Path, pinned: str | None = None) -> Report:
    async with open_source(str(root)) as source:
        return await verify(source, fingerprint=pinned)


def found(report: Report) -> set[tuple[str, int | None, str]]:
    return {(one.code, one.release, one.path) for one in report.differences}


async def test_right_night(tmp_path: Path) -> None:
    """A right night agrees, with everything looked at."""
    night = make_night()
    night.write(tmp_path)

    report = await checked(tmp_path, fingerprint(night.key))

    assert report.differences == []
    assert (report.releases, report.protocols, report.counting, report.expected) == (5, 8, 6, 6)
    assert report.reread == 8
    assert report.documents == sum(len(one.documents) for one in night.releases)
    assert json.loads(json.dumps(report.as_json()))["agrees"] is True


async def differences(night: Night, root: Path) -> set[tuple[str, int | None, str]]:
    night.write(root)
    return found(await checked(root))


async def test_one_vote_in_a_contest(tmp_path: Path) -> None:
    """One vote altered in a published contest, everything signed anew: that total is named."""
    night = make_night()
    night.change(
        2,
        "contest/100.xml",
        '<list number="1" committee="7" name="List 1" votes="80">',
        '<list number="1" committee="7" name="List 1" votes="81">',
    )

    assert await differences(night, tmp_path) == {("total", 2, "contest/100.xml")}


async def test_one_vote_in_the_event(tmp_path: Path) -> None:
    """One vote of one committee altered in the national table: that row is named with both values."""
    night = make_night()
    night.change(2, "event.xml", 'name="Committee 7" votes="90"', 'name="Committee 7" votes="91"')
    night.write(tmp_path)

    (difference,) = (await checked(tmp_path)).differences

    assert (difference.code, difference.path) == ("total", "event.xml")
    assert "committee 7" in difference.what
    assert (difference.published, difference.recomputed) == ("91", "90")


async def test_unknown_committee_row(tmp_path: Path) -> None:
    """Votes of lists whose committee is not known have a row of their own, and it is added up too."""
    night = make_night()
    night.change(2, "area/10.xml", '<committee votes="37"/>', '<committee votes="36"/>')

    assert await differences(night, tmp_path) == {("total", 2, "area/10.xml")}


async def test_one_vote_of_a_candidate(tmp_path: Path) -> None:
    """One vote of one candidate altered: that document is named."""
    night = make_night()
    night.change(
        5,
        "contest/100.xml",
        '<candidate number="2" family-name="Candidate" votes="46"/>',
        '<candidate number="2" family-name="Candidate" votes="45"/>',
    )

    assert await differences(night, tmp_path) == {("total", 5, "contest/100.xml")}


async def test_one_byte_of_an_object(tmp_path: Path) -> None:
    """One byte of a stored object altered: that document is named, and nothing else."""
    night = make_night()
    night.write(tmp_path)
    data = night.releases[1].documents["contest/200.xml"]
    digest = hashlib.sha256(data).hexdigest()
    path = tmp_path / "objects" / digest[:2] / digest[2:4] / f"{digest}.gz"
    path.write_bytes(gzip.compress(data.replace(b"District", b"Distract", 1), mtime=0))

    assert found(await checked(tmp_path)) == {("object", 2, "contest/200.xml")}


async def test_one_byte_of_a_compressed_object(tmp_path: Path) -> None:
    """A raw byte flipped inside the gzip file is noticed as well."""
    night = make_night()
    night.write(tmp_path)
    digest = hashlib.sha256(night.releases[1].documents["event.xml"]).hexdigest()
    path = tmp_path / "objects" / digest[:2] / digest[2:4] / f"{digest}.gz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    assert found(await checked(tmp_path)) == {("object", 2, "event.xml")}


async def test_one_byte_of_a_pack(tmp_path: Path) -> None:
    """A pack that holds something else than the release is named."""
    written = make_night().write(tmp_path)
    path = written.series / "pack" / "000000003.tar.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"District", b"Distract", 1)))

    assert found(await checked(tmp_path)) == {("pack", 3, "pack/3")}


async def test_truncated_pack(tmp_path: Path) -> None:
    """A pack that is cut off is named."""
    written = make_night().write(tmp_path)
    path = written.series / "pack" / "000000003.tar.gz"
    path.write_bytes(path.read_bytes()[:-20])

    assert found(await checked(tmp_path)) == {("pack", 3, "pack/3")}


async def test_one_signature(tmp_path: Path) -> None:
    """A manifest's signature that does not hold is named."""
    night = make_night()
    written = night.write(tmp_path)
    path = written.series / "manifest" / "000000003.xml.sig"
    path.write_bytes(sign(night.key, b"something else"))

    report = await checked(tmp_path)

    assert ("signature", 3, "manifest.xml.sig") in found(report)
    assert {one.code for one in report.differences} <= {"signature", "pack"}


async def test_another_key(tmp_path: Path) -> None:
    """A night signed by another key than the one on paper does not agree."""
    make_night().write(tmp_path)

    report = await checked(tmp_path, fingerprint(make_night().key))

    assert {one.code for one in report.differences} >= {"state", "signature"}


async def test_one_release_number(tmp_path: Path) -> None:
    """A release with another number in it, signed anew, is named."""
    night = make_night()
    night.releases[2].number = 4

    codes = await differences(night, tmp_path)

    assert ("number", 3, "manifest.xml") in codes


async def test_a_release_that_is_missing(tmp_path: Path) -> None:
    """A release that was taken out of the store is named."""
    written = make_night().write(tmp_path)
    (written.series / "manifest" / "000000003.xml").unlink()

    assert ("number", 3, "") in found(await checked(tmp_path))


async def test_a_broken_chain(tmp_path: Path) -> None:
    """A release that was exchanged for another one, rightly signed, breaks the chain."""
    night = make_night()
    written = night.write(tmp_path)
    path = written.series / "manifest" / "000000003.xml"
    manifest = path.read_bytes().replace(b'ledger="aa', b'ledger="ab')
    path.write_bytes(manifest)
    path.with_name(path.name + ".sig").write_bytes(sign(night.key, manifest))
    (written.series / "pack" / "000000003.tar.gz").unlink()

    assert found(await checked(tmp_path)) == {("chain", 4, "manifest.xml")}


async def test_one_protocol(tmp_path: Path) -> None:
    """A protocol altered in the batch, with everything signed anew, differs from its own bytes and from the totals."""
    night = make_night()
    night.change(2, "batch/2.xml", '<list number="2" votes="20">', '<list number="2" votes="21">')
    night.write(tmp_path)

    report = await checked(tmp_path)

    assert ("protocol", 2, "batch/2.xml") in found(report)
    first = next(one for one in report.differences if one.code == "protocol")
    assert "precinct 201-1, contest 200: votes of list 2" in first.what
    assert (first.published, first.recomputed) == ("21", "20")


async def test_bytes_taken_over(tmp_path: Path) -> None:
    """Bytes that are not those whose hash was published are named."""
    night = make_night()
    sha256 = hashlib.sha256(NIGHT[1][1].bytes()).hexdigest()
    night.change(2, "batch/2.xml", sha256, "0" * 64)

    assert ("taken-over", 2, "batch/2.xml") in await differences(night, tmp_path)


async def test_correction_left_out(tmp_path: Path) -> None:
    """A protocol that was replaced without a correction record is named."""
    night = make_night()
    del night.releases[2].documents["corrections/3.xml"]

    assert await differences(night, tmp_path) == {("correction", 3, "corrections/3.xml")}


async def test_wrong_correction(tmp_path: Path) -> None:
    """A correction that tells another old value than was published is named."""
    night = make_night()
    night.change(3, "corrections/3.xml", 'list="2" old="61"', 'list="2" old="60"')

    assert await differences(night, tmp_path) == {("correction", 3, "corrections/3.xml")}


@pytest.mark.parametrize(
    ("number", "path", "old", "new", "code"),
    [
        (3, "corrections/3.xml", 'authority="source"', 'authority="nobody"', "correction"),
        (3, "corrections/3.xml", 'reason="source-resend"', 'reason="recount"', "correction"),
        (
            3,
            "precinct/100-1.xml",
            'established="2026-10-10T13:04:02Z',
            'established="2026-10-10T13:04:03Z',
            "total",
        ),
        (2, "contest/100.xml", ' state="interim"', ' state="complete"', "total"),
        (2, "area/10.xml", ' state="interim"', ' state="complete"', "total"),
        (2, "event.xml", ' state="interim"', ' state="complete"', "total"),
        (2, "event.xml", "T15:02:00Z", "T15:03:00Z", "stamp"),
    ],
)
async def test_what_stands_beside_the_numbers(
    tmp_path: Path, number: int, path: str, old: str, new: str, code: str
) -> None:
    """Whose change it was, when a protocol was established, how final a unit is and when it was cut are checked too."""
    night = make_night()
    night.change(number, path, old, new)

    assert (code, number, path) in await differences(night, tmp_path)


async def test_document_left_out(tmp_path: Path) -> None:
    """A total that changed, but was not published again, is named."""
    night = make_night()
    del night.releases[1].documents["contest/200.xml"]

    assert ("missing", 2, "contest/200.xml") in await differences(night, tmp_path)


async def test_document_of_another_phase(tmp_path: Path) -> None:
    """A document of another phase than its release is named."""
    night = make_night()
    night.change(2, "event.xml", 'phase="rehearsal"', 'phase="live"')

    assert await differences(night, tmp_path) == {("stamp", 2, "event.xml")}


async def test_document_against_its_schema(tmp_path: Path) -> None:
    """A document that is not valid is named with the reason."""
    night = make_night()
    night.change(2, "precinct/100-1.xml", 'number="1" kind="permanent"', 'number="one" kind="permanent"')

    assert await differences(night, tmp_path) == {("schema", 2, "precinct/100-1.xml")}


async def test_doctype(tmp_path: Path) -> None:
    """A document with a DOCTYPE is refused before anything in it is read."""
    night = make_night()
    night.change(
        2,
        "event.xml",
        "<event-results",
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><event-results',
    )
    night.write(tmp_path)

    (difference,) = (await checked(tmp_path)).differences

    assert (difference.code, difference.path) == ("schema", "event.xml")
    assert "DOCTYPE" in difference.published


async def test_wrong_checkpoint(tmp_path: Path) -> None:
    """A checkpoint that is not what the releases lead to is named."""
    night = make_night()
    written = night.write(tmp_path)
    path = written.series / "checkpoint" / "000000002.xml.gz"
    data = gzip.decompress(path.read_bytes()).replace(b'path="event.xml" size="', b'path="event.xml" size="1')
    path.write_bytes(gzip.compress(data))
    path.with_name("000000002.xml.sig").write_bytes(sign(night.key, data))

    assert found(await checked(tmp_path)) == {("checkpoint", 2, "checkpoint/2.xml")}


async def test_late_older_protocol_that_counts(tmp_path: Path) -> None:
    """A night in which an older version replaced a newer one does not agree: the highest sequence counts."""
    protocols = ((), (Sent("100-1", "100", 5, (10, 0, 0)),), (Sent("100-1", "100", 4, (90, 0, 0)),))
    night = make_night(protocols)
    wrong = make_night(((), (Sent("100-1", "100", 5, (10, 0, 0)),), (Sent("100-1", "100", 6, (90, 0, 0)),)))
    night.releases[2].documents["contest/100.xml"] = wrong.releases[2].documents["contest/100.xml"]

    assert await differences(night, tmp_path) == {("total", 3, "contest/100.xml")}


async def test_missing_checkpoint(tmp_path: Path) -> None:
    """A checkpoint that is missing is named; only the newest one may still be on its way."""
    written = make_night().write(tmp_path)
    names = sorted((written.series / "checkpoint").glob("*.xml.gz"))
    names[-1].unlink()
    report = await checked(tmp_path)
    assert report.agrees
    assert any("is not there yet" in note for note in report.notes)
    names[0].unlink()
    assert found(await checked(tmp_path)) == {("checkpoint", 2, "checkpoint/2.xml")}


async def test_changed_list_name(tmp_path: Path) -> None:
    """A list that has another name than in the release before: the document is named."""
    night = make_night()
    night.change(5, "contest/100.xml", 'committee="7" name="List 1"', 'committee="7" name="List One"')

    assert await differences(night, tmp_path) == {("structure", 5, "contest/100.xml")}


async def test_contests_of_a_kind(tmp_path: Path) -> None:
    """How many contests of a kind there are is counted again; and it is fixed in a run."""
    night = make_night()
    night.change(2, "event.xml", 'id="municipal-council" contests="2"', 'id="municipal-council" contests="3"')

    told = await differences(night, tmp_path)

    assert ("total", 2, "event.xml") in told
    assert {path for _, _, path in told} == {"event.xml"}
