"""The state that follows from the events: a pure fold, the same step by step and from scratch.

Raises :class:`EventRefused` for an event that does not follow from the ones before it.
"""

from collections.abc import Iterable
from functools import reduce

import msgspec

from skrutinium_server.authority.errors import EventRefused
from skrutinium_server.authority.model import (
    Approved,
    Decision,
    Declined,
    Entry,
    Pending,
    Person,
    PersonAdded,
    PersonRemoved,
    PersonRenewed,
    Registration,
    Revoked,
    Standing,
    State,
    Subscriber,
    SubscriberApproved,
    SubscriberChanged,
    SubscriberDeclined,
    SubscriberRequested,
    SubscriberRevoked,
    SubscribersImported,
)


def fold(entries: Iterable[Entry], state: State | None = None) -> State:
    """The state after all entries."""
    return reduce(after, entries, State() if state is None else state)


def after(state: State, entry: Entry) -> State:
    """The state after one more entry."""
    moved = msgspec.structs.replace(state, position=entry.position)
    match entry.event:
        case PersonAdded() | PersonRenewed() | PersonRemoved() as event:
            return _person(moved, event, entry)
        case SubscriberRequested(registration, late):
            return _requested(moved, registration, late, entry)
        case SubscribersImported(_, _, registrations, late):
            for registration in registrations:
                moved = _requested(moved, registration, late, entry)
            return moved
        case SubscriberApproved() | SubscriberDeclined() | SubscriberRevoked() as decided:
            return _decided(moved, decided, entry)
        case SubscriberChanged() as changed:
            return _changed(moved, changed)
        case _:
            # Runs, contests and notices are recorded; what follows from them is kept where they are decided.
            return moved


def _person(state: State, event: PersonAdded | PersonRenewed | PersonRemoved, entry: Entry) -> State:
    persons = dict(state.persons)
    match event:
        case PersonAdded(name, role, verifier):
            if name in persons:
                raise EventRefused(f"{name} is a person of this site already.")
            persons[name] = Person(name, role, verifier, entry.time)
        case PersonRenewed(name, verifier):
            if name not in persons:
                raise EventRefused(f"There is no person {name!r}.")
            persons[name] = msgspec.structs.replace(persons[name], verifier=verifier)
        case PersonRemoved(name):
            if persons.pop(name, None) is None:
                raise EventRefused(f"There is no person {name!r}.")
    return msgspec.structs.replace(state, persons=persons)


def _requested(state: State, registration: Registration, late: str | None, entry: Entry) -> State:
    if registration.id in state.subscribers:
        raise EventRefused(
            f"There is a subscriber {registration.id!r} already. Use another id, or change that one."
        )
    return _with(state, Subscriber(registration, entry.time, late, Pending()))


def _decided(
    state: State, event: SubscriberApproved | SubscriberDeclined | SubscriberRevoked, entry: Entry
) -> State:
    known = known_subscriber(state, event.id)
    decision = Decision(entry.time, entry.who)
    match event, known.standing:
        case SubscriberApproved(), Pending():
            return _listed(state, known, Approved(decision))
        case SubscriberDeclined(reason=reason), Pending():
            return _with(state, msgspec.structs.replace(known, standing=Declined(decision, reason)))
        case SubscriberRevoked(reason=reason), Approved(approved):
            return _listed(state, known, Revoked(approved, decision, reason))
        case SubscriberRevoked(), Pending():
            raise EventRefused(f"{event.id} was not approved yet; decline the request instead.")
        case _:
            raise EventRefused(f"{event.id} is {stand(known.standing)} already.")


def _changed(state: State, event: SubscriberChanged) -> State:
    known = known_subscriber(state, event.registration.id)
    if not known.holds_ranges:
        raise EventRefused(
            f"{known.id} is {stand(known.standing)}. What is closed does not change; add it anew under another id."
        )
    if known.registration == event.registration:
        raise EventRefused(f"Nothing of {known.id} would change.")
    changed = msgspec.structs.replace(known, registration=event.registration, changes=known.changes + 1)
    if isinstance(known.standing, Approved):
        return _listed(state, changed, known.standing)
    return _with(state, changed)


def _listed(state: State, subscriber: Subscriber, standing: Standing) -> State:
    """A change of what may be read: the access list has a new version."""
    told = _with(state, msgspec.structs.replace(subscriber, standing=standing))
    return msgspec.structs.replace(told, list_number=state.list_number + 1)


def _with(state: State, subscriber: Subscriber) -> State:
    return msgspec.structs.replace(state, subscribers={**state.subscribers, subscriber.id: subscriber})


def known_subscriber(state: State, id: str) -> Subscriber:
    """The subscriber of that id; raises :class:`EventRefused`."""
    try:
        return state.subscribers[id]
    except KeyError:
        known = ", ".join(sorted(state.subscribers)) or "none"
        raise EventRefused(f"There is no subscriber {id!r} (known: {known}).") from None


def stand(standing: Standing) -> str:
    """How a subscriber stands, in one word."""
    match standing:
        case Pending():
            return "pending"
        case Approved():
            return "approved"
        case Declined():
            return "declined"
        case Revoked():
            return "revoked"
