"""The event log of the site, newest first."""

import asyncio
from typing import Any, Final

import msgspec
from aiohttp import web

from skrutinium_server.authority.model import Entry
from skrutinium_server.console.desk import desk, shown

PAGE: Final = 100
"""Entries of a page."""


async def show_log(request: web.Request) -> web.Response:
    """A page of entries, up to the one that the address names."""
    console = desk(request)
    entries = await asyncio.to_thread(console.authority.log.entries)
    told = request.query.get("to", "")
    last = (
        min(int(told), len(entries)) if told.isascii() and told.isdigit() and len(told) < 10 else len(entries)
    )
    first = max(0, last - PAGE)
    return await shown(
        request,
        "log.html",
        await console.looking.look(),
        rows=[
            (entry, _kind(entry), _about(msgspec.to_builtins(entry.event)))
            for entry in entries[first:last][::-1]
        ],
        older=first,
        newer=min(last + PAGE, len(entries)) if last < len(entries) else 0,
        all=len(entries),
    )


def _kind(entry: Entry) -> str:
    return str(entry.event.__struct_config__.tag).replace("-", " ")


def _about(told: Any) -> str:
    """The facts of an event in one line."""
    match told:
        case dict():
            return ", ".join(
                f"{name.replace('_', ' ')} {_about(value)}"
                for name, value in told.items()
                if name not in ("kind", "verifier") and value not in (None, "", (), [])
            )
        case (dict(), *_):
            return " ".join(str(one.get("id", "")) for one in told)
        case list() | tuple():
            return " and ".join(map(str, told))
        case _:
            return str(told)
