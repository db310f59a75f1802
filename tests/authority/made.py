"""Made-up newsrooms, persons and clocks for the tests of authority."""

import datetime
from collections.abc import Iterator
from pathlib import Path

from skrutinium_server.authority.examining import Application
from skrutinium_server.authority.passphrases import Argon2id
from skrutinium_server.authority.persons import Authority
from skrutinium_server.authority.registering import Registry
from skrutinium_server.authority.settings import SubscriberSettings

START = datetime.datetime(2030, 9, 1, 8, 30, tzinfo=datetime.UTC)
CHEAP = Argon2id(iterations=1, lanes=1, memory=8)
EXAMPLES = SubscriberSettings(special_addresses=True)
"""Settings that take the addresses set aside for examples."""


def ticking() -> Iterator[datetime.datetime]:
    """A second later each time."""
    now = START
    while True:
        yield now
        now += datetime.timedelta(seconds=1)


def authority(site: Path, who: str = "novakova") -> Authority:
    """People and rights of a site with a clock of its own and cheap passphrases."""
    clock = ticking()
    return Authority(site, who=who, now=lambda: next(clock), method=CHEAP)


def registry(site: Path, settings: SubscriberSettings = EXAMPLES) -> Registry:
    """The registrations of a site."""
    return Registry(authority(site), settings)


def application(
    id: str = "radio-example",
    live: tuple[str, ...] = ("192.0.2.0/28",),
    test: tuple[str, ...] = (),
    name: str | None = None,
    events: tuple[str, ...] = (),
    until: datetime.datetime | None = None,
) -> Application:
    """A request that has nothing wrong."""
    return Application(
        id=id,
        name=name or f"Newsroom {id}",
        email=f"results@{id}.example",
        telephone="+420 222 111 333",
        live=live,
        test=test,
        events=events,
        until=until,
    )
