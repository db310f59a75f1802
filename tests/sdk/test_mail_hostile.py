"""Mails made to harm: none raises, none takes long or much memory, and nothing counts that the publisher did not sign."""

import functools
import hashlib
import io
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium import NotYet
from skrutinium.sources.mail import pool as pools
from skrutinium.sources.mail.files import Letter, read_letter
from skrutinium.sources.mail.mime import LARGEST_MAIL, BrokenMail
from skrutinium.sources.mail.pool import Pool
from skrutinium.sources.mail.source import open_mail
from skrutinium.trust.signing import plain_fingerprint
from tests.sdk.mails import files_of, mail, message, zip_of
from tests.sdk.store_builder import SERIES, fingerprint, make_night
from tests.sdk.test_mail import THE_RUN


@functools.cache
def right() -> tuple[str, bytes, bytes, dict[str, bytes]]:
    """Fingerprint, a mail with a zip, one with single files, and the files: of one night."""
    with tempfile.TemporaryDirectory() as folder:
        night = make_night()
        night.write(Path(folder))
        zipped, single = (mail(Path(folder), range(1, 6), zipped=one) for one in (True, False))
        return fingerprint(night.key), zipped, single, files_of(Path(folder), range(1, 6))


def accepted(*mails: bytes) -> tuple[set[str], set[str]]:
    """Hashes of the manifests that count after these mails, and of the states."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(Path(folder))
        try:
            for number, data in enumerate(mails):
                pool.add(read_letter(data), f"mail {number}", (right()[0],))
                pool.settle((right()[0],))
            try:
                state = {hashlib.sha256(pool.state()).hexdigest()}
            except NotYet:
                state = set()
            return {one.sha256 for one in pool.releases(THE_RUN, SERIES)}, state
        finally:
            pool.close()


def signed() -> tuple[set[str], set[str]]:
    """Hashes of what the publisher signed."""
    files = right()[3]
    manifests = {
        hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name.startswith("manifest/") and name.endswith("xml")
    }
    return manifests, {hashlib.sha256(files["state.xml"]).hexdigest()}


def test_whole_mails_count() -> None:
    """Unharmed, both kinds of mail bring all releases and the state."""
    assert accepted(right()[1]) == accepted(right()[2]) == signed()


EDIT = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "delete", "double"]),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=40),
)


def edited(data: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    """The mail after some harm at places that are told as parts of its length."""
    for what, place, piece in edits:
        at = int(place * len(data))
        if what == "flip" and data:
            data = data[:at] + bytes([data[at] ^ piece[0]]) + data[at + 1 :]
        elif what == "cut":
            data = data[:at]
        elif what == "insert":
            data = data[:at] + piece + data[at:]
        elif what == "delete":
            data = data[:at] + data[at + len(piece) :]
        else:
            data = data[:at] + data[at : at + 200 * len(piece)] + data[at:]
    return data


@given(edits=st.lists(EDIT, min_size=1, max_size=6), zipped=st.booleans())
def test_harmed_mails_never_bring_what_is_not_signed(
    edits: list[tuple[str, float, bytes]], *, zipped: bool
) -> None:
    """However a mail was changed on its way, it never raises, and what counts is what the publisher signed, byte for byte."""
    manifests, states = accepted(edited(right()[1] if zipped else right()[2], edits))
    assert manifests <= signed()[0]
    assert states <= signed()[1]


@given(
    edits=st.lists(st.tuples(st.sampled_from(sorted(right()[3])), EDIT), min_size=1, max_size=8),
    zipped=st.booleans(),
)
def test_harmed_files_never_count(edits: list[tuple[str, tuple[str, float, bytes]]], *, zipped: bool) -> None:
    """Whatever is changed in files of a mail that is whole, what counts is what the publisher signed."""
    files = dict(right()[3])
    for name, edit in edits:
        files[name] = edited(files[name], [edit])
    manifests, states = accepted(message(files, zipped=zipped).as_bytes())
    assert manifests <= signed()[0]
    assert states <= signed()[1]


@given(data=st.binary(max_size=2000))
def test_any_bytes_are_read(data: bytes) -> None:
    """Bytes that are no mail at all, and such attachments, are read without an error."""
    assert isinstance(read_letter(data), Letter)
    wrapped = (
        b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: application/zip\n\nPK'
        + data
        + b"\n--x--"
    )
    assert read_letter(wrapped).manifests == ()


SLOW = {
    "a header of semicolons": b"Content-Type: multipart/mixed" + b";" * 15_000_000 + b"\n\n",
    "a short header of them": b"Content-Type: multipart/mixed" + b";" * 200_000 + b"\n\n",
    "a million parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 3_000_000,
    "nothing but boundaries": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"\n--b" * 4_500_000,
    "mails in mails": b"Content-Type: message/rfc822\n\n" * 500_000,
    "parts in parts": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 400_000,
    "folded for ever": b"Content-Type: multipart/mixed\n" + b" ;a\n" * 4_500_000,
    "empty lines": b"\n" * 19_000_000,
    "headers only": b"A: b\n" * 3_500_000,
    "quotes": b'Content-Type: multipart/mixed; boundary="' + b'\\"' * 9_000_000,
    "Base64 of nothing": b"Content-Transfer-Encoding: base64\nContent-Type: application/zip\n\n"
    + b"=" * 15_000_000,
    "an open comment": b"Content-Type: application/xml\n\n" + b"<!--" * 4_000_000,
    "blanks": b"Content-Type: application/xml\n\n" + b" " * 15_000_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_mails_made_to_take_long(name: str) -> None:
    """Mails that would hold up the usual parsers for hours are dealt with in a moment; the limit is far above it, and far below theirs."""
    began = time.process_time()
    read_letter(SLOW[name])
    assert time.process_time() - began < 30


def test_mail_that_is_too_large() -> None:
    """A mail over the limit is refused before it is looked at."""
    with pytest.raises(BrokenMail, match="at most"):
        read_letter(b"\n" * (LARGEST_MAIL + 1))


def attached(data: bytes) -> Letter:
    """What a mail with one zip, made of these bytes, brings."""
    made = message({}, zipped=False)
    made.add_attachment(data, maintype="application", subtype="zip", filename="results.zip")
    return read_letter(made.as_bytes())


def test_zip_bombs_are_not_unpacked() -> None:
    """A zip that unpacks to more than the limit, has too many members, or lies about sizes, brings nothing and is told."""
    assert "together are read" in attached(zip_of({"a.xml": bytes(65_000_000)})).troubles[0]
    assert "201 members" in attached(zip_of({f"{at}.xml": b"<a/>" for at in range(201)})).troubles[0]
    lie = bytearray(zip_of({"a.xml": b"<a>" * 1000}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = lie.rindex(signature) + offset
        lie[at : at + 4] = (7).to_bytes(4, "little")
    found = attached(bytes(lie))
    assert found.troubles
    assert found.objects == ()


def test_zips_together_stay_below_the_limit() -> None:
    """Many zips in one mail are bounded together as one is."""
    made = message({}, zipped=False)
    for number in range(4):
        noise = hashlib.shake_256(bytes([number])).digest(200_000)
        data = zip_of({f"{number}.xml": bytes(19_000_000) + noise})
        made.add_attachment(data, maintype="application", subtype="zip", filename=f"{number}.zip")
    found = read_letter(made.as_bytes())
    assert sum(map(len, found.objects)) <= 64_000_000
    assert "bytes of files" in found.troubles[0]


@pytest.mark.parametrize(
    "name", ["../event.xml", "/etc/event.xml", "a\\..\\event.xml", "C:/event.xml", "a//b", " "]
)
def test_zip_with_names_that_lead_astray(name: str) -> None:
    """A zip with such a member is refused as a whole."""
    data = zip_of({name.replace("\\", "/"): b"<a/>"})
    if "\\" in name:
        data = data.replace(name.replace("\\", "/").encode(), name.encode())
    assert attached(data).troubles
    assert attached(data).objects == ()


def test_zip_within_a_zip_is_only_a_file() -> None:
    """What lies in a zip within a zip is not looked for."""
    inner = zip_of(right()[3])
    found = attached(zip_of({"inner.zip": inner}))
    assert found.manifests == ()
    assert found.objects == (inner,)


def test_encrypted_zip_is_told() -> None:
    """A zip with a password is left aside and told."""
    data = bytearray(zip_of({"a.xml": b"<a/>"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(signature) + offset] |= 1
    assert "encrypted" in attached(bytes(data)).troubles[0]


def test_what_nobody_proves_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects that no trusted manifest names go when there are too many bytes of them, the oldest first; what is proven stays."""
    monkeypatch.setattr(pools, "MOST_UNPROVEN", 50_000)
    pool = Pool(tmp_path)
    pool.add(read_letter(right()[1]), "right", (right()[0],))
    pool.settle((right()[0],))
    for number in range(40):
        noise = hashlib.shake_256(bytes([number])).digest(10_000)
        pool.add(read_letter(message({"a.bin": noise}).as_bytes()), f"mail {number}", (right()[0],))
    assert (tmp_path / "pool.sqlite").stat().st_size < 1_000_000
    releases = pool.releases(THE_RUN, SERIES)
    assert {one.sha256 for one in releases} == signed()[0]
    for held in releases:
        event = next(row for row in pool.manifest(held).documents if row.path == "event.xml")
        assert hashlib.sha256(pool.object(event.sha256)).hexdigest() == event.sha256
    kept = [
        number
        for number in range(40)
        if pool.has(hashlib.sha256(hashlib.shake_256(bytes([number])).digest(10_000)).hexdigest())
    ]
    assert kept == list(range(40 - len(kept), 40))
    assert 0 < len(kept) < 6
    pool.close()


