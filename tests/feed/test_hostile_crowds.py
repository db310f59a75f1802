"""Too many connections: of one subscriber, of strangers, of everybody together. Who is not one of them never notices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from skrutinium_server.feed.connections import BEYOND, STRANGERS
from skrutinium_server.feed.serving import SPARE
from skrutinium_server.feed.settings import FeedSettings, write_settings
from tests.feed.hostile import (
    BOTH,
    DOCUMENT,
    FRIEND,
    KINDS,
    STRANGER,
    Attacked,
    ask,
    attacked,
    gone,
    holding,
    read_to_end,
    statuses,
    until,
)
from tests.feed.made import EVENT, MadeStore

pytestmark = pytest.mark.usefixtures("many_descriptors")

LIMIT = 50
LIMITED = FeedSettings(requests_per_second=0, connections=LIMIT, idle=3600)


@pytest.fixture(scope="module", params=BOTH)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A feed with a limit of connections, which closes idle ones only after an hour."""
    store = MadeStore(tmp_path_factory.mktemp("limited"))
    yield from attacked(store, *KINDS[request.param], "--settings", write_settings(LIMITED))


def test_crowd_hurts_only_itself(limited: Attacked) -> None:
    """A subscriber at its limit is told so on a few connections and closed on the others; another one never notices."""
    with holding(limited, LIMIT + BEYOND + 100) as held:
        limited.served()
        until(lambda: sum(map(gone, held)) == 100, "what is far beyond the limit is closed")
        told = next(one for one in held[LIMIT:] if not gone(one))
        told.settimeout(60)
        told.sendall(ask(DOCUMENT))
        answer = read_to_end(told)
        assert statuses(answer) == [429]
        assert b"\r\nRetry-After: " in answer
        first = held[0]
        first.settimeout(60)
        first.sendall(ask(DOCUMENT, "Connection: close"))
        assert statuses(read_to_end(first)) == [200]


def test_strangers_give_way_to_each_other(limited: Attacked) -> None:
    """However many come from no range, a few hundred stay, the newest is still told why, and subscribers are served."""
    with holding(limited, STRANGERS + 300, STRANGER) as held:
        until(lambda: sum(map(gone, held)) == 300, "the earliest strangers are gone")
        limited.served()
        held[-1].settimeout(60)
        held[-1].sendall(ask("/access", "Connection: close"))
        assert STRANGER.encode() in read_to_end(held[-1])
        with limited.connect(STRANGER) as another:
            another.sendall(ask(DOCUMENT))
            assert statuses(read_to_end(another)) == [403]


def test_spoofed_addresses_open_nothing(limited: Attacked) -> None:
    """A stranger is a stranger, whatever forwarded header it writes."""
    for line in (f"X-Forwarded-For: {FRIEND}", f"Forwarded: for={FRIEND}", f"X-Real-IP: {FRIEND}"):
        with limited.connect(STRANGER) as connection:
            connection.sendall(ask(DOCUMENT, line))
            assert statuses(read_to_end(connection)) == [403]


@pytest.fixture(params=BOTH)
def narrow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Attacked]:
    """A feed that may have hardly any descriptors, and no limit of its own."""
    told = ("--settings", write_settings(FeedSettings(requests_per_second=0, connections=0)))
    yield from attacked(MadeStore(tmp_path), *KINDS[request.param], *told, descriptors=SPARE + 72)


def test_no_descriptors_left_is_no_fault(narrow: Attacked) -> None:
    """With hardly any descriptors the feed closes what is too much, serves who is connected, and everybody again afterwards."""
    with narrow.connect(FRIEND) as friend:
        with holding(narrow, 400) as held:
            friend.sendall(ask(f"/event/{EVENT}/newest/area/CZ.xml", "Connection: close"))
            assert statuses(read_to_end(friend)) == [200]
            until(lambda: sum(map(gone, held)) >= 300, "what is too much is closed")
        until(lambda: narrow.open_descriptors() <= narrow.descriptors, "connections are let go")
    narrow.unharmed()


def test_strangers_leave_before_subscribers_are_refused(narrow: Attacked) -> None:
    """When the last connections are taken by strangers, a subscriber still gets in."""
    with holding(narrow, 200, STRANGER):
        for _ in range(5):
            narrow.served()
