"""The console as a server: its addresses, TLS, and a port that is nobody else's."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from aiohttp import web

from skrutinium_server.console.desk import DESK, Act, Desk, Shown, attempt
from skrutinium_server.console.door import add_headers, door
from skrutinium_server.console.errors import ConsoleSettingsError
from skrutinium_server.console.handling import (
    confirming,
    entry,
    log,
    night,
    notices,
    preflight,
    runs,
    sandboxes,
    subscribers,
)
from skrutinium_server.feed.errors import AddressInUse, CertificateError
from skrutinium_server.feed.serving import listening_sockets
from skrutinium_server.feed.tls import Certificate

LARGEST: Final = 64 * 1024
"""Bytes of a form."""

LOOK: Final = 5.0
"""Seconds between two looks whether the certificate changed."""


def application(desk: Desk) -> web.Application:
    """The pages of a console."""
    app = web.Application(middlewares=[door], client_max_size=LARGEST)
    app[DESK] = desk
    app.on_response_prepare.append(add_headers)
    app.add_routes(
        [
            web.get("/", night.show_night),
            web.get("/login", entry.show_login),
            web.post("/login", entry.log_in),
            web.post("/logout", entry.log_out),
            web.get("/static/{name}", entry.static),
            *_both("/runs", runs.show_runs, runs.open_run),
            *_both("/runs/{run}", runs.show_run, runs.decide_run),
            *_both("/confirm/{run}", confirming.show_wish, confirming.confirm),
            *_both("/sandboxes", sandboxes.show_sandboxes, sandboxes.steer),
            *_both("/sandboxes/{sandbox}", sandboxes.show_sandbox, sandboxes.steer),
            web.get("/subscribers", subscribers.show_subscribers),
            web.get("/preflight", preflight.show_preflight),
            *_both("/notices", notices.show_notices, notices.tell),
            web.get("/log", log.show_log),
        ]
    )
    return app


def _both(path: str, show: Shown, act: Act) -> list[web.RouteDef]:
    """A page and its forms, at one address: it can be opened again whatever became of a form."""
    return [web.get(path, partial(show)), web.post(path, partial(attempt, act=act, show=show))]


@contextlib.asynccontextmanager
async def serving(desk: Desk) -> AsyncIterator[tuple[str, int]]:
    """Serve a console for as long as this lasts; host and port it listens at.

    Raises :class:`ConsoleSettingsError` when the port is somebody else's, CertificateError for a certificate that cannot be used.
    """
    settings = desk.settings
    certificate = None
    if settings.certificate is not None and settings.key is not None:
        certificate = await asyncio.to_thread(Certificate, settings.certificate, settings.key)
    try:
        sockets = await listening_sockets(settings.host, settings.port, reuse_port=False)
    except AddressInUse as error:
        raise ConsoleSettingsError(
            f"The console cannot listen at {settings.host} port {settings.port}: {error.__cause__}. "
            "It shares a port with nobody, least of all with the feed: take another one, such as 8100."
        ) from error
    runner = web.AppRunner(application(desk), access_log=None, keepalive_timeout=75)
    renewing: asyncio.Task[None] | None = None
    try:
        await desk.start()
        await runner.setup()
        for listening in sockets:
            context = certificate.context if certificate else None
            await web.SockSite(runner, listening, ssl_context=context).start()
        if certificate is not None:
            renewing = asyncio.create_task(_renew(certificate), name="console certificate")
        host, port = sockets[0].getsockname()[:2]
        yield str(host), int(port)
    finally:
        if renewing is not None:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        await runner.cleanup()
        await desk.stop()
        for listening in sockets:
            listening.close()


async def _renew(certificate: Certificate) -> None:
    """Take a new certificate when its files change; one that cannot be used leaves the last good one in force."""
    told = ""
    while True:
        await asyncio.sleep(LOOK)
        try:
            await asyncio.to_thread(certificate.look)
            told = ""
        except CertificateError as error:
            if str(error) != told:
                logging.getLogger("skrutinium.console").error("alarm certificate: %s", error)  # noqa: TRY400
            told = str(error)
