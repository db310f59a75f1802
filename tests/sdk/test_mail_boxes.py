"""Maildir, mbox and .eml: what came since the last look, once; nothing of theirs is ever changed."""

import os
from pathlib import Path

import pytest

from skrutinium import NoSuchPlace
from skrutinium.sources.mail.boxes import Box as AnyBox
from skrutinium.sources.mail.boxes import Letters, Maildir, Mbox
from skrutinium.sources.mail.mime import LARGEST_MAIL
from skrutinium.sources.mail.places import box_of, guessed
from tests.sdk.mails import Box

ONE = b"From: a@example\nSubject: one\n\nFirst.\n"
TWO = b"From: b@example\nSubject: two\n\nSecond.\n>From here on.\n"


def looked(box: AnyBox) -> list[bytes | None]:
    """What a look finds."""
    return [found.data for found in box.look()]


def test_maildir_tells_each_mail_once(tmp_path: Path) -> None:
    """New mails are told once, also when a mail program moves them from new to cur and sets flags; tmp is not looked at."""
    box = Box(tmp_path)
    reading = Maildir(tmp_path)
    assert looked(reading) == []
    path = box.deliver(ONE)
    (tmp_path / "tmp" / "1.half.host").write_bytes(b"half")
    assert looked(reading) == [ONE]
    path.rename(tmp_path / "cur" / f"{path.name}:2,S")
    assert looked(reading) == []
    (tmp_path / "cur" / "9.moved.host:2,RS").write_bytes(TWO)
    assert looked(reading) == [TWO]
    assert sorted(one.name for one in (tmp_path / "cur").iterdir()) == [
        f"{path.name}:2,S",
        "9.moved.host:2,RS",
    ]


def test_maildir_with_strange_files(tmp_path: Path) -> None:
    """What is no plain file, cannot be read or is too large is told, and the mails beside it are read."""
    box = Box(tmp_path)
    os.mkfifo(tmp_path / "new" / "1.pipe")
    with (tmp_path / "new" / "2.large").open("wb") as file:
        file.truncate(LARGEST_MAIL + 1)
    (tmp_path / "new" / "3.folder").mkdir()
    box.deliver(ONE)
    found = {one.name: one for one in Maildir(tmp_path).look()}
    assert [one.trouble for one in found.values() if one.data is None] == [
        "is no plain file",
        f"has {LARGEST_MAIL + 1} bytes; at most {LARGEST_MAIL} are read",
        "is no plain file",
    ]
    assert ONE in [one.data for one in found.values()]


@pytest.mark.parametrize("kind", ["maildir", "eml"])
def test_mail_that_could_not_be_read_is_tried_again(tmp_path: Path, kind: str) -> None:
    """An error of the disk is told once, does not keep the other mails back, and the mail is read when it has passed."""
    folder = Box(tmp_path).path / "new" if kind == "maildir" else tmp_path
    box: AnyBox = Maildir(tmp_path) if kind == "maildir" else Letters(tmp_path)
    broken = folder / "1.eml"
    broken.symlink_to(broken)  # the system refuses to open what leads to itself
    (folder / "2.eml").write_bytes(TWO)
    first, second = box.look()
    assert (first.data, second.data) == (None, TWO)
    assert first.trouble.startswith("cannot be read: ")
    assert looked(box) == []
    broken.unlink()
    broken.write_bytes(ONE)
    assert looked(box) == [ONE]
    assert looked(box) == []


def test_mbox_grows(tmp_path: Path) -> None:
    """Mails that are added are told; the last one is told again while it grows, since it may have been cut off."""
    path = tmp_path / "inbox"
    path.write_bytes(b"From a@example Sat Oct  5 20:00:00 2030\n" + ONE + b"\n")
    box = Mbox(path)
    assert looked(box) == [ONE + b"\n"]
    assert looked(box) == []
    with path.open("ab") as file:
        file.write(b"From b@example Sat Oct  5 20:01:00 2030\n" + TWO[:30])
    assert looked(box) == [ONE + b"\n", TWO[:30]]
    with path.open("ab") as file:
        file.write(TWO[30:])
    assert looked(box) == [TWO.replace(b">From", b"From")]


def test_mbox_that_is_rewritten(tmp_path: Path) -> None:
    """When mails were taken out of an mbox it is read from its beginning."""
    path = tmp_path / "inbox"
    line = b"From a@example Sat Oct  5 20:00:00 2030\n"
    path.write_bytes(line + ONE + b"\n" + line + ONE + b"\n" + line + TWO)
    box = Mbox(path)
    assert len(looked(box)) == 3
    path.write_bytes(line + TWO)
    assert looked(box) == [TWO.replace(b">From", b"From")]


def test_mbox_with_a_mail_that_is_too_large(tmp_path: Path) -> None:
    """A mail over the limit is told and passed over; the next one is read."""
    path = tmp_path / "inbox"
    line = b"From a@example Sat Oct  5 20:00:00 2030\n"
    with path.open("wb") as file:
        file.write(line + b"Subject: large\n\n")
        file.write((b"x" * 1023 + b"\n") * (LARGEST_MAIL // 1024 + 2))
        file.write(b"\n" + line + ONE)
    found = list(Mbox(path).look())
    assert [one.data for one in found] == [None, ONE]
    assert "at most" in found[0].trouble


def test_what_is_no_mbox(tmp_path: Path) -> None:
    """A file that does not begin as an mbox is refused in words."""
    (tmp_path / "text").write_text("A text.\n")
    with pytest.raises(NoSuchPlace, match="is no mbox"):
        looked(Mbox(tmp_path / "text"))


def test_letters_in_a_folder(tmp_path: Path) -> None:
    """Files .eml are told once, again when they were written anew, and other files never."""
    (tmp_path / "one.eml").write_bytes(ONE)
    (tmp_path / "note.txt").write_bytes(b"no mail")
    box = Letters(tmp_path)
    assert looked(box) == [ONE]
    assert looked(box) == []
    (tmp_path / "two.EML").write_bytes(TWO)
    assert looked(box) == [TWO]
    (tmp_path / "one.eml").write_bytes(ONE + b"more")
    assert looked(box) == [ONE + b"more"]
    assert looked(Letters(tmp_path / "two.EML")) == [TWO]


@pytest.mark.parametrize("kind", ["maildir", "mbox", "eml"])
def test_place_that_is_not_there(tmp_path: Path, kind: str) -> None:
    """A place that is not there is told as such, in our own words."""
    with pytest.raises(NoSuchPlace):
        looked(box_of(f"{kind}:{tmp_path / 'none'}"))


def test_places_are_guessed_by_what_lies_there(tmp_path: Path) -> None:
    """A plain path is a Maildir, an mbox, a folder of mails or one mail, by what is there."""
    Box(tmp_path / "maildir")
    (tmp_path / "mbox").write_bytes(b"From a@example\n" + ONE)
    (tmp_path / "one.eml").write_bytes(ONE)
    (tmp_path / "letters").mkdir()
    kinds = {"maildir": "maildir", "mbox": "mbox", "one.eml": "eml", "letters": "eml"}
    assert {name: guessed(str(tmp_path / name)) for name in kinds} == {
        name: f"{kind}:{tmp_path / name}" for name, kind in kinds.items()
    }
    assert guessed("imaps://desk@mail.example") == "imaps://desk@mail.example"
    with pytest.raises(NoSuchPlace):
        guessed(str(tmp_path / "nothing"))
