"""Letters on the disk: ``letters/ID/NNNN.txt``, ``.pdf`` and ``.eml``, numbered from 1, never changed.

The mail (RFC 5322) has the text and the PDF in it. Source: M5.
"""

import datetime
import email.policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

from skrutinium_server.authority.errors import LetterError
from skrutinium_server.authority.files import make_folder, put_whole
from skrutinium_server.authority.letter import Letter, SiteFacts, compose, text_of
from skrutinium_server.authority.letter_pdf import pdf_of
from skrutinium_server.authority.letter_wording import WORDINGS
from skrutinium_server.authority.model import Approved, Revoked, Subscriber
from skrutinium_server.authority.settings import LetterSettings


def newest(folder: Path, id: str) -> int:
    """The number of the newest letter to a subscriber, 0 when there is none."""
    return max(
        (int(path.stem) for path in (folder / id).glob("[0-9]*.eml") if path.stem.isdigit()), default=0
    )


def write_letter(
    folder: Path, subscriber: Subscriber, facts: SiteFacts, settings: LetterSettings, now: datetime.datetime
) -> Path:
    """Write the next letter to a subscriber below ``folder`` and return its mail, which is written last.

    Raises :class:`LetterError` when nothing was decided yet or no font has its letters.
    """
    if not isinstance(subscriber.standing, Approved | Revoked):
        raise LetterError(f"{subscriber.id} was not approved; a letter tells of what was decided.")
    number = newest(folder, subscriber.id) + 1
    letter = compose(subscriber, number, facts, settings, now)
    words = WORDINGS[settings.language]
    text, pdf = text_of(letter, words), pdf_of(letter, words, settings.font)
    target = folder / subscriber.id
    make_folder(target, 0o750)
    path = target / f"{number:04}.eml"
    put_whole(path.with_suffix(".txt"), text.encode(), mode=0o640)
    put_whole(path.with_suffix(".pdf"), pdf, mode=0o640)
    put_whole(path, mail_of(letter, text, pdf), mode=0o640)
    return path


def mail_of(letter: Letter, text: str, pdf: bytes) -> bytes:
    """The letter as a mail; without a sender it is a draft, to be sent from whatever mailbox opens it."""
    mail = EmailMessage(policy=email.policy.SMTP)
    name, address, _ = letter.recipient
    mail["To"] = Address(name, addr_spec=_ascii(address))
    if letter.sender[1]:
        mail["From"] = Address(letter.sender[0], addr_spec=_ascii(letter.sender[1]))
        domain = _ascii(letter.sender[1]).rpartition("@")[2]
        number = int(letter.date.timestamp())
        mail["Message-ID"] = f"<{letter.reference.replace('/', '.')}.{number}@{domain}>"
    else:
        mail["X-Unsent"] = "1"
    mail["Subject"] = letter.subject
    mail["Date"] = letter.date
    mail["Content-Language"] = letter.language
    mail.set_content(text, cte="quoted-printable")
    mail.add_attachment(
        pdf, maintype="application", subtype="pdf", filename=f"{letter.reference.replace('/', '-')}.pdf"
    )
    # Boundaries are made up anew each time unless they are named.
    mail.set_boundary(f"=_{letter.reference.replace('/', '_')}_=")
    return mail.as_bytes()


def _ascii(address: str) -> str:
    """An address whose domain has other letters, in the form that every relay takes (RFC 5891)."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise LetterError(
            f"The domain of the address {address} cannot be written in ASCII ({error})."
        ) from error
