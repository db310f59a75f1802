"""The way of a registration: asked for, decided, changed, revoked; each step one recorded event. Source: M5."""

import hashlib
from collections.abc import Sequence

import msgspec

from skrutinium_server.authority.errors import SubscriberError
from skrutinium_server.authority.examining import Application, application_of, check_closing, examine
from skrutinium_server.authority.importing import Row
from skrutinium_server.authority.model import (
    Entry,
    Event,
    Pending,
    Registration,
    State,
    Subscriber,
    SubscriberApproved,
    SubscriberChanged,
    SubscriberDeclined,
    SubscriberRequested,
    SubscriberRevoked,
    SubscribersImported,
)
from skrutinium_server.authority.persons import Authority
from skrutinium_server.authority.settings import SubscriberSettings
from skrutinium_server.authority.state import known_subscriber


class Registry:
    """Registrations of one site, under its settings. Every call raises what the event log raises, too."""

    def __init__(self, authority: Authority, settings: SubscriberSettings) -> None:
        self.authority = authority
        self.settings = settings

    def request(self, application: Application, late: str | None = None) -> Entry:
        """Take a request; raises :class:`SubscriberError` with every fault."""

        def event(state: State) -> Event:
            registration = examine(application, state, self.settings, self.authority.now())
            check_closing(registration.events, self.settings, self.authority.now(), late)
            return SubscriberRequested(registration, _reason(late))

        return self.authority.decide(event)

    def request_all(self, file: str, data: bytes, rows: Sequence[Row], late: str | None = None) -> Entry:
        """Take all requests of a file or none; raises :class:`SubscriberError` naming each bad row by its line."""

        def event(state: State) -> Event:
            return SubscribersImported(
                file, hashlib.sha256(data).hexdigest(), self._examined(file, rows, state, late), _reason(late)
            )

        return self.authority.decide(event)

    def approve(self, id: str) -> Entry:
        """Grant a request; what is refused today (a narrower setting, say) is refused here too."""

        def event(state: State) -> Event:
            self._examine_again(state, id)
            return SubscriberApproved(id)

        return self.authority.decide(event)

    def decline(self, id: str, reason: str) -> Entry:
        """Refuse a request, for a reason."""
        return self.authority.record(SubscriberDeclined(id, _needed(reason)))

    def revoke(self, id: str, reason: str) -> Entry:
        """Take access away, for a reason."""
        return self.authority.record(SubscriberRevoked(id, _needed(reason)))

    def change(self, application: Application, reason: str, late: str | None = None) -> Entry:
        """Change a registration; other ranges or events count as a request, which can be late."""

        def event(state: State) -> Event:
            known = known_subscriber(state, application.id).registration
            registration = examine(application, state, self.settings, self.authority.now())
            if (registration.live, registration.test, registration.events) != (
                known.live,
                known.test,
                known.events,
            ):
                check_closing(registration.events, self.settings, self.authority.now(), late)
            return SubscriberChanged(registration, _needed(reason), _reason(late))

        return self.authority.decide(event)

    def _examine_again(self, state: State, id: str) -> None:
        known = known_subscriber(state, id)
        if known.holds_ranges:
            examine(application_of(known.registration), state, self.settings, self.authority.now())

    def _examined(
        self, file: str, rows: Sequence[Row], state: State, late: str | None
    ) -> tuple[Registration, ...]:
        now = self.authority.now()
        faults: list[str] = []
        taken: dict[str, Registration] = {}
        for line, application in rows:
            try:
                if application.id in state.subscribers:
                    raise SubscriberError("", [f"the id {application.id!r} is taken already"])
                registration = examine(application, state, self.settings, now)
                check_closing(registration.events, self.settings, now, late)
            except SubscriberError as error:
                faults += [f"line {line}: {fault}" for fault in error.faults or [str(error)]]
                continue
            taken[registration.id] = registration
            asked = Subscriber(registration, now, late, Pending())
            state = msgspec.structs.replace(state, subscribers={**state.subscribers, asked.id: asked})
        if faults:
            raise SubscriberError(
                f"{file}: nothing was taken over, because of these rows:", faults, code="subscriber-rows"
            )
        if not taken:
            raise SubscriberError(f"{file}: there is no row below the header.", code="subscriber-rows")
        return tuple(taken.values())


def _needed(reason: str) -> str:
    if not reason.strip():
        raise SubscriberError("Say the reason: it is recorded, and told to the subscriber.")
    return reason.strip()


def _reason(late: str | None) -> str | None:
    return late.strip() or None if late else None
