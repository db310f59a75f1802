"""A made night and a feed on it."""

import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.feed.hostile import raise_limit
from tests.feed.made import Fed, MadeStore, feed_on, small_night


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MadeStore]:
    """An empty store."""
    made = MadeStore(tmp_path)
    yield made
    made.close()


@pytest.fixture
def night_store(store: MadeStore) -> MadeStore:
    """A store with a small live night."""
    small_night(store)
    return store


@pytest.fixture
async def fed(night_store: MadeStore) -> AsyncIterator[Fed]:
    """A feed on the small night."""
    async with feed_on(night_store) as running:
        yield running


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process may have as many as the system gives, until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_limit()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
