"""Sandboxes: nights that are played again and again, steered by the organiser; and the scenarios that happen in them."""

import asyncio
import datetime
import functools
import re
from pathlib import Path
from typing import Final

from aiohttp import web

from skrutinium_server.authority.model import SandboxSteered
from skrutinium_server.console.desk import NOTHING, Form, Refused, desk, session, shown
from skrutinium_server.console.errors import FormError, StageAbsent
from skrutinium_server.console.handling.subscribers import seen_rows
from skrutinium_server.console.sandboxes import STEERING, Sandbox
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.sandboxes import Sandboxes
from skrutinium_server.rehearsal.scenarios import Scenario, load, names
from skrutinium_server.rehearsal.scenarios.playing import moment
from skrutinium_server.rehearsal.stage.processes import watching_of

_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


async def show_sandboxes(
    request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
) -> web.Response:
    """All sandboxes; that nobody serves them is said, and no fault."""
    look = await desk(request).looking.look()
    found, absent = await _sandboxes(request)
    return await shown(
        request,
        "sandboxes.html",
        look,
        refused,
        entered=entered,
        sandboxes=list(found.values()),
        absent=absent,
    )


async def show_sandbox(
    request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
) -> web.Response:
    """One sandbox with everything that it can be told."""
    look = await desk(request).looking.look()
    found, absent = await _sandboxes(request)
    sandbox = found.get(request.match_info["sandbox"])
    if absent:
        raise StageAbsent(absent)
    if sandbox is None:
        raise web.HTTPNotFound
    scenarios = await asyncio.to_thread(known_scenarios)
    log = await desk(request).following.of(access_log(desk(request).site, sandbox.name))
    return await shown(
        request,
        "sandbox.html",
        look,
        refused,
        entered=entered,
        sandbox=sandbox,
        scenarios=scenarios,
        rows=seen_rows(log.readers, look),
    )


async def steer(request: web.Request, form: Form) -> tuple[str, str]:
    """Tell a sandbox to do something, and record who did."""
    console = desk(request)
    name, do = request.match_info.get("sandbox") or form.get("sandbox", ""), form.get("do", "")
    if do not in STEERING:
        raise FormError(f"{do[:40]!r} is nothing that a sandbox can be told.")
    told = {}
    match do:
        case "seek":
            told["to"] = await _to(request, name, form.get("to", "").strip())
        case "speed":
            told["speed"] = form.get("speed", "").strip()
        case "play":
            told["scenario"] = form.get("scenario", "")
        case _:
            pass
    await console.stage.steer(name, do, told)
    text = " ".join(told.values())
    event = SandboxSteered(name, do, text)
    await asyncio.to_thread(console.authority.record, event, who=session(request).person)
    here = f"/sandboxes/{name}" if "sandbox" in request.match_info else "/sandboxes"
    return here, f"{name}: {_SAID[do].format(text)}"


_SAID: Final = {
    "pause": "paused; readers go on getting heartbeats.",
    "go": "goes on.",
    "seek": "is brought to {}.",
    "speed": "plays at speed {}.",
    "restart": "begins anew, with a new run.",
    "play": "the scenario {} is being played.",
    "stop": "the scenario ends, and what it broke is mended.",
}


async def _to(request: web.Request, name: str, told: str) -> str:
    """Where to seek: a share of the protocols, or a time of the night as its clock shows it."""
    if told.endswith("%"):
        return told
    if (found := _CLOCK.fullmatch(told)) is None:
        raise FormError(
            f"{told[:40]!r} is no place of a night; expected a share such as 40% or a time such as 20:30."
        )
    sandbox = (await _sandboxes(request))[0].get(name)
    if sandbox is None or sandbox.begins is None:
        raise FormError("The sandbox does not tell when its night begins; give a share such as 40%.")
    zone = (await desk(request).looking.look()).zone
    return moment(datetime.time(int(found[1]), int(found[2])), sandbox.begins, zone).isoformat()


async def _sandboxes(request: web.Request) -> tuple[dict[str, Sandbox], str]:
    """What the stage manager says, or why it says nothing."""
    try:
        return await desk(request).stage.list(), ""
    except (StageAbsent, ProcessError) as error:
        return {}, str(error)


def access_log(site: Site, sandbox: str) -> Path:
    """The access log of a sandbox's feed."""
    path = watching_of(Sandboxes(site).root / sandbox / "site").access_log
    assert path is not None
    return path


@functools.cache
def known_scenarios() -> tuple[Scenario, ...]:
    """Every scenario that comes with the program; reads files."""
    return tuple(map(load, names()))
