"""What the tests of the crisis mail share: a made-up night in a store, an outbox, and its thread."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from skrutinium_server.crisis.outbox import Outbox
from tests.crisis.night import MadeNight


@pytest.fixture
def night(tmp_path: Path) -> Iterator[MadeNight]:
    """A night at release 1."""
    made = MadeNight(tmp_path)
    yield made
    made.close()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """The one thread of an outbox."""
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    with Outbox(tmp_path / "crisis") as made:
        yield made
