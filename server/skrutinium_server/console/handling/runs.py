"""Runs: opening them, and what is decided while they are open."""

from aiohttp import web

from skrutinium_server.console import words
from skrutinium_server.console.deciding import decide
from skrutinium_server.console.desk import NOTHING, Form, Refused, desk, shown
from skrutinium_server.console.errors import FormError
from skrutinium_server.console.handling.night import picture
from skrutinium_server.console.looking import SeenRun
from skrutinium_server.ledger.model import Phase


async def show_runs(
    request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
) -> web.Response:
    """All runs, and the form that opens one."""
    look = await desk(request).looking.look()
    return await shown(request, "runs.html", look, refused, entered=entered)


async def open_run(request: web.Request, form: Form) -> tuple[str, str]:
    """Open a run, or ask for a live one."""
    phase = _phase(form.get("phase", ""))
    run = form.get("run", "").strip()
    told = {name: form.get(name, "").strip() or None for name in ("event", "not_before", "not_before_reason")}
    answer = await decide(request, form, phase, do="open", run=run, phase=phase, **told)
    if "pending" in answer:
        return f"/confirm/{run}", _pending(answer)
    return (
        f"/runs/{run}",
        f"Run {run} ({phase}) is open, with version {answer['definition']} of the definition of {answer['event']}.",
    )


async def show_run(
    request: web.Request, entered: Form = NOTHING, refused: Refused | None = None
) -> web.Response:
    """One run, and what can be decided about it."""
    look = await desk(request).looking.look()
    run = look.run(request.match_info["run"])
    if run is None:
        raise web.HTTPNotFound
    told = await picture(request, look, run)
    return await shown(request, "run.html", look, refused, run=run, picture=told, entered=entered)


async def decide_run(request: web.Request, form: Form) -> tuple[str, str]:
    """Close, declare, open again, hold or lift."""
    run = await _run(request)
    do, here = form.get("do", ""), f"/runs/{run.id}"
    told = {"do": do, "run": run.id}
    match do:
        case "close":
            said = f"Run {run.id} is closed: a last release with a checkpoint is out."
        case "declare":
            told |= {name: form.get(name, "") for name in ("state", "reason", "authority")}
            said = f"The results of run {run.id} are declared {told['state']}."
        case "reopen":
            told |= {name: form.get(name, "") for name in ("reason", "authority")}
            said = f"Run {run.id} is open again."
        case "hold":
            told |= {"contest": form.get("contest", "").strip(), "reason": form.get("reason", "")}
            said = f"Contest {told['contest']} is held: what comes in for it is set aside."
        case "lift":
            told |= {"contest": form.get("contest", "").strip()}
            said = f"Contest {told['contest']} is published again, with everything that was set aside."
        case _:
            raise FormError(f"{do[:40]!r} is nothing that this page does.")
    answer = await decide(request, form, run.phase, **told)
    if "pending" in answer:
        return f"/confirm/{run.id}", _pending(answer)
    return here, said


async def _run(request: web.Request) -> SeenRun:
    run = (await desk(request).looking.look()).run(request.match_info["run"])
    if run is None:
        raise web.HTTPNotFound
    return run


def _pending(answer: dict[str, dict[str, str]]) -> str:
    pending = answer["pending"]
    return (
        f"You asked to {words.DECISIONS[pending['do']]} the live run {pending['run']}. Nothing has happened yet: "
        f"until {pending['until'][11:19]} UTC another person logs in, looks at this page and confirms."
    )


def _phase(told: str) -> Phase:
    match told:
        case "test" | "rehearsal" | "live":
            return told
        case _:
            raise FormError("Choose what the run is for: test, rehearsal or live.")
