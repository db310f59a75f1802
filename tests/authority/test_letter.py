"""The access letter: what it says, in each form and language, and what stops it."""

import datetime
import email
import email.policy
import email.utils
import re
from email.header import decode_header, make_header
from pathlib import Path

import msgspec
import pypdf
import pytest

from skrutinium_server.authority.errors import LetterError
from skrutinium_server.authority.letter import SiteFacts
from skrutinium_server.authority.letter_pdf import load_faces
from skrutinium_server.authority.letter_wording import WORDINGS
from skrutinium_server.authority.letters import newest, write_letter
from skrutinium_server.authority.model import Approved, Decision, Pending, Registration, Revoked, Subscriber
from skrutinium_server.authority.settings import LetterSettings
from tests.authority.made import START

NAME = "Rádio Příšerně žluťoučký kůň, Łódź i Gdańsk"
SAID = Subscriber(
    Registration(
        "radio-zlin",
        NAME,
        "vysledky@radio.example",
        "+420 222 111 333",
        ("192.0.2.0/28", "2001:db8:77::/48"),
        ("198.51.100.7/32",),
        ("kv2030",),
        datetime.datetime(2030, 12, 31, 12, tzinfo=datetime.UTC),
    ),
    START,
    None,
    Approved(Decision(START, "novakova")),
)
FACTS = SiteFacts(
    " ".join(f"{number:04x}" for number in range(16)),
    ("kv2030", "se2030"),
    {"kv2030": ("Rehearsal, 2030-09-20 18:00",), "se2030": ("Not theirs",)},
)
SETTINGS = LetterSettings(
    timezone="Europe/Prague",
    organisation="Office of Example Elections",
    sender="results@office.example",
    addresses=("https://results.example/", "https://second.example"),
    contacts=("Service desk: +420 222 000 000",),
)
FACTS_TOLD = (
    "vysledky@radio.example",
    "+420 222 111 333",
    "192.0.2.0/28",
    "2001:db8:77::/48",
    "198.51.100.7",
    "kv2030",
    "2030-12-31 13:00 CET",
    "https://results.example",
    "https://second.example",
    "https://results.example/access",
    "https://results.example/event/kv2030/registers/newest/bundle.zip",
    "0000 0001 0002 0003 0004 0005 0006 0007",
    "0008 0009 000a 000b 000c 000d 000e 000f",
    "Rehearsal, 2030-09-20 18:00",
    "Service desk: +420 222 000 000",
    "Office of Example Elections",
    "radio-zlin/0001",
)


