"""A scenario: what happens on a stage, and when. Source: requirement M6."""

import datetime
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec

from skrutinium_server.rehearsal.made_up.settings import Settings


class Share(msgspec.Struct, frozen=True, tag="share"):
    """When that share of the night's protocols is in, from 0 to 1."""

    share: Fraction

    def __str__(self) -> str:
        return f"{float(self.share * 100):g}%"


class Clock(msgspec.Struct, frozen=True, tag="clock"):
    """When the night's clock shows that time, in the law's time zone; a time before the night's first protocol is one after midnight."""

    time: datetime.time

    def __str__(self) -> str:
        return f"{self.time:%H:%M}"


class After(msgspec.Struct, frozen=True, tag="after"):
    """So many seconds of real time after the step before."""

    seconds: int

    def __str__(self) -> str:
        return f"+{self.seconds}s"


At = Share | Clock | After
"""When a step is done."""


class Step(msgspec.Struct, frozen=True):
    """``do``: the method of a stage, with its ``arguments``; ``line`` is where it stands in the file."""

    at: At
    do: str
    arguments: Mapping[str, Any]
    line: int | None = None

    def __str__(self) -> str:
        told = "".join(f" {name.replace('_', '-')}={value}" for name, value in self.arguments.items())
        return f"{self.do.replace('_', '-')}{told}"


class Scenario(msgspec.Struct, frozen=True):
    """``what`` happens, for organisers; ``page``: where the docs tell it newsrooms; ``night``: what it is played on when it is played by itself."""

    name: str
    title: str
    what: str
    page: str
    night: Settings
    steps: tuple[Step, ...]
