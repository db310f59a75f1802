"""What is recorded about people and their rights: events, a tagged union; and what follows from them, the state.

Everything is plain data, times are aware and UTC. Sources: requirements M5 and C18, design § 3.
"""

import datetime
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

Role = Literal["operator", "commissioner"]
"""What a person may do: ``operator`` runs the site, ``commissioner`` oversees it; both may open a live run, together."""

ROLES: Final[tuple[Role, ...]] = ("operator", "commissioner")


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a media organisation asks for: who it is, and the ranges that are to read.

    ``live`` and ``test`` are networks in canonical CIDR form; ``events`` is empty for every event; ``until`` is the
    moment from which nothing may be read any more, None for no end.
    """

    id: str
    name: str
    email: str
    telephone: str
    live: tuple[str, ...]
    test: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    until: datetime.datetime | None = None


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", omit_defaults=False):
    """Every event carries its kind."""


class PersonAdded(_Event, frozen=True, tag="person-added"):
    """A person who may act. ``verifier`` is the SHA-256 of the file that her passphrase is compared with."""

    name: str
    role: Role
    verifier: str


class PersonRenewed(_Event, frozen=True, tag="person-renewed"):
    """A person's passphrase is compared in another way from now on; it is the same passphrase."""

    name: str
    verifier: str


class PersonRemoved(_Event, frozen=True, tag="person-removed"):
    """A person may act no longer."""

    name: str


class SubscriberRequested(_Event, frozen=True, tag="subscriber-requested"):
    """A media organisation asks to read. ``late`` is why a request after the closing date was taken all the same."""

    registration: Registration
    late: str | None = None


class SubscribersImported(_Event, frozen=True, tag="subscribers-imported"):
    """All requests of one file, taken together. ``sha256`` is that of the file's bytes."""

    file: str
    sha256: str
    registrations: tuple[Registration, ...]
    late: str | None = None


class SubscriberApproved(_Event, frozen=True, tag="subscriber-approved"):
    """From now on the ranges may read."""

    id: str


class SubscriberDeclined(_Event, frozen=True, tag="subscriber-declined"):
    """A request that was not granted."""

    id: str
    reason: str


class SubscriberChanged(_Event, frozen=True, tag="subscriber-changed"):
    """A registration reads differently from now on; whether it is approved stays as it was."""

    registration: Registration
    reason: str
    late: str | None = None


class SubscriberRevoked(_Event, frozen=True, tag="subscriber-revoked"):
    """The ranges may read no longer."""

    id: str
    reason: str


class RunOpened(_Event, frozen=True, tag="run-opened"):
    """A run was opened; ``persons`` are those whose passphrases were asked for (two for a live run)."""

    run: str
    event: str
    phase: Literal["test", "rehearsal", "live"]
    persons: tuple[str, ...] = ()


class RunClosed(_Event, frozen=True, tag="run-closed"):
    """A run was closed."""

    run: str


class RunReopened(_Event, frozen=True, tag="run-reopened"):
    """A closed run accepts again."""

    run: str
    reason: str
    authority: str


class RunDeclared(_Event, frozen=True, tag="run-declared"):
    """The results of a run were declared final or certified."""

    run: str
    state: Literal["final", "certified"]
    reason: str
    authority: str


class ContestHeld(_Event, frozen=True, tag="contest-held"):
    """The publication of one contest was stopped, for a reason that is public."""

    run: str
    contest: str
    reason: str


class ContestLifted(_Event, frozen=True, tag="contest-lifted"):
    """The publication of one contest goes on."""

    run: str
    contest: str


class SandboxSteered(_Event, frozen=True, tag="sandbox-steered"):
    """Somebody told a sandbox to do something, such as ``seek``; ``told`` is what was said with it."""

    sandbox: str
    do: str
    told: str = ""


class NoticeGiven(_Event, frozen=True, tag="notice-given"):
    """Something was told to readers: an incident, a planned change, a second site."""

    notice: str
    text: str


SubscriberEvent = (
    SubscriberRequested
    | SubscribersImported
    | SubscriberApproved
    | SubscriberDeclined
    | SubscriberChanged
    | SubscriberRevoked
)
Event = (
    PersonAdded
    | PersonRenewed
    | PersonRemoved
    | SubscriberEvent
    | RunOpened
    | RunClosed
    | RunReopened
    | RunDeclared
    | ContestHeld
    | ContestLifted
    | SandboxSteered
    | NoticeGiven
)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the event log: ``position`` from 1 without gaps, ``previous`` the hash of the line before (64 zeros first).

    ``who`` did it, at ``time`` (UTC). ``hash`` is the SHA-256 of the same canonical JSON without ``hash``.
    """

    position: int
    previous: str
    time: datetime.datetime
    who: str
    event: Event
    hash: str


class Pending(msgspec.Struct, frozen=True, tag_field="state", tag="pending"):
    """Asked for, not decided."""


class Decision(msgspec.Struct, frozen=True):
    """When a request was decided, and by whom."""

    time: datetime.datetime
    who: str


class Approved(msgspec.Struct, frozen=True, tag_field="state", tag="approved"):
    """May read."""

    decision: Decision


class Declined(msgspec.Struct, frozen=True, tag_field="state", tag="declined"):
    """Was not granted."""

    decision: Decision
    reason: str


class Revoked(msgspec.Struct, frozen=True, tag_field="state", tag="revoked"):
    """May read no longer; ``approved`` is the decision that had let it in."""

    approved: Decision
    decision: Decision
    reason: str


Standing = Pending | Approved | Declined | Revoked


class Subscriber(msgspec.Struct, frozen=True):
    """A registered media organisation: what it asked for last, and what was decided.

    ``requested`` is when it asked, ``late`` why that was taken after the closing date. ``changes`` counts changes.
    """

    registration: Registration
    requested: datetime.datetime
    late: str | None
    standing: Standing
    changes: int = 0

    @property
    def id(self) -> str:
        """Identifier of the subscriber."""
        return self.registration.id

    @property
    def holds_ranges(self) -> bool:
        """Whether its ranges are its own: asked for or granted, and neither declined nor revoked."""
        return isinstance(self.standing, Pending | Approved)


class Person(msgspec.Struct, frozen=True):
    """Somebody who may act."""

    name: str
    role: Role
    verifier: str
    added: datetime.datetime


class State(msgspec.Struct, frozen=True):
    """What follows from the events so far. ``list_number`` counts the versions of the access list."""

    position: int = 0
    persons: Mapping[str, Person] = msgspec.field(default_factory=dict)
    subscribers: Mapping[str, Subscriber] = msgspec.field(default_factory=dict)
    list_number: int = 0
