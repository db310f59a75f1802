"""What a sandbox plays, and where it is in it."""

import datetime
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from skrutinium_server.rehearsal.errors import RehearsalError, SandboxError
from skrutinium_server.rehearsal.playing import read_speed

LONGEST_REST: Final = 86_400
"""Seconds."""


class SandboxSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sandbox.toml``: ``host`` and ``port`` are where newsrooms read; ``speed`` is a text such as ``60`` or ``1/2``.

    ``rest``: seconds for which the end of a night can be looked at before it begins again; ``scenarios``: played in every passage, each by
    its own times.
    """

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    host: str = "127.0.0.1"
    phase: Literal["test", "rehearsal"] = "rehearsal"
    speed: str = "60"
    rest: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_REST)] = 60
    scenarios: tuple[str, ...] = ()

    @property
    def fraction(self) -> Fraction:
        """The speed; raises :class:`RehearsalError`."""
        return read_speed(self.speed)


_TEXT: Final = """\
# A sandbox: {source}. Read when it begins; take it up again with: skrutinium-server sandbox restart
# Where newsrooms read. Behind a proxy that speaks TLS, let the proxy write X-Forwarded-For.
host = {host}
port = {port}
# test or rehearsal; never live.
phase = {phase}
# So many times as fast as the night was, 0.1 to 1000.
speed = {speed}
# Seconds for which the end can be looked at before the night begins again.
rest = {rest}
# Scenarios that are played in every passage, each by its own times.
scenarios = {scenarios}
"""


def write_sandbox(settings: SandboxSettings, source: str) -> str:
    """The text of ``sandbox.toml``."""
    told = {name: _toml(value) for name, value in msgspec.to_builtins(settings).items()}
    return _TEXT.format(source=source.replace("\n", " "), **told)


def _toml(value: object) -> str:
    # JSON texts, whole numbers and lists of texts are TOML as well.
    return msgspec.json.encode(value).decode()


def read_sandbox(path: Path) -> SandboxSettings:
    """Read ``sandbox.toml``; raises :class:`SandboxError` naming what is wrong."""
    try:
        settings = msgspec.convert(tomllib.loads(path.read_text("utf-8")), SandboxSettings)
        read_speed(settings.speed)
    except FileNotFoundError:
        raise SandboxError(f"{path} is missing; expected what the sandbox plays.") from None
    except (msgspec.ValidationError, ValueError, RecursionError, RehearsalError) as error:
        raise SandboxError(f"{path}: {error}") from error
    return settings


class Playing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``playing.json``: where the sandbox is, so that whoever is killed goes on there. ``time`` is the night's (aware)."""

    passage: int
    time: datetime.datetime
    speed: str
    paused: bool
