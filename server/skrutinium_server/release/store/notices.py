"""What the operator tells all readers: ``notices.xml`` of a release store, signed inside the file.

Incidents, planned changes, the second site. Pure but for :class:`NoticesReader`. Source: design § 8, requirement M11.
"""

import datetime
from pathlib import Path
from typing import Final

from lxml import etree

from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import Incident, Notices, Planned, SecondSite
from skrutinium_server.release.store.signing import split_signed
from skrutinium_server.xml_parsing import xml_parser

_TAG: Final = "{urn:skrutinium:1}"


def read_notices(path: Path, data: bytes) -> Notices:
    """The notices in a document with its signature line; whose it is, is the reader's to check. Raises StoreDamaged."""
    try:
        body, _ = split_signed(data)
        root = etree.fromstring(body, xml_parser())
        if root.tag != f"{_TAG}notices" or root.getroottree().docinfo.doctype:
            raise ValueError(f"it is {str(root.tag)[:80]!r}, expected notices")
        second = root.find(f"{_TAG}second-site")
        return Notices(
            int(root.attrib["number"]),
            tuple(
                Incident(
                    one.attrib["id"],
                    _moment(one.attrib["begun"]),
                    one.attrib["text"],
                    _moment(one.attrib["ended"]) if "ended" in one.attrib else None,
                )
                for one in root.iter(f"{_TAG}incident")
            ),
            tuple(
                Planned(_moment(one.attrib["time"]), one.attrib["text"])
                for one in root.iter(f"{_TAG}planned")
            ),
            None if second is None else SecondSite(second.attrib["address"], second.attrib["fingerprint"]),
        )
    except (etree.XMLSyntaxError, KeyError, ValueError) as error:
        raise StoreDamaged(path, f"cannot be read as notices ({str(error)[:200]})") from error


class NoticesReader:
    """The notices of the store in ``root``."""

    def __init__(self, root: Path) -> None:
        self.path = root / "notices.xml"

    def read(self) -> Notices:
        """What is told now; nothing before the first notice. Raises :class:`StoreDamaged`."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return Notices()
        except OSError as error:
            raise StoreDamaged(self.path, f"cannot be read ({error.strerror or error})") from error
        return read_notices(self.path, data)


def _moment(told: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(told)
    if moment.utcoffset() is None:
        raise ValueError(f"the time {told[:60]!r} has no zone")
    return moment.astimezone(datetime.UTC)