def blank(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def forms(path: Path) -> tuple[str, str, email.message.EmailMessage]:
    """Text, text of the PDF, and the mail, of one letter."""
    pdf = pypdf.PdfReader(path.with_suffix(".pdf"))
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(mail, email.message.EmailMessage)
    return (
        blank(path.with_suffix(".txt").read_text("utf-8")),
        blank(" ".join(page.extract_text() for page in pdf.pages)),
        mail,
    )


def mailboxes(path: Path, header: str) -> list[tuple[str, str]]:
    """Names and addresses of a header. Encoded words are joined as RFC 2047 has it, which the newer policies do not do."""
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    found = email.utils.getaddresses([str(mail[header])])
    return [(str(make_header(decode_header(name))), address) for name, address in found]


@pytest.mark.parametrize("language", ["en", "cs"])
def test_letter_says_everything_in_every_form(language: str, tmp_path: Path) -> None:
    """Text, PDF and mail hold every fact, the name with all its letters, and the rule of the test range."""
    settings = msgspec.structs.replace(SETTINGS, language=language)
    path = write_letter(tmp_path, SAID, FACTS, settings, START)
    text, pdf, mail = forms(path)
    told = (*FACTS_TOLD, NAME, WORDINGS[language].test_rule_text, WORDINGS[language].fingerprint_use)
    assert [fact for fact in told if fact not in text] == []
    assert [fact for fact in told if fact not in pdf] == []
    assert "Not theirs" not in text + pdf
    body = mail.get_body(("plain",))
    assert body is not None
    assert blank(body.get_content()) == text
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == "radio-zlin-0001.pdf"
    assert attached.get_content() == path.with_suffix(".pdf").read_bytes()


def test_mail_goes_to_whom_it_should(tmp_path: Path) -> None:
    """Recipient, sender, date and subject are the registered ones, and all lines are short ASCII."""
    path = write_letter(tmp_path, SAID, FACTS, SETTINGS, START)
    mail = forms(path)[2]
    assert mailboxes(path, "To") == [(NAME, "vysledky@radio.example")]
    assert mailboxes(path, "From") == [("Office of Example Elections", "results@office.example")]
    assert mail["Date"].datetime == START
    assert mail["Subject"] == "Access to election results granted: radio-zlin"
    assert mail["Message-ID"].endswith("@office.example>")
    assert mail.defects == []
    assert all(len(line) <= 998 and line.isascii() for line in path.read_bytes().split(b"\r\n"))


@pytest.mark.parametrize(
    "name", ["Radio, TV & Co.", 'The "Daily" <News>', "Příliš, žluťoučký; kůň " * 8, "Łódź" * 49]
)
def test_any_name_comes_through(name: str, tmp_path: Path) -> None:
    """Long names, and names with signs that have a meaning in headers, are one recipient and read as they were written."""
    registration = msgspec.structs.replace(SAID.registration, name=name.strip())
    path = write_letter(
        tmp_path, msgspec.structs.replace(SAID, registration=registration), FACTS, SETTINGS, START
    )
    assert mailboxes(path, "To") == [(name.strip(), "vysledky@radio.example")]


def test_letter_without_sender_is_a_draft(tmp_path: Path) -> None:
    """Where nobody is set to write, the mail can be opened and sent, and says nobody's address."""
    mail = forms(write_letter(tmp_path, SAID, FACTS, LetterSettings(), START))[2]
    assert mail["From"] is None
    assert mail["X-Unsent"] == "1"


def test_letter_without_addresses_tells_paths(tmp_path: Path) -> None:
    """While a site does not know its own addresses, a letter tells the paths, and leaves no sentence without its end."""
    nowhere = msgspec.structs.replace(SETTINGS, addresses=())
    for text in forms(write_letter(tmp_path, SAID, FACTS, nowhere, START))[:2]:
        assert "ranges: /event/kv2030/registers/newest/bundle.zip" in text
        assert "Open /access from" in text


def test_letters_are_numbered_and_kept(tmp_path: Path) -> None:
    """Each letter has the next number and says that it replaces the earlier ones; earlier files stay as they were."""
    first = write_letter(tmp_path, SAID, FACTS, SETTINGS, START)
    before = first.read_bytes()
    second = write_letter(tmp_path, SAID, FACTS, SETTINGS, START)
    assert (first.name, second.name, newest(tmp_path, "radio-zlin")) == ("0001.eml", "0002.eml", 2)
    assert first.read_bytes() == before
    assert "replaces all earlier ones" in forms(second)[0]


def test_withdrawal_tells_the_reason_and_no_address(tmp_path: Path) -> None:
    """A letter of withdrawal has the reason and the ranges, and none of what is for readers."""
    decision = Decision(START, "novakova")
    gone = msgspec.structs.replace(SAID, standing=Revoked(decision, decision, "no longer a medium"))
    text, pdf, _ = forms(write_letter(tmp_path, gone, FACTS, SETTINGS, START))
    for form in (text, pdf):
        assert "no longer a medium" in form
        assert "192.0.2.0/28" in form
        assert "https://" not in form


def test_same_letter_has_the_same_bytes(tmp_path: Path) -> None:
    """A letter is a function of what it says."""
    first, second = (write_letter(tmp_path / name, SAID, FACTS, SETTINGS, START) for name in "ab")
    for suffix in (".eml", ".pdf", ".txt"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


def test_one_page_holds_an_ordinary_letter(tmp_path: Path) -> None:
    """Two ranges, a test range, an event and a contact fit one page, with its fonts inside the file."""
    path = write_letter(tmp_path, SAID, FACTS, SETTINGS, START)
    data = path.with_suffix(".pdf").read_bytes()
    assert len(pypdf.PdfReader(path.with_suffix(".pdf")).pages) == 1
    assert data.count(b"/FontFile2 ") >= 2


def test_letter_the_font_lacks_is_not_guessed(tmp_path: Path) -> None:
    """A name that the font cannot set stops the letter; no file is left that says something else."""
    registration = msgspec.structs.replace(SAID.registration, name="放送局")
    with pytest.raises(LetterError, match=r"U\+653E") as refusal:
        write_letter(
            tmp_path, msgspec.structs.replace(SAID, registration=registration), FACTS, SETTINGS, START
        )
    assert refusal.value.code == "letter-font"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (LetterSettings(font="/nowhere.ttf"), "letter-font"),
        (LetterSettings(font=__file__), "letter-font"),
        (LetterSettings(timezone="Europe/Nowhere"), "letter-timezone"),
        (LetterSettings(timezone="../../etc/passwd"), "letter-timezone"),
    ],
)
def test_bad_setting_is_told(settings: LetterSettings, code: str, tmp_path: Path) -> None:
    """A font or time zone that is none is told with where it is set."""
    with pytest.raises(LetterError, match=r"site\.toml|TrueType") as refusal:
        write_letter(tmp_path, SAID, FACTS, settings, START)
    assert refusal.value.code == code


def test_nothing_is_told_before_a_decision(tmp_path: Path) -> None:
    """A pending request has no letter."""
    with pytest.raises(LetterError, match="not approved"):
        write_letter(tmp_path, msgspec.structs.replace(SAID, standing=Pending()), FACTS, SETTINGS, START)


def test_usual_font_has_czech_and_polish_letters() -> None:
    """The font that is used unless another is named has every letter of both languages."""
    letters = "áčďéěíňóřšťúůýžąćęłńóśźż"
    assert {ord(letter) for letter in letters + letters.upper()} <= load_faces().letters
