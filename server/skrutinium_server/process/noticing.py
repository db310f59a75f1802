"""Telling all readers something: writes the signed notices of a site and records it in the event log."""

import datetime
import re
from collections.abc import Callable

import msgspec

from skrutinium_server.authority.model import NoticeGiven
from skrutinium_server.authority.persons import Authority
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.site import Site
from skrutinium_server.release.formats.skrutinium.notices import write_notices
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA
from skrutinium_server.release.store.layout import Layout
from skrutinium_server.release.store.model import Incident, Notices, Planned, SecondSite
from skrutinium_server.release.store.notices import NoticesReader
from skrutinium_server.release.store.signing import split_signed
from skrutinium_server.release.store.writing import write_whole
from skrutinium_server.release.trust import check_signed
from skrutinium_server.release.validate import Validator

Change = Callable[[Notices], Notices]


class NoticeError(ProcessError):
    """A notice that cannot be given as asked."""

    code = "notice"


def tell(
    site: Site, change: Change, what: str, text: str, who: str | None, now: datetime.datetime
) -> Notices:
    """Change the notices and publish them, signed and valid; the event log says who did it. Returns what is told now."""
    with site.alone():
        reader, signer = NoticesReader(site.store), site.signer()
        before = reader.read()
        if before.number:
            check_signed(
                Layout(site.store), signer.public, reader.path, *split_signed(reader.path.read_bytes())
            )
        told = change(before)
        told = msgspec.structs.replace(told, number=told.number + 1)
        document = write_notices(told, now)
        Validator().validate("notices.xml", document, SCHEMA)
        # Recorded first: what readers were told without anybody's name would be the worse of the two.
        Authority(site.root, who=who).record(NoticeGiven(what, text))
        write_whole(reader.path, document + signer.line(document))
    return told


def begin(text: str, now: datetime.datetime, named: str | None = None) -> tuple[str, Change]:
    """A new incident and its id."""
    id = named or f"{now:%Y%m%d-%H%M%S}"

    def change(before: Notices) -> Notices:
        if any(one.id == id for one in before.incidents):
            raise NoticeError(f"There is an incident {id!r} already. Give another --id, or end that one.")
        return msgspec.structs.replace(before, incidents=(*before.incidents, Incident(id, now, text)))

    return id, change


def end(id: str | None, now: datetime.datetime) -> Change:
    """The end of an incident: that one, or the only one that goes on."""

    def change(before: Notices) -> Notices:
        going = [one.id for one in before.incidents if one.ended is None]
        ended = id if id is not None else going[0] if len(going) == 1 else None
        if ended not in going:
            told = ", ".join(going) or "none"
            raise NoticeError(f"Which incident ends? Give the ID of one that goes on (these do: {told}).")
        incidents = tuple(
            msgspec.structs.replace(one, ended=now) if one.id == ended else one for one in before.incidents
        )
        return msgspec.structs.replace(before, incidents=incidents)

    return change


def plan(time: datetime.datetime, text: str) -> Change:
    """A change that is to come."""
    return lambda before: msgspec.structs.replace(before, planned=(*before.planned, Planned(time, text)))


def second_site(address: str, fingerprint: str) -> Change:
    """Where else the same releases are read."""
    digits = re.sub(r"\s", "", fingerprint).lower()
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise NoticeError(
            "The fingerprint has 64 hexadecimal digits, with or without spaces, as `site create` printed it."
        )
    return lambda before: msgspec.structs.replace(before, second_site=SecondSite(address, digits))
