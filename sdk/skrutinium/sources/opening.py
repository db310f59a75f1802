"""Telling by its name what a place is, and opening it as a source."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from skrutinium.errors import NoSuchPlace
from skrutinium.sources.credentials import plain_address
from skrutinium.sources.folder import Folder
from skrutinium.sources.hosted import remote_source
from skrutinium.sources.mail.places import is_mail
from skrutinium.sources.mail.source import open_mail
from skrutinium.sources.source import Source
from skrutinium.sources.transport import Patience, Transport, Waiting

Place = str | Path | Source
"""An address (``http://``, ``https://``), a folder, mails (``maildir:``, ``mbox:``, ``eml:``, ``imaps://``), or a source that is open already."""


def is_address(place: Place) -> bool:
    """Whether a place is read by HTTP."""
    return isinstance(place, str) and place.lower().startswith(("http://", "https://"))


async def source_at(
    place: Place,
    patience: Patience | None = None,
    session: aiohttp.ClientSession | None = None,
    waiting: Waiting | None = None,
) -> Source:
    """What ``place`` is: a feed or a release store at an address, mails, or a folder with a store; whoever asks closes it.

    ``waiting`` is told when a request is to be made again, and in how many seconds. Raises :class:`NoSuchPlace`, :class:`AccessRefused`.
    """
    if isinstance(place, str) and is_address(place):
        transport = Transport(place, session=session, patience=patience, waiting=waiting)
        try:
            return await remote_source(transport)
        except BaseException:
            await transport.close()
            raise
    if isinstance(place, str) and is_mail(place):
        if (plain := plain_address(place)) != place:
            raise NoSuchPlace(
                "an address of mails holds no password: put it into a file that SKRUTINIUM_MAIL_PASSWORD_FILE names",
                address=plain,
            )
        return open_mail(place)
    if isinstance(place, str) and "://" in place:
        raise NoSuchPlace(
            "no kind of address that is known: expected https://, http://, imaps://, or a folder",
            address=plain_address(place),
        )
    if isinstance(place, str | Path):
        return Folder(Path(place))
    return place


@asynccontextmanager
async def open_source(
    place: Place,
    patience: Patience | None = None,
    session: aiohttp.ClientSession | None = None,
    waiting: Waiting | None = None,
) -> AsyncIterator[Source]:
    """The source at ``place`` (:func:`source_at`); at the end it is closed, unless it was passed in open."""
    source = await source_at(place, patience, session, waiting)
    try:
        yield source
    finally:
        if source is not place:
            await source.close()
