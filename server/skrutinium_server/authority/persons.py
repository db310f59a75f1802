"""People who may act, each with a passphrase, of which only a verifier is kept; compared in constant time, never logged.

``authority/persons/NAME.json`` (mode 0600) is what a passphrase is compared with; the event log names that file's
SHA-256, so that a file put there by hand is noticed. ``NAME.json.next`` is one that is about to take its place.
Sources: design § 3, C18.
"""

import getpass
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from skrutinium_server.authority.errors import EventRefused, NotAuthenticated, PersonError
from skrutinium_server.authority.files import make_folder, put_whole
from skrutinium_server.authority.log import EventLog
from skrutinium_server.authority.model import (
    ROLES,
    Entry,
    Event,
    Person,
    PersonAdded,
    PersonRemoved,
    PersonRenewed,
    Role,
    State,
)
from skrutinium_server.authority.passphrases import (
    LONGEST,
    SHORTEST,
    Argon2id,
    Method,
    Verifier,
    nobody,
    verifier,
)
from skrutinium_server.authority.state import fold
from skrutinium_server.election.model import IDENTIFIER


def login_name() -> str:
    """Who works here, as the system knows: written beside what is recorded unless another name is given."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


class Authority:
    """People, rights and the event log of the site in the folder ``site``.

    ``who`` is recorded as the one who did what is recorded; ``now`` tells the time (aware); ``method`` is how new
    passphrases are compared, with its cost; ``random`` makes salts.
    """

    def __init__(
        self,
        site: Path,
        *,
        who: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        method: Method = Argon2id(),  # noqa: B008 - frozen
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.site = site
        self.folder = site / "authority"
        self.who = login_name() if who is None else who
        self.now = now
        self.log = EventLog(self.folder)
        self._method = method
        self._random = random

    def state(self) -> State:
        """What follows from everything recorded; raises :class:`EventLogDamaged`."""
        return fold(self.log.entries())

    def record(self, event: Event, *, who: str | None = None) -> Entry:
        """Record one event, durable when this returns; raises :class:`EventRefused` when it does not follow."""
        return self.decide(lambda _: event, who=who)

    def decide(self, decide: Callable[[State], Event], *, who: str | None = None) -> Entry:
        """Record the event that ``decide`` makes of the state; nobody records anything between the two."""
        (entry,) = self.log.append(who or self.who, self.now, lambda entries: (decide(fold(entries)),))
        return entry

    def person(self, name: str) -> Person:
        """A person of the site; raises :class:`PersonError`."""
        persons = self.state().persons
        if name not in persons:
            known = ", ".join(sorted(persons)) or "none"
            raise PersonError(
                f"There is no person {name!r} (known: {known}). Add one with: skrutinium-server person add {self.site} NAME"
            )
        return persons[name]

    def check_new(self, name: str) -> None:
        """Raise :class:`PersonError` or :class:`EventRefused` when nobody can be added under this name."""
        if not IDENTIFIER.fullmatch(name):
            raise PersonError(
                f"{name!r} cannot name a person: letters a to z, digits, '.' and '-' are allowed, at most 64, such as j.novakova."
            )
        same = [one for one in self.state().persons if one.casefold() == name.casefold()]
        if same:  # two spellings of one name are no two persons
            raise EventRefused(f"{same[0]} is a person of this site already.")

    def add_person(self, name: str, role: Role, passphrase: str) -> Entry:
        """Let a person act; raises :class:`PersonError` for a name or passphrase that will not do."""
        self.check_new(name)
        if role not in ROLES:
            raise PersonError(f"There is no role {role!r}; expected one of {', '.join(ROLES)}.")
        if not SHORTEST <= len(passphrase) <= LONGEST:
            raise PersonError(
                f"A passphrase has {SHORTEST} to {LONGEST} characters, this one {len(passphrase)}. Take a few words."
            )
        data = verifier(name, passphrase, self._random(16), self._method).encoded()

        def added(state: State) -> Event:
            if name not in state.persons:
                # The file first: an event whose file is missing would be a person who cannot act.
                make_folder(self.folder / "persons", 0o700)
                put_whole(self._file(name), data, mode=0o600)
            return PersonAdded(name, role, hashlib.sha256(data).hexdigest())

        return self.decide(added)

    def remove_person(self, name: str) -> Entry:
        """Let a person act no longer; raises :class:`PersonError`."""
        self.person(name)
        entry = self.record(PersonRemoved(name))
        for path in (self._file(name), self._next(name)):
            path.unlink(missing_ok=True)
        return entry

    def authenticate(self, name: str, passphrase: str) -> str:
        """The name of the person, whose passphrase it is; raises :class:`NotAuthenticated`.

        An unknown name takes as long as a wrong passphrase, and is told in the same words.
        """
        return self._proved(name, passphrase)[0].name

    def _proved(self, name: str, passphrase: str) -> tuple[Person, Verifier]:
        person = self.state().persons.get(name)
        known = None if person is None else self._verifier(person)
        fits = (known or nobody(self._method)).fits(passphrase)
        if person is None or known is None or not fits:
            raise NotAuthenticated(
                f"Name {name!r} and passphrase do not belong together. Try again; `person list` shows the names of this site."
            )
        return person, known

    def log_in(self, name: str, passphrase: str) -> Person:
        """The person, whose passphrase it is; raises :class:`NotAuthenticated`.

        A verifier of an older method or cost is renewed on this occasion, for only now the passphrase is at hand.
        """
        person, known = self._proved(name, passphrase)
        if known.method == self._method:
            return person
        self._renew(person, verifier(name, passphrase, self._random(16), self._method).encoded())
        return self.person(name)

    def _renew(self, person: Person, data: bytes) -> None:
        """Let another file take the place of a person's verifier, unless somebody else did so meanwhile.

        A kill in between leaves the old one valid, or the new one under its other name: both are found.
        """
        path, beside = self._file(person.name), self._next(person.name)

        def renewed(entries: tuple[Entry, ...]) -> tuple[Event, ...]:
            if fold(entries).persons.get(person.name) != person:
                return ()
            put_whole(beside, data, mode=0o600)
            return (PersonRenewed(person.name, hashlib.sha256(data).hexdigest()),)

        if self.log.append(person.name, self.now, renewed):
            put_whole(path, data, mode=0o600)
            beside.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / "persons" / f"{name}.json"

    def _next(self, name: str) -> Path:
        return self.folder / "persons" / f"{name}.json.next"

    def _verifier(self, person: Person) -> Verifier:
        path = self._file(person.name)
        found = [one.read_bytes() for one in (path, self._next(person.name)) if one.exists()]
        if not found:
            raise PersonError(
                f"{path} is missing: nobody can act as {person.name}. Remove the person and add it again."
            )
        for data in found:
            if hashlib.sha256(data).hexdigest() == person.verifier:
                return msgspec.json.decode(data, type=Verifier)
        raise PersonError(
            f"{path} is not the file that the event log names: it was changed by hand. "
            f"Find out by whom; then remove {person.name} and add it again."
        )
