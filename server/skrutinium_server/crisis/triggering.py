"""When results are sent by e-mail: by a person's command, or by itself when armed and the feed has failed for a set time. Pure.

A state is one of a tagged union, and :func:`step` is its only change. Who or what is behind each is part of it. Source: requirement M9.
"""

import datetime
from collections.abc import Mapping
from typing import Literal

import msgspec

from skrutinium_server.crisis.recipients import Watch

WATCH = "the watch of the feed"
"""Who begins and ends when nobody does."""


class Disarmed(msgspec.Struct, frozen=True, tag="disarmed"):
    """Nothing begins by itself."""


class Armed(msgspec.Struct, frozen=True, tag="armed"):
    """The feed is looked at; ``suspected``: since when it fails without a break, and ``why`` it did at last."""

    suspected: datetime.datetime | None = None
    why: str = ""


class Running(msgspec.Struct, frozen=True, tag="running"):
    """Results are sent. ``crisis`` is its number; ``seen``: the newest release that readers of the feed surely could read, by run.

    ``armed``: the watch goes on after it; ``by_itself``: it ends when the feed is back, ``back`` since then.
    """

    crisis: int
    since: datetime.datetime
    by: str
    reason: str
    by_itself: bool
    armed: bool
    seen: Mapping[str, int]
    back: datetime.datetime | None = None


class Ending(msgspec.Struct, frozen=True, tag="ending"):
    """The last messages are still to be queued; then it is over."""

    crisis: int
    by: str
    reason: str
    armed: bool
    seen: Mapping[str, int]


State = Disarmed | Armed | Running | Ending


class Arm(msgspec.Struct, frozen=True, tag="arm"):
    """A person lets it begin by itself."""

    by: str
    reason: str


class Disarm(msgspec.Struct, frozen=True, tag="disarm"):
    """A person lets nothing begin by itself."""

    by: str
    reason: str


class Start(msgspec.Struct, frozen=True, tag="start"):
    """A person lets it begin; ``crisis`` is its new number."""

    by: str
    reason: str


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """A person lets it end. What the watch sees does not begin it again until somebody arms it."""

    by: str
    reason: str


class Looked(msgspec.Struct, frozen=True, tag="looked"):
    """The feed was looked at: it serves (with the newest release by run that it serves), it fails, or it does not say (``unclear``)."""

    verdict: Literal["serves", "fails", "unclear"]
    why: str
    seen: Mapping[str, int] = {}


class Announced(msgspec.Struct, frozen=True, tag="announced"):
    """The last messages are queued."""


Input = Arm | Disarm | Start | Stop | Looked | Announced
Decision = Arm | Disarm | Start | Stop
"""What a person decides."""


class Step(msgspec.Struct, frozen=True):
    """What follows: the state, and what the operators are told (empty: nothing)."""

    state: State
    told: str = ""


def step(
    state: State, given: Input, now: datetime.datetime, watch: Watch, crisis: int, seen: Mapping[str, int]
) -> Step:
    """What follows from an input at ``now`` (aware). ``crisis``: the number of one that begins now; ``seen``: as of the last good look."""
    match given:
        case Start():
            return _start(state, given, now, crisis, seen)
        case Stop():
            return _stop(state, given)
        case Arm() | Disarm():
            return _arm(state, given)
        case Looked():
            return _looked(state, given, now, watch, crisis, seen)
        case Announced():
            if isinstance(state, Ending):
                return Step(Armed() if state.armed else Disarmed())
            return Step(state)


def _start(state: State, given: Start, now: datetime.datetime, crisis: int, seen: Mapping[str, int]) -> Step:
    if isinstance(state, Running):
        if not state.by_itself:
            return Step(state)
        # A person who starts what runs already keeps it from ending by itself.
        kept = msgspec.structs.replace(state, by=given.by, reason=given.reason, by_itself=False, back=None)
        return Step(kept, f"{given.by} keeps the crisis mail going until a person stops it: {given.reason}")
    armed = isinstance(state, Armed) or (isinstance(state, Ending) and state.armed)
    begun = Running(crisis, now, given.by, given.reason, by_itself=False, armed=armed, seen=dict(seen))
    return Step(begun, f"Crisis mail was started by {given.by}: {given.reason}")


def _stop(state: State, given: Stop) -> Step:
    if not isinstance(state, Running):
        return Step(state)
    # Still armed it would begin again by itself, for whoever stops it need not wait for the feed.
    ending = Ending(state.crisis, given.by, given.reason, armed=False, seen=state.seen)
    told = f"Crisis mail was stopped by {given.by}: {given.reason}"
    return Step(
        ending, f"{told}. It does not begin by itself until it is armed again." if state.armed else told
    )


def _arm(state: State, given: Arm | Disarm) -> Step:
    armed = isinstance(given, Arm)
    word = "armed" if armed else "disarmed"
    told = f"Crisis mail was {word} by {given.by}: {given.reason}"
    match state:
        case Running() | Ending():
            return Step(msgspec.structs.replace(state, armed=armed), told if state.armed != armed else "")
        case Armed():
            return Step(state) if armed else Step(Disarmed(), told)
        case Disarmed():
            return Step(Armed(), told) if armed else Step(state)


def _looked(
    state: State,
    given: Looked,
    now: datetime.datetime,
    watch: Watch,
    crisis: int,
    seen: Mapping[str, int],
) -> Step:
    match state:
        case Armed():
            return _suspect(state, given, now, watch, crisis, seen)
        case Running(by_itself=True):
            return _recover(state, given, now, watch)
        case _:
            return Step(state)


def _suspect(
    state: Armed,
    given: Looked,
    now: datetime.datetime,
    watch: Watch,
    crisis: int,
    seen: Mapping[str, int],
) -> Step:
    if given.verdict == "serves":
        return Step(Armed())
    if given.verdict == "unclear":
        return Step(state)
    since = state.suspected
    # A clock that was set back must not make a failure older than it is.
    if since is None or since > now:
        return Step(Armed(now, given.why))
    failed = (now - since).total_seconds()
    if failed < watch.failed:
        return Step(Armed(since, given.why))
    reason = f"the feed has failed for {failed:.0f} s: {given.why}"
    begun = Running(crisis, now, WATCH, reason, by_itself=True, armed=True, seen=dict(seen))
    return Step(begun, f"Crisis mail began by itself: {reason}")


def _recover(state: Running, given: Looked, now: datetime.datetime, watch: Watch) -> Step:
    if given.verdict == "fails":
        return Step(msgspec.structs.replace(state, back=None))
    if given.verdict == "unclear":
        return Step(state)
    back = state.back
    if back is None or back > now:
        return Step(msgspec.structs.replace(state, back=now))
    if (now - back).total_seconds() < watch.back:
        return Step(state)
    reason = f"the feed has served for {(now - back).total_seconds():.0f} s"
    ending = Ending(state.crisis, WATCH, reason, armed=state.armed, seen=state.seen)
    return Step(ending, f"Crisis mail ends by itself: {reason}")
