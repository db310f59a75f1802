"""Who is logged in: sessions in memory, each with a random id that only its browser has.

A session ends when it was idle for half an hour, after twelve hours, at log-out, and when the console ends. What is kept is the hash
of the id, so that looking one up takes as long whatever was sent. Pure: clock and randomness come in.
Sources: OWASP Session Management; RFC 6265.
"""

import datetime
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from skrutinium_server.authority.model import Person, Role

IDLE: Final = 30 * 60
"""Seconds without a request of a person after which a session ends."""

LONGEST: Final = 12 * 3600
"""Seconds that a session lasts at most."""

MOST: Final = 500
"""Sessions at once; beyond it the one that was idle longest ends."""

Clock = Callable[[], float]
"""Seconds that never go back."""


@dataclass(slots=True)
class Session:
    """One log-in: whose, since and last used when (seconds of the clock), and what to say on the next page.

    ``added`` is when the person was added: somebody removed and added again is not the same person.
    """

    person: str
    role: Role
    added: datetime.datetime
    begun: float
    used: float
    sayings: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Say something on the next page."""
        self.sayings.append(text)

    def said(self) -> list[str]:
        """What is to be said, once."""
        told, self.sayings = self.sayings, []
        return told


class Sessions:
    """All sessions; ``random`` makes ids and the secret that form tokens are made with."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._clock = clock
        self._random = random
        self._secret = random(32)
        self._open: OrderedDict[bytes, Session] = OrderedDict()

    def new_id(self) -> str:
        """An id that nobody has: 256 bits."""
        return self._random(32).hex()

    def begin(self, person: Person) -> str:
        """Log a person in; the id of the session."""
        now = self._clock()
        self._sweep(now)
        while len(self._open) >= MOST:
            self._open.popitem(last=False)
        id = self.new_id()
        self._open[_key(id)] = Session(person.name, person.role, person.added, now, now)
        return id

    def find(self, id: str, *, used: bool = True) -> Session | None:
        """The session of that id, None when there is none any more; ``used``: a person did something."""
        key = _key(id)
        session = self._open.get(key)
        if session is None:
            return None
        now = self._clock()
        if now - session.used >= IDLE or now - session.begun >= LONGEST:
            del self._open[key]
            return None
        if used:
            session.used = now
            self._open.move_to_end(key)
        return session

    def end(self, id: str) -> None:
        """Log out."""
        self._open.pop(_key(id), None)

    def token(self, id: str) -> str:
        """What every form of a page carries that was made for this id (CSRF)."""
        return hmac.new(self._secret, id.encode(), hashlib.sha256).hexdigest()

    def proves(self, id: str, token: str) -> bool:
        """Whether a form was made for this id."""
        return hmac.compare_digest(self.token(id).encode(), token.encode())

    def _sweep(self, now: float) -> None:
        over = [
            key for key, one in self._open.items() if now - one.used >= IDLE or now - one.begun >= LONGEST
        ]
        for key in over:
            del self._open[key]


def _key(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()
