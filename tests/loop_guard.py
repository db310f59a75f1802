"""A guard that fails every test in which the event loop is blocked by a call that waits.

Waiting calls (sleep, blocking sockets, contended locks, terminal input) are caught wherever they come from. Calls on
files and on SQLite are caught when code of the two packages makes them: a test's own look at a small file hurts nobody.
Every catch is remembered, so that a handler which swallows the exception does not save the test.
"""

import importlib.util
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import blockbuster.blockbuster
import pytest
from blockbuster import BlockBuster

_EVERYWHERE = ("time.", "socket.", "ssl.", "threading.", "builtins.")
_caught: list[str] = []


class LoopBlockedError(blockbuster.blockbuster.BlockingError):
    """A call that waits was made while the event loop of this thread was running."""

    def __init__(self, func: str) -> None:
        super().__init__(func)
        _caught.append(func)


def _unloaded(package: str) -> ModuleType:
    """The package as a place only: a fault in one package must not stop the tests of the other."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


_OURS = (_unloaded("skrutinium"), _unloaded("skrutinium_server"))


def _guarded(*packages: ModuleType, files: bool) -> list[Any]:
    functions = BlockBuster(list(packages) or None).functions
    return [function for name, function in functions.items() if name.startswith(_EVERYWHERE) is not files]


@pytest.fixture(autouse=True)
def loop_guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test when it blocks its event loop; `@pytest.mark.blocking(reason)` lifts the guard."""
    if request.node.get_closest_marker("blocking") or request.node.get_closest_marker("bench"):
        yield
        return
    monkeypatch.setattr(blockbuster.blockbuster, "BlockingError", LoopBlockedError)
    functions = [*_guarded(files=False), *_guarded(*_OURS, files=True)]
    for function in functions:
        # Closing a runner joins the threads of its executor; nothing else runs in the loop by then.
        function.can_block_in("asyncio/runners.py", {"close"})
        # Pytest keeps the log in a file of its own; what a program does with its log lines is not a test's matter.
        function.can_block_in("logging/__init__.py", {"emit"})
        function.activate()
    _caught.clear()
    try:
        yield
    finally:
        for function in functions:
            function.deactivate()
    if _caught:
        pytest.fail(f"the event loop was blocked by {', '.join(sorted(set(_caught)))}")
