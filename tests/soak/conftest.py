"""Every test here takes ``long``: False in the short form that ``make test`` runs, True in the one of ``make soak``."""

import pytest


@pytest.fixture(
    params=[pytest.param(False, id="short"), pytest.param(True, id="long", marks=pytest.mark.soak)]
)
def long(request: pytest.FixtureRequest) -> bool:
    """Whether this is the long form."""
    return bool(request.param)
