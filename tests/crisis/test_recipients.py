"""The list of recipients: what it says, and how a fault in it is told."""

from pathlib import Path

import pytest

from skrutinium_server.crisis.errors import RecipientsError
from skrutinium_server.crisis.recipients import BASIC, read_recipients
from tests.contract.pages import blocks, named, rows, section, text

GOOD = """
[relay]
host = "relay.example"
security = "none"
[sender]
address = "results@organiser.example"
[[recipient]]
id = "radio"
name = "Radio Příklad"
address = "desk@radio.example"
"""


def write(folder: Path, told: str) -> Path:
    path = folder / "recipients.toml"
    path.write_text(told)
    return path


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    """A recipient with id, name and address gets the basic documents in English every ten minutes."""
    (one,) = read_recipients(write(tmp_path, GOOD)).recipient
    assert (one.documents, one.language, one.interval, one.releases) == (BASIC, "en", 600, "all")


def test_names_of_files_are_taken_as_beside_the_list(tmp_path: Path) -> None:
    """The list can be copied with its password to another machine."""
    more = 'user = "u"\npassword_file = "secret"\n[sender]'
    told = GOOD.replace('security = "none"\n[sender]', more)
    assert read_recipients(write(tmp_path, told)).relay.password_file == str(tmp_path / "secret")


@pytest.mark.parametrize(
    ("change", "place", "why"),
    [
        (("desk@radio.example", "desk@radio.example\\r\\nBCC: a@b.example"), "radio", "no e-mail address"),
        (("desk@radio.example", "desk"), "radio", "no e-mail address"),
        (("results@organiser.example", "nobody"), "[sender] address", "no e-mail address"),
        (("Radio Příklad", "Radio\\nBcc: a@b.example"), "radio", "control characters"),
        (('id = "radio"', 'id = "../radio"'), "../radio", "small letters"),
        (
            ('id = "radio"', 'id = "radio"\ndocuments = ["../../etc/passwd"]'),
            "radio",
            "no path of a document",
        ),
        (('id = "radio"', 'id = "radio"\ndocuments = []'), "radio", "no documents are agreed"),
        (('id = "radio"', 'id = "radio"\nareas = ["*"]'), "radio", "no id of an area"),
        (('id = "radio"', 'id = "radio"\ninterval = 1'), "interval", ">= 10"),
        (('id = "radio"', 'id = "radio"\nlimit = 50000000'), "limit", "<= 20000000"),
        (('id = "radio"', 'id = "radio"\nlanguage = "de"'), "language", "Invalid enum value 'de'"),
        (('id = "radio"', 'id = "radio"\ncolour = "red"'), "recipient", "unknown field `colour`"),
        (('host = "relay.example"', ""), "[relay] host", "no name of a host"),
        (
            ('security = "none"', 'security = "none"\nuser = "u"\npassword_file = "p"'),
            "[relay] security",
            "TLS",
        ),
        (('security = "none"', 'user = "u"'), "[relay] user", "belong together"),
        (
            ("[[recipient]]", '[watch]\naddress = "results.example"\n[[recipient]]'),
            "[watch] address",
            "no address",
        ),
        (("[sender]\n", '[sender]\ntimezone = "Mars/Olympus"\n'), "[sender] timezone", "no time zone"),
        ((GOOD, GOOD + GOOD[GOOD.index("[[recipient]]") :]), "recipient 2 ('radio')", "twice"),
        ((GOOD[GOOD.index("[[recipient]]") :], ""), "[[recipient]]", "nobody"),
        (("[relay]", "[relay"), "", "docs/crisis-mail.md"),
    ],
)
def test_faults_are_told_with_their_place(
    tmp_path: Path, change: tuple[str, str], place: str, why: str
) -> None:
    """The error names the file, where in it, and what is expected."""
    assert change[0] in GOOD
    path = write(tmp_path, GOOD.replace(*change, 1))
    with pytest.raises(RecipientsError) as told:
        read_recipients(path)
    assert str(path) in str(told.value)
    assert place in str(told.value)
    assert why in str(told.value)


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    """No file, a file too large and one that is no text are refused with their names."""
    with pytest.raises(RecipientsError, match=r"recipients\.toml.*No such file"):
        read_recipients(tmp_path / "recipients.toml")
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * 5_000_000)
    with pytest.raises(RecipientsError, match="more than"):
        read_recipients(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RecipientsError, match="utf-8"):
        read_recipients(path)


def test_the_page_shows_a_list_that_is_read(tmp_path: Path) -> None:
    """The example of the page is a good list, and its table names every setting with its default."""
    (shown,) = blocks("docs/crisis-mail.md", "toml")
    told = read_recipients(write(tmp_path, shown))
    assert len(told.recipient) == 2
    table = {named(row[0])[0] for row in rows(section(text("docs/crisis-mail.md"), "recipients.toml"))}
    one = told.recipient[0]
    parts = {"relay": told.relay, "sender": told.sender, "watch": told.watch, "recipient": one}
    assert table == {f"{name}.{field}" for name, part in parts.items() for field in part.__struct_fields__}
