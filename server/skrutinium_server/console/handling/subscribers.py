"""Who reads, and what each of them is doing now."""

import datetime
from dataclasses import dataclass

from aiohttp import web

from skrutinium_server.authority.model import Subscriber
from skrutinium_server.authority.state import stand
from skrutinium_server.console.desk import desk, shown
from skrutinium_server.console.feeds import Told, told_by_feeds
from skrutinium_server.console.looking import Look
from skrutinium_server.console.readers import Doing, Readers


@dataclass(frozen=True, slots=True)
class Row:
    """A subscriber: as registered (None: known to the feed only), as the feeds and the access log see it, and how up to date it is."""

    id: str
    name: str
    registered: Subscriber | None
    standing: str
    told: Told | None
    doing: Doing | None
    news: str

    @property
    def order(self) -> tuple[int, str]:
        """Who is in trouble comes first, then who reads, then the others."""
        words = self.doing.words if self.doing else ""
        rank = 0 if "refus" in words else 1 if self.news.startswith("behind") else 2 if words else 3
        return rank, self.id


async def show_subscribers(request: web.Request) -> web.Response:
    """All subscribers."""
    console = desk(request)
    look = await console.looking.look()
    told = await told_by_feeds(console.settings.metrics)
    registered = (await console.people.state()).subscribers
    path = console.settings.access_log
    log = None if path is None else await console.following.of(path)
    readers = log.readers if log else Readers()
    ids = {*registered, *readers.known(), *(one for one in told if one != "-")}
    table = [_row(id, registered.get(id), told.get(id), readers.doing(id, look.at), look) for id in ids]
    return await shown(
        request,
        "subscribers.html",
        look,
        rows=sorted(table, key=lambda row: row.order),
        nobody=told.get("-"),
        metrics=bool(console.settings.metrics),
        log=log is not None,
        trouble=log.trouble if log else "",
    )


def seen_rows(readers: Readers, look: Look) -> list[Row]:
    """Everybody who reads according to a log of another feed than the site's."""
    found = [(id, readers.doing(id, look.at)) for id in readers.known()]
    return sorted((Row(id, "", None, "", None, doing, "") for id, doing in found), key=lambda row: row.order)


def _row(id: str, subscriber: Subscriber | None, told: Told | None, doing: Doing | None, look: Look) -> Row:
    name = subscriber.registration.name if subscriber else "as access.toml names it"
    standing = stand(subscriber.standing) if subscriber else ""
    return Row(id, name, subscriber, standing, told, doing, _news(doing, look))


def _news(doing: Doing | None, look: Look) -> str:
    """Whether it has asked for news since the newest release came out."""
    run = look.shown
    if doing is None or run is None or run.newest is None or run.age is None:
        return ""
    if doing.seen.run == run.id and (doing.seen.release or 0) >= run.newest.release:
        return "up to date"
    if doing.seen.news is None:
        return ""
    released = look.at - datetime.timedelta(seconds=run.age)
    if doing.seen.news >= released:
        return "up to date"
    if run.age < 5:
        return "about to ask"
    return f"behind: has not asked since release {run.newest.release}"
