"""What the operator tells all readers: ``notices.xml`` of a release store, signed inside the file.

Incidents, planned changes, the second site. Pure but for :class:`NoticesReader`. Source: design § 8, requirement M11.
"""

import datetime
from pathlib import Path
from typing import Final

import msgspec
from lxml import etree

from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.signing import split_signed

_TAG: Final = "{urn:skrutinium:1}"


class Incident(msgspec.Struct, frozen=True):
    """Something that goes wrong, or went wrong until ``ended``; times are aware, UTC."""

    id: str
    begun: datetime.datetime
    text: str
    ended: datetime.datetime | None = None


class Planned(msgspec.Struct, frozen=True):
    """A change at ``time``."""

    time: datetime.datetime
    text: str


class SecondSite(msgspec.Struct, frozen=True):
    """Where else the same releases are read; ``fingerprint`` is 64 hexadecimal digits."""

    address: str
    fingerprint: str


class Notices(msgspec.Struct, frozen=True):
    """All notices; ``number`` counts the versions of the file, 0 before the first."""

    number: int = 0
    incidents: tuple[Incident, ...] = ()
    planned: tuple[Planned, ...] = ()
    second_site: SecondSite | None = None

    def next_planned(self, now: datetime.datetime) -> Planned | None:
        """The next change that is still to come."""
        return min((one for one in self.planned if one.time > now), key=lambda one: one.time, default=None)


def read_notices(path: Path, data: bytes) -> Notices:
    """The notices in a document with its signature line; whose it is, is the reader's to check. Raises StoreDamaged."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        body, _ = split_signed(data)
        root = etree.fromstring(body, parser)
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
