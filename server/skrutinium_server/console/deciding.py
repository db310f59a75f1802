"""Decisions about runs, taken by the counting process; the console only carries them there, with who decides."""

import asyncio
from typing import Any, Final

from aiohttp import web

from skrutinium_server.console.desk import VISITOR, Form, desk, session
from skrutinium_server.console.errors import ConsoleError, FormError, NotCounting
from skrutinium_server.ledger.model import Phase
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.socket import connect

PATIENCE: Final = 300.0
"""Seconds that a decision may take: closing publishes everything first."""


async def decide(request: web.Request, form: Form, phase: Phase, /, **told: Any) -> dict[str, Any]:
    """Ask the counting process as the person of the session, who proves it once more where the run is live.

    Raises :class:`NotCounting`, :class:`FormError`, :class:`TooManyTries` and the errors of the counting process.
    """
    console, person, address = desk(request), session(request).person, request[VISITOR].address
    if phase != "live":
        return await _asked(request, by=person, **told)
    passphrase = form.get("passphrase", "")
    if not passphrase:
        raise FormError("Type your passphrase: a decision about a live run takes it once more.")
    console.tries.take(person, address)
    try:
        answer = await _asked(request, by=person, passphrase=passphrase, **told)
    except (ConsoleError, ProcessError) as error:
        if error.code != "not-authenticated":
            console.tries.right(person, address)
        raise
    console.tries.right(person, address)
    return answer


async def _asked(request: web.Request, **told: Any) -> dict[str, Any]:
    there = await connect(desk(request).site)
    if there is None:
        raise NotCounting(
            "Nobody counts this site, so nothing can be decided. Start: skrutinium-server serve SITE, or count."
        )
    try:
        async with asyncio.timeout(PATIENCE):
            return await there.ask(**told)
    except TimeoutError as error:
        raise ConsoleError(
            f"The counting process has been at it for {PATIENCE:.0f} s. Look at the run before you do it again."
        ) from error
    finally:
        there.close()
