"""Nights for the tests of archive and public folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skrutinium_server.election.model import Definition
from tests.archive.night import Night


@pytest.fixture
def new_night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    """Makes nights that are closed at the end."""
    made: list[Night] = []

    def make(definition: Definition | None = None, **options: int) -> Night:
        made.append(Night(tmp_path / f"night-{len(made)}", definition, **options))
        return made[-1]

    yield make
    for night in made:
        night.close()


@pytest.fixture
def night(new_night: Callable[..., Night]) -> Night:
    """A night of which nothing is reported yet."""
    return new_night()
