"""Stages that the scenarios of one file share: each is played in a run of its own, and leaves nothing behind."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.rehearsal.scenarios.scene import Scenes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scenes]:
    """Scenarios by name."""
    made = Scenes(tmp_path_factory.mktemp("scenarios"))
    try:
        yield made
    finally:
        await made.close()
