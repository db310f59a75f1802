"""Crisis mails made by hand from the contract alone, out of a release store in a folder; nothing of the server is used."""

import gzip
import hashlib
import io
import itertools
import re
import zipfile
from collections.abc import Iterable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sdk.store_builder import EVENT, RUN, SERIES, Night, fingerprint, public_pem, sign

AGREED = ("event.xml", "corrections/")
_ROW = re.compile(rb'path="([^"]+)" size="[0-9]+" sha256="([0-9a-f]{64})"')
_counter = itertools.count(1)


def files_of(root: Path, numbers: Iterable[int], agreed: tuple[str, ...] = AGREED) -> dict[str, bytes]:
    """The files of a mail with these releases: manifests, signatures, agreed documents, state and keys."""
    series = root / "event" / EVENT / RUN / SERIES
    files = {"state.xml": (root / "state.xml").read_bytes()}
    for path in sorted((root / "keys").iterdir()):
        files[f"keys/{path.name}"] = path.read_bytes()
    for number in numbers:
        manifest = (series / "manifest" / f"{number:09d}.xml").read_bytes()
        files[f"manifest/{number:09d}.xml"] = manifest
        files[f"manifest/{number:09d}.xml.sig"] = (series / "manifest" / f"{number:09d}.xml.sig").read_bytes()
        for path, sha256 in ((one.decode(), two.decode()) for one, two in _ROW.findall(manifest)):
            if path.startswith(agreed):
                held = root / "objects" / sha256[:2] / sha256[2:4] / f"{sha256}.gz"
                files[f"release/{number:09d}/{path}"] = gzip.decompress(held.read_bytes())
    return files


def zip_of(files: dict[str, bytes]) -> bytes:
    """A zip of them."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def message(files: dict[str, bytes], *, zipped: bool = True, id: str | None = None) -> EmailMessage:
    """A mail with these files, in a zip or one by one."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"] = "results@organiser.example", "desk@radio.example"
    made["Subject"] = "[REHEARSAL · MADE UP] Made-up election"
    made["Message-ID"] = id or f"<made.{next(_counter)}@organiser.example>"
    made.set_content("A table.\n\nFrom here on it is only text.\n")
    if zipped:
        made.add_attachment(zip_of(files), maintype="application", subtype="zip", filename="results.zip")
        return made
    for name, data in files.items():
        kind = "xml" if name.endswith(".xml") else "octet-stream"
        made.add_attachment(data, maintype="application", subtype=kind, filename=name.replace("/", "-"))
    return made


def mail(
    root: Path, numbers: Iterable[int], agreed: tuple[str, ...] = AGREED, *, zipped: bool = True
) -> bytes:
    """A mail with these releases."""
    return message(files_of(root, numbers, agreed), zipped=zipped).as_bytes()


def forged(night: Night, number: int, key: Ed25519PrivateKey, root: Path) -> bytes:
    """A mail of somebody else: a later release and a later state, rightly signed by a key of their own."""
    files = files_of(root, [1])
    manifest = files["manifest/000000001.xml"].replace(b'release="1"', b'release="%d"' % number)
    state = files["state.xml"].rpartition(b"\ned25519 ")[0] + b"\n"
    state = re.sub(rb' number="[0-9]+"', b' number="900"', state, count=1)
    return message(
        {
            "state.xml": state + sign(key, state),
            f"keys/{fingerprint(key)[:16]}.pem": public_pem(key),
            f"manifest/{number:09d}.xml": manifest,
            f"manifest/{number:09d}.xml.sig": sign(key, manifest),
        }
    ).as_bytes()


class Box:
    """A Maildir to which mails are delivered as a mail server does it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = f"maildir:{path}"
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(parents=True, exist_ok=True)

    def deliver(self, data: bytes) -> Path:
        """Deliver a mail; where it lies."""
        name = f"{next(_counter):06d}.{hashlib.sha256(data).hexdigest()[:8]}.host"
        (self.path / "tmp" / name).write_bytes(data)
        return (self.path / "tmp" / name).rename(self.path / "new" / name)
