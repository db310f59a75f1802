"""Bars of what takes long."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@contextlib.contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Bars that grow, one for each thing that is told of (what, done, whole); on standard error, and only on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        begun: dict[str, TaskID] = {}

        def told(what: str, done: int, whole: int) -> None:
            if what not in begun:
                begun[what] = progress.add_task(what, total=whole)
            progress.update(begun[what], completed=done)

        yield told
