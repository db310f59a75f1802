"""The first page: how the night goes."""

from aiohttp import web

from skrutinium_server.console import pictures, words
from skrutinium_server.console.curve import Point
from skrutinium_server.console.desk import desk, shown
from skrutinium_server.console.looking import Look, SeenRun
from skrutinium_server.release.store.errors import StoreError


async def show_night(request: web.Request) -> web.Response:
    """Alarms, the run that the night is about, its curve, the other runs, what waits for a person."""
    look = await desk(request).looking.look()
    run = look.shown
    return await shown(request, "night.html", look, run=run, picture=await picture(request, look, run))


async def picture(request: web.Request, look: Look, run: SeenRun | None) -> dict[str, object]:
    """The curve of a run, the same as rows, and the sentence that says it; what cannot be read shows nothing, and is an alarm."""
    if run is None:
        return {"curve": "", "rows": [], "label": ""}
    try:
        points = await desk(request).looking.points(run)
    except (StoreError, OSError):
        points = []
    label = _label(run, points)
    return {
        "curve": pictures.curve(points, look.zone, label),
        "rows": pictures.rows(points) if points else [],
        "label": label,
    }


def _label(run: SeenRun, points: list[Point]) -> str:
    if not points:
        return f"No release of run {run.id} yet."
    last = points[-1]
    return (
        f"Protocols reported over time in run {run.id}: {words.grouped(last.reported)} of {words.grouped(last.expected)} "
        f"({words.share(last.reported, last.expected)}) at release {last.release}."
    )
