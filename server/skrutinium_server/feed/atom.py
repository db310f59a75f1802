"""``/status.atom``: incidents, planned changes and changes of state as an Atom feed (RFC 4287).

Ids are UUIDs made from what an entry is about, so they are the same at every process and site, for ever. Without a notice or a
readable release the feed is empty, and says that it was updated when the era of Unix began.
"""

import datetime
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

from skrutinium_server.feed.pages import utc
from skrutinium_server.feed.past import StateChange
from skrutinium_server.feed.permission import Allowed
from skrutinium_server.feed.representation import NEWEST, Answer, represent
from skrutinium_server.feed.shelf import Published

KIND: Final = b"application/atom+xml; charset=utf-8"
SPACE: Final = uuid.UUID("c9ab2d5e-61f5-5c3b-9a53-0d1f8c7a4be1")
"""Under which the ids of entries are made (RFC 9562, 5.5)."""

MOST: Final = 100
"""Entries, the newest first."""

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``about`` is what its id is made from."""

    about: str
    updated: datetime.datetime
    title: str
    content: str
    kind: str

    def element(self) -> str:
        """The element ``entry``."""
        return (
            f" <entry>\n  <id>{_id(self.about)}</id>\n  <title>{_text(self.title)}</title>\n"
            f"  <updated>{utc(self.updated)}</updated>\n"
            f'  <category term="{self.kind}"/>\n  <content type="text">{_text(self.content)}</content>\n </entry>\n'
        )


def atom_page(published: Published, allowed: Allowed, changes: Iterable[StateChange]) -> Answer:
    """The feed for one reader: ``changes`` are of the series that it may read."""
    entries = [*_notices(published), *_states(published, allowed, changes)]
    entries.sort(key=lambda entry: (entry.updated, entry.about), reverse=True)
    updated = entries[0].updated if entries else _EPOCH
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">\n'
        f" <id>{_id('status')}</id>\n <title>Skrutinium: status</title>\n <updated>{utc(updated)}</updated>\n"
        ' <author><name>The publisher of the results</name></author>\n <link rel="self" href="/status.atom"/>\n'
        f"{''.join(entry.element() for entry in entries[:MOST])}</feed>\n"
    )
    return Answer(represent(body.encode(), kind=KIND, varies=False), NEWEST)


def _notices(published: Published) -> Iterable[Entry]:
    notices = published.notices
    for incident in notices.incidents:
        ended = f" Ended at {utc(incident.ended)}." if incident.ended else " It goes on."
        yield Entry(
            f"incident/{incident.id}",
            incident.ended or incident.begun,
            f"Incident {incident.id}: {'over' if incident.ended else 'going on'}",
            f"{incident.text} Begun at {utc(incident.begun)}.{ended}",
            "incident",
        )
    told = published.noticed or _EPOCH
    for planned in notices.planned:
        yield Entry(
            f"planned/{utc(planned.time)}/{planned.text}",
            # What is to come was told with the notices; afterwards it stays as it was when it happened.
            min(told, planned.time),
            f"Planned change at {utc(planned.time)}",
            planned.text,
            "planned",
        )


def _states(published: Published, allowed: Allowed, changes: Iterable[StateChange]) -> Iterable[Entry]:
    for change in changes:
        event, run, series = change.key
        found = published.run(event, run)
        if found is None or allowed.reads(event, run) is not None:
            continue
        yield Entry(
            f"state/{event}/{run}/{series}/{change.number}",
            datetime.datetime.fromisoformat(change.time),
            f"{event} {run} ({found.phase}), {series}: {change.state}",
            f"From release {change.number} on the results of this {found.phase} run are {change.state}.",
            "state",
        )


def _id(about: str) -> str:
    return uuid.uuid5(SPACE, about).urn


def _text(text: str) -> str:
    return escape(text, quote=False)
