"""What all tests share: the guard of the event loop, data of real elections, and how hard hypothesis tries."""

import os
import signal
from collections import defaultdict
from pathlib import Path

import hypothesis
import pytest

from tests.loop_guard import loop_guard

# Started in the background of a shell, Python hears no Ctrl-C, and neither would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["loop_guard", "repository", "shared_data"]

REPOSITORY = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("quick", max_examples=50, deadline=None, print_blob=True)
hypothesis.settings.register_profile("soak", max_examples=5_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder what only `make bench` runs (what only `make soak` runs is marked by the fixture of tests/soak); long files first.

    A file is as long as the patience that a test of it asks for. Begun last, it would leave the other processors idle at the end.
    """
    patience: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        if item.path.is_relative_to(REPOSITORY / "tests" / "bench"):
            item.add_marker("bench")
        if (asked := item.get_closest_marker("timeout")) is not None:
            patience[item.path] = max(patience[item.path], asked.args[0])
    items.sort(key=lambda item: -patience[item.path])


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder `shared/data` beside the checkout: files of real elections, never copied into the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        message = "no ../shared/data beside the checkout: the files of real elections are not here"
        if os.environ.get("CI"):
            pytest.fail(f"{message}, and in CI nothing is skipped")
        pytest.skip(message)
    return folder