def test_very_many_lines_are_bounded() -> None:
    """Of a mail with thousands of signature lines and manifests no more pairs are made than can be checked in a moment."""
    line = b"ed25519 " + b"0" * 16 + b" " + b"A" * 86 + b"==\n"
    made = message({}, zipped=False)
    for number in range(30):
        files = {
            f"{number}-{each}.bin": line if each % 2 else b"<manifest>%d</manifest>" % each
            for each in range(200)
        }
        made.add_attachment(zip_of(files), maintype="application", subtype="zip", filename=f"{number}.zip")
    letter = read_letter(made.as_bytes())
    assert any("more than 4000 files" in one for one in letter.troubles)
    assert 0 < len(letter.manifests) <= 4000
    assert max(len(one.lines) for one in letter.manifests) <= 400


async def test_what_is_signed_stays_when_noise_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mails of others that come right after those of the publisher, more of them than is kept, do not push these out."""
    monkeypatch.setattr(pools, "MOST_UNPROVEN", 50_000)
    trusted, mail_of_publisher, *_ = right()
    (tmp_path / "1.eml").write_bytes(mail_of_publisher)
    for number in range(2, 5):
        noise = hashlib.shake_256(bytes([number])).digest(50_000)
        (tmp_path / f"{number}.eml").write_bytes(message({"a.bin": noise}).as_bytes())
    source = open_mail(f"eml:{tmp_path}", trusted=lambda: (plain_fingerprint(trusted),))
    try:
        await source.look()
        releases = await source.of_pool(lambda pool: pool.releases(THE_RUN, SERIES))
        assert {one.sha256 for one in releases} == signed()[0]
        event = next(
            row
            for row in await source.of_pool(lambda pool: pool.manifest(releases[-1]).documents)
            if row.path == "event.xml"
        )
        assert await source.of_pool(lambda pool: pool.has(event.sha256))
    finally:
        await source.close()


def test_zip_cut_off_anywhere_is_told() -> None:
    """A zip that was cut off on its way brings nothing, and that is told."""
    whole = zip_of(right()[3])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
    for size in range(10, len(whole), len(whole) // 20):
        found = attached(whole[:size])
        assert found.troubles
        assert found.manifests == ()


def test_troubles_are_bounded_and_counted(tmp_path: Path) -> None:
    """Of very many troubles the last ones are kept, each cut to a length, with the number of those before; taken, they are gone."""
    pool = Pool(tmp_path)
    try:
        for number in range(pools.MOST_TROUBLES + 7):
            pool.trouble(f"{number} {'x' * 100_000}")
        told = pool.troubles()
        assert told[0] == "7 more before these were set aside"
        assert [one.partition(" ")[0] for one in told[1:]] == [
            str(n) for n in range(7, pools.MOST_TROUBLES + 7)
        ]
        assert max(map(len, told)) <= 1000
        pool.trouble("one")
        assert pool.troubles() == ["one"]
    finally:
        pool.close()


def test_troubles_of_one_mail_are_counted() -> None:
    """Of a mail with very many files that are set aside the first ones are named and the rest is counted."""
    files = {f"{number}.zip": b"PK no zip" for number in range(50)}
    troubles = read_letter(message(files, zipped=False).as_bytes()).troubles
    assert len(troubles) == 21
    assert troubles[-1] == "and 30 more files set aside"
