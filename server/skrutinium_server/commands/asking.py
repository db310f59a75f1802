"""Asking the counting house of a site: the one that runs, or one of our own for as long as this takes."""

import asyncio
from typing import Any

from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import commands


def ask_house(site: Site, **request: Any) -> dict[str, Any]:
    """Carry out one command; its answer. Raises :class:`ProcessError` with the reason when it is refused."""

    async def asked() -> dict[str, Any]:
        async with commands(site) as house:
            return await house.ask(**request)

    return asyncio.run(asked())
