"""An act on a stage: a method that is written down once it was done, with the release that shows it."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Concatenate, Final, Literal, ParamSpec, TypeVar

from msgspec import Meta

from skrutinium_server.rehearsal.stage.house import StageHouse

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=StageHouse)

Which = Literal["first", "second", "both"]
"""Which of two sites."""
Count = Annotated[int, Meta(ge=1, le=100_000)]
Status = Annotated[int, Meta(ge=400, le=599)]
Seconds = Annotated[float, Meta(ge=0, le=3_600)]
WholeSeconds = Annotated[int, Meta(ge=0, le=3_600)]
Rate = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Skew = Annotated[int, Meta(ge=-86_400, le=86_400)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]

REASON: Final = "This is a test."
AUTHORITY: Final = "Made-up commission"
COURT: Final = "Made-up court"


def act(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Make an act of a method; where it returns a whole number, that is the release."""
    signature = inspect.signature(method)

    async def done(stage: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        result = await method(stage, *args, **kwargs)
        told = signature.bind(stage, *args, **kwargs)
        told.apply_defaults()
        arguments = {name: value for name, value in told.arguments.items() if name != "self"}
        await stage.write_down(method.__name__, arguments, result if isinstance(result, int) else None)
        return result

    functools.update_wrapper(done, method)
    _marked.add(done)
    return done


_marked: set[Callable[..., Any]] = set()


def acts_of(kind: type) -> frozenset[str]:
    """The names of all acts of a class."""
    return frozenset(name for name, one in inspect.getmembers(kind, inspect.isfunction) if one in _marked)
