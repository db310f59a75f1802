"""``skrutinium diff``: what differs between two releases, or between the newest of two places."""

import argparse
import contextlib
import dataclasses
import json
from typing import Any

from skrutinium.commands.choice import which_run
from skrutinium.commands.export import chosen
from skrutinium.commands.telling import tell
from skrutinium.documents.protocols import Correction
from skrutinium.errors import ChoiceNeeded, NoSuchPlace
from skrutinium.following.feed import Feed, connect
from skrutinium.following.release import Release
from skrutinium.sources.mail.places import is_mail, shown
from skrutinium.tables.changes import Differences, RecordChange, changes_between
from skrutinium.tables.columns import TABLES
from skrutinium.tables.records import moment
from skrutinium.trust.signing import plain_fingerprint
from skrutinium.watching.view import grouped

HELP = "tell what differs between two releases, or between two places"
_NEWEST = "newest"


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="address of a feed or a public folder, or a folder with a release store",
    )
    parser.add_argument("from_", metavar="FROM", help="number of the older release; or another place")
    parser.add_argument(
        "to",
        metavar="TO",
        nargs="?",
        help=f"number of the newer release, or {_NEWEST}; left out where FROM is a place",
    )
    chosen(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    which_run(parser)


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code: 1 when there are differences."""
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    async with contextlib.AsyncExitStack() as stack:
        one = await stack.enter_async_context(_feed(told, told.place))
        if told.to is None:
            other = await stack.enter_async_context(_feed(told, told.from_))
            older, newer = await one.release(), await other.release()
        else:
            older, newer = await _release(one, told.from_), await _release(one, told.to)
        try:
            found = await changes_between(
                older, newer, tables=told.tables, areas=told.areas, contests=told.contests, kinds=told.kinds
            )
        except ValueError as error:
            raise ChoiceNeeded(str(error)) from None
    if told.json:
        print(json.dumps(values(older, newer, found), ensure_ascii=False, indent=1))
    else:
        tell("\n".join(_lines(older, newer, found)))
    return 1 if found.changes or found.corrections else 0


def _feed(told: argparse.Namespace, place: str) -> Feed:
    if is_mail(place):
        raise NoSuchPlace(
            "differences cannot be told from crisis mail: it brings agreed documents of some releases, and a difference is told between all "
            "documents of two. `skrutinium mail PLACE --save DIR` keeps what came; `skrutinium export` fills tables from a feed and mails",
            address=shown(place),
        )
    return connect(place, event=told.event, run=told.run_id, fingerprint=told.fingerprint)


async def _release(feed: Feed, text: str) -> Release:
    if text == _NEWEST:
        return await feed.release()
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise ChoiceNeeded(f"{text!r} is no release: expected a number from 1, or {_NEWEST}")
    return await feed.release(int(text))


def values(older: Release, newer: Release, found: Differences) -> dict[str, Any]:
    """What differs, as JSON has it."""
    return {
        "event": newer.event_id,
        "from": _named(older),
        "to": _named(newer),
        "changes": [_change(one) for one in found.changes],
        "corrections": [_correction(one) for one in found.corrections],
    }


def _named(release: Release) -> dict[str, Any]:
    return {
        "release": release.number,
        "run": release.run,
        "phase": release.phase,
        "time": moment(release.time),
        "manifest": release.sha256,
        "source": release.source,
    }


def _change(one: RecordChange) -> dict[str, Any]:
    key = dict(zip(TABLES[one.table].key, one.key, strict=True))
    return {"table": one.table, "key": key, "field": one.field, "old": one.old, "new": one.new}


def _correction(one: Correction) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "time": moment(one.time)}


def _lines(older: Release, newer: Release, found: Differences) -> list[str]:
    corrections = [
        f"correction: precinct {one.precinct}, contest {one.contest}, entry {one.entry} for {one.supersedes}: "
        f"{one.reason} ({one.authority})"
        for one in found.corrections
    ]
    count = f"{grouped(len(found.changes))} differences, {grouped(len(found.corrections))} corrections"
    where = "" if older.source == newer.source else f" of {newer.source}"
    return [
        *map(str, found.changes),
        *corrections,
        f"{newer.event_id}: release {older.number} of {older.source}, release {newer.number}{where}: {count}",
    ]
