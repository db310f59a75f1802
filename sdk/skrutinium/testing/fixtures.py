"""Fixtures for pytest: ``pytest_plugins = ["skrutinium.testing.fixtures"]`` in ``conftest.py``.

``election_night`` is a made-up night that a test has in hand, without ``await``; ``@pytest.mark.election_night(precincts=12, seed=7)``
says which. It works beside any plug-in for asynchronous tests: its event loop is its own. Tests that await stage a night with
``async with skrutinium.testing.night()``.
"""

from collections.abc import Iterator

import pytest

from skrutinium.testing import sync

_MARK = "election_night"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(precincts=60, seed=1, ...): the night of the fixture {_MARK}, told as to skrutinium.testing.night",
    )


@pytest.fixture
def election_night(request: pytest.FixtureRequest) -> Iterator[sync.Night]:
    """A made-up night at a real feed: ``election_night.url``, ``.report(20)``, ``.outage()`` and so on."""
    mark = request.node.get_closest_marker(_MARK)
    with sync.night(*(mark.args if mark else ()), **(mark.kwargs if mark else {})) as night:
        yield night
