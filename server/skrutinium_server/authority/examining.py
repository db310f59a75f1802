"""What a registration has to be: every field looked at, every fault told at once. Pure. Source: M5."""

import datetime
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from skrutinium_server.authority.errors import SubscriberError
from skrutinium_server.authority.model import Registration, State, Subscriber
from skrutinium_server.authority.ranges import (
    Network,
    RangeRefused,
    networks,
    overlap,
    read_range,
    shown,
)
from skrutinium_server.authority.settings import SubscriberSettings
from skrutinium_server.authority.state import stand
from skrutinium_server.election.model import IDENTIFIER

THIS_MACHINE: Final = "this-machine"
"""Id that the access list gives to the server's own machine; nobody else has it."""

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[^\W_]([^\W_]|-)*(?<!-)")
_TELEPHONE: Final = re.compile(r"\+[0-9][0-9 ().-]*[0-9]")


class Application(msgspec.Struct, frozen=True):
    """A registration as somebody wrote it, before anything was looked at."""

    id: str
    name: str
    email: str
    telephone: str
    live: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    until: datetime.datetime | None = None


def application_of(registration: Registration) -> Application:
    """A registration to be looked at again, or changed."""
    return Application(**msgspec.structs.asdict(registration))


def examine(
    application: Application, state: State, settings: SubscriberSettings, now: datetime.datetime
) -> Registration:
    """The registration that an application asks for; raises :class:`SubscriberError` with every fault.

    What stands in ``state`` under the same id is not looked at: it is what would be changed.
    """
    faults = list(_faults_of_contact(application))
    found = {
        "live": _ranges(application.live, settings, faults),
        "test": _ranges(application.test, settings, faults),
    }
    faults += _faults_of_number(application, settings)
    faults += _faults_among([*found["live"], *found["test"]])
    others = [one for one in state.subscribers.values() if one.id != application.id and one.holds_ranges]
    faults += _faults_beside(application, [*found["live"], *found["test"]], others)
    until = application.until
    if until is not None and until <= now:
        faults.append(f"the end {until:%Y-%m-%d %H:%M} UTC has passed already")
    if faults:
        raise SubscriberError(f"The registration {application.id!r} cannot be taken:", faults)
    return Registration(
        id=application.id,
        name=_blanks(application.name),
        email=application.email.strip(),
        telephone=_blanks(application.telephone),
        live=tuple(map(str, found["live"])),
        test=tuple(map(str, found["test"])),
        events=tuple(sorted(set(application.events))),
        until=until,
    )


def check_closing(
    events: tuple[str, ...], settings: SubscriberSettings, now: datetime.datetime, late: str | None
) -> None:
    """Raise :class:`SubscriberError` when requests for these events are closed and no reason to take one late is given."""
    closing = settings.closing_of(events)
    if closing is not None and now >= closing and not (late or "").strip():
        raise SubscriberError(
            f"Requests were taken until {closing:%Y-%m-%d %H:%M} UTC ([subscribers] closing). "
            'To take this one all the same, say why: --late "REASON"',
            code="subscriber-late",
        )


def _faults_of_contact(application: Application) -> Iterator[str]:
    if not IDENTIFIER.fullmatch(application.id):
        yield f"the id {application.id!r} is none: letters a to z, digits, '.' and '-', at most 64, such as radio-example"
    elif application.id == THIS_MACHINE:
        yield f"the id {THIS_MACHINE} is the server's own; take another"
    if not _is_line(application.name, 200):
        yield f"the name {application.name!r} is none: expected one line of at most 200 characters"
    if not is_email(application.email.strip()):
        yield f"{application.email!r} is no e-mail address; expected one such as results@radio.example"
    if not is_telephone(_blanks(application.telephone)):
        yield (
            f"{application.telephone!r} is no telephone number; expected the international form with + and "
            "8 to 15 digits, such as +420 222 111 333"
        )
    for event in application.events:
        if not IDENTIFIER.fullmatch(event):
            yield f"{event!r} cannot name an event; expected one such as kv2018"


def _ranges(texts: Iterable[str], settings: SubscriberSettings, faults: list[str]) -> list[Network]:
    found = []
    for text in texts:
        try:
            found.append(read_range(text, settings))
        except RangeRefused as error:
            faults.append(str(error))
    return found


def _faults_of_number(application: Application, settings: SubscriberSettings) -> Iterator[str]:
    for kind, told, most in (
        ("live", application.live, settings.live_ranges),
        ("test", application.test, settings.test_ranges),
    ):
        if len(told) > most:
            yield f"{len(told)} {kind} ranges, at most {most} are taken ([subscribers] {kind}_ranges)"
    if not application.live and not application.test:
        yield "no range: name at least one with --live or --test"


def _faults_among(found: list[Network]) -> Iterator[str]:
    for at, first in enumerate(found):
        for second in found[at + 1 :]:
            if overlap(first, second):
                yield f"{shown(first)} and {shown(second)} overlap: each address is named once, live or test"


def _faults_beside(application: Application, found: list[Network], others: list[Subscriber]) -> Iterator[str]:
    name = _blanks(application.name).casefold()
    for other in others:
        theirs = other.registration
        if theirs.name.casefold() == name:
            yield f"{theirs.name} is registered already, as {other.id}; change that registration"
        for network in networks((*theirs.live, *theirs.test)):
            for mine in found:
                if overlap(mine, network):
                    yield (
                        f"{shown(mine)} overlaps {shown(network)} of {other.id} ({theirs.name}, {stand(other.standing)}): "
                        "an address has one subscriber"
                    )


def is_email(text: str) -> bool:
    """Whether this is one plain e-mail address (RFC 5321, without quoting and address literals)."""
    local, at, domain = text.rpartition("@")
    labels = domain.split(".")
    return (
        bool(at)
        and len(text) <= 254
        and 0 < len(local) <= 64
        and _LOCAL.fullmatch(local) is not None
        and len(labels) >= 2
        and all(len(label) <= 63 and _LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def is_telephone(text: str) -> bool:
    """Whether this is a telephone number in the international form (ITU-T E.164: at most 15 digits)."""
    return _TELEPHONE.fullmatch(text) is not None and 8 <= sum(map(str.isdigit, text)) <= 15


def _blanks(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _is_line(text: str, longest: int) -> bool:
    return 0 < len(text.strip()) <= longest and text.replace("\u00a0", " ").isprintable()
