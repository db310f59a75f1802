"""Joining what a source tells of an event to what the site knows of it already."""

from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import Definition
from skrutinium_server.process.errors import SiteError
from skrutinium_server.process.site import Site


def complete(site: Site, facts: Definition) -> Definition:
    """Join facts to what is known of their event, store that, and return it.

    Facts that do not tell a date have an event without a year; they are those of the event that gets, or has, one.
    """
    with site.alone():
        known = _same_event(site, facts)
        joined = facts if known is None else merge(site.definitions(known).newest(), facts)
        if known is not None and joined.event != known:  # no run rests on an event that has no date yet
            folder = site.root / "definition"
            (folder / known).rename(folder / joined.event)
        return site.definitions(joined.event).load(site.define(joined))


def _same_event(site: Site, facts: Definition) -> str | None:
    events = site.events()
    if facts.event in events:
        return facts.event
    same = []
    for event in events:
        known = site.definitions(event).newest()
        assert known is not None
        dated, other = (facts, known) if known.date is None else (known, facts)
        if dated.date and other.date is None and dated.event == f"{other.event}{dated.date.year}":
            same.append(event)
    if len(same) > 1:
        raise SiteError(f"These facts may be of the events {', '.join(same)}. Say which one with --event.")
    return same[0] if same else None
