"""A feed that says when to come back is not asked before, whatever for."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from skrutinium import LimitReached, Patience
from skrutinium.sources.transport import Transport


class Limited:
    """A server that refuses what it is asked first, and then answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((asyncio.get_running_loop().time(), request.path))
        if len(self.asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response(body=b"here")


@pytest.fixture
async def limited() -> AsyncIterator[Limited]:
    made = Limited()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def test_nothing_is_asked_before_the_server_wants_it(limited: Limited) -> None:
    """After a refusal that says how long to wait, other requests wait too, without being sent."""
    transport = Transport(limited.url, patience=Patience(first_pause=0.01), pick=lambda: 0.0)
    try:
        with pytest.raises(LimitReached) as refused:
            await transport.once("/first")
        assert refused.value.wait == 1
        with pytest.raises(LimitReached) as kept:
            await transport.once("/second")
        assert kept.value.wait is not None
        assert 0 < kept.value.wait <= 1
        assert (await transport.get("/third")).body == b"here"
        (first, _), (then, path) = limited.asked
        assert path == "/third"
        assert then - first >= 1
    finally:
        await transport.close()
