"""``skrutinium export``: keep the tables of a run in a folder of CSV files, in SQLite or in PostgreSQL, equal to the feed."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from skrutinium.commands.choice import listed, where_of_it, which_run
from skrutinium.commands.going_on import Going, going_on
from skrutinium.commands.telling import tell, tell_first_met
from skrutinium.errors import ChoiceNeeded
from skrutinium.following.feed import Feed, connect
from skrutinium.following.release import Release
from skrutinium.sinks.csv_folder import CsvSink
from skrutinium.sinks.postgresql import PostgresSink
from skrutinium.sinks.sink import Sink
from skrutinium.sinks.sqlite import SqliteSink
from skrutinium.tables.columns import TABLES
from skrutinium.tables.records import moment
from skrutinium.trust.signing import plain_fingerprint
from skrutinium.watching.view import grouped

HELP = "keep the tables of a run as CSV files, in SQLite or in PostgreSQL, equal to the feed"
UNCHANGED = 3
_FILL = 5.0
"""Seconds between two looks for documents that are missing."""
_WHOLE = ("event.xml", "summary.xml")
"""What is told of the whole event comes along whatever areas are chosen."""


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="address of a feed or a public folder, or a folder with a release store",
    )
    parser.add_argument(
        "--to", metavar="SINK", required=True, help="csv:DIR, sqlite:FILE or postgresql://USER@HOST/DATABASE"
    )
    parser.add_argument(
        "--schema", metavar="NAME", default="skrutinium", help="schema of the tables in PostgreSQL"
    )
    parser.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    chosen(parser)
    parser.add_argument("--phase", choices=("test", "rehearsal", "live"), help="refuse any other phase")
    parser.add_argument(
        "--json", action="store_true", help="print what was taken as JSON, one object a release"
    )
    which_run(parser)


def chosen(parser: argparse.ArgumentParser) -> None:
    """The options by which some of the tables, areas, contests and kinds are chosen."""
    parser.add_argument(
        "--tables", metavar="NAME[,NAME]", type=listed, help=f"only these tables, of {', '.join(TABLES)}"
    )
    where_of_it(parser)


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    going = Going(told.event, told.run_id, plain=told.json)
    async with sink_by(told) as sink:

        async def take() -> int:
            async with _feed(told, sink, going) as feed:
                going.opened(feed)
                return await _export(feed, Taking(sink, going, plain=told.json), follow=told.follow)

        return await (going_on(take, going) if told.follow else take())


def _feed(told: argparse.Namespace, sink: Sink, going: Going) -> Feed:
    return connect(
        told.place,
        event=going.event,
        run=going.run,
        phase=told.phase,
        fingerprint=told.fingerprint,
        state=sink,
        areas=told.areas,
        contests=told.contests,
        kinds=told.kinds,
        only=_WHOLE if sink.selection.located else None,
    )


def sink_by(told: argparse.Namespace) -> Sink:
    """The sink that ``--to`` names; raises :class:`ChoiceNeeded` for what is none."""
    kind, _, where = told.to.partition(":")
    wanted = {"tables": told.tables, "areas": told.areas, "contests": told.contests, "kinds": told.kinds}
    try:
        match kind:
            case "csv" if where:
                return CsvSink(Path(where), **wanted)
            case "sqlite" if where:
                return SqliteSink(Path(where), **wanted)
            case "postgresql" | "postgres" if where:
                return PostgresSink(told.to, schema=told.schema, **wanted)
    except ValueError as error:
        raise ChoiceNeeded(str(error)) from None
    raise ChoiceNeeded(
        "--to: expected csv:DIR, sqlite:FILE or postgresql://USER@HOST/DATABASE, as in --to sqlite:night.sqlite"
    )


class Taking:
    """Releases go into the sink and are told; ``missing`` are the documents that no source delivered yet, None when nobody knows them all."""

    def __init__(self, sink: Sink, going: Going, *, plain: bool) -> None:
        self.plain = plain
        self.missing: tuple[str, ...] | None = ()
        self._sink = sink
        self._going = going

    async def take(self, release: Release, *, always: bool = False) -> bool:
        """Take a release and tell it when it changed something, or ``always``; whether it did."""
        changed = await self._sink.take(release)
        self._going.goes()
        if changed or always:
            self.missing = await self._sink.missing()
            _show(release, self._sink, self.missing, changed=changed, plain=self.plain)
        return changed


async def _export(feed: Feed, taking: Taking, *, follow: bool) -> int:
    if feed.unpinned and not taking.plain:
        tell_first_met(feed.fingerprint)
    newest = await feed.release()
    changed = await taking.take(newest, always=True)
    if follow:
        await _follow(feed, newest, taking)
    return 0 if changed else UNCHANGED


async def _follow(feed: Feed, last: Release, taking: Taking) -> None:
    """Take each release that comes; while documents are missing, look now and then whether a source has them."""
    releases = feed.releases()
    while True:
        coming = asyncio.ensure_future(anext(releases))
        try:
            while not coming.done():
                pause = None if taking.missing == () else _FILL
                if not (await asyncio.wait([coming], timeout=pause))[0]:
                    await taking.take(last)
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait([coming])
        last = coming.result()
        await taking.take(last)


def values(release: Release, sink: Sink, missing: tuple[str, ...] | None, *, changed: bool) -> dict[str, Any]:
    """What was taken, as JSON has it; ``missing`` documents are counted, null where nobody knows them all."""
    return {
        "changed": changed,
        "event": release.event_id,
        "run": release.run,
        "phase": release.phase,
        "release": release.number,
        "time": moment(release.time),
        "state": release.state,
        "expected": release.expected,
        "reported": release.reported,
        "missing": None if missing is None else len(missing),
        "to": sink.where,
    }


def _show(
    release: Release, sink: Sink, missing: tuple[str, ...] | None, *, changed: bool, plain: bool
) -> None:
    if plain:
        print(json.dumps(values(release, sink, missing, changed=changed), ensure_ascii=False), flush=True)
        return
    counted = f"{grouped(release.reported)} of {grouped(release.expected)} protocols"
    what = "is now at" if changed else "is already at"
    without = ", without what no mail brought" if missing is None else ""
    if missing:
        without = f", without {grouped(len(missing))} documents that nobody delivers yet"
    tell(
        f"{release.event_id}/{release.run} ({release.phase}): {sink.where} {what} release {release.number}, {counted}{without}"
    )
