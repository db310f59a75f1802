"""The documents of a series itself: manifest, checkpoint, heartbeat, and the state of a release store.

Every function is pure: same arguments, same bytes. The bytes are UTF-8 with one declaration line and end with a newline;
they are what gets signed. Source: design § 4.3, § 4.4 and § 5.
"""

import datetime
import itertools
from collections.abc import Iterable
from operator import attrgetter

from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.stamp import (
    DECLARATION,
    NAMESPACE,
    VERSION,
    Stamp,
    utc,
)
from skrutinium_server.release.model import State
from skrutinium_server.release.store.model import ManifestRow, Run


def manifest(
    stamp: Stamp,
    series: str,
    previous: str,
    position: int,
    ledger_hash: str,
    state: State,
    expected: int,
    reported: int,
    checkpoint: bool,
    rows: Iterable[ManifestRow],
) -> bytes:
    """The manifest of one release: the documents it changed, whatever the order of ``rows``.

    ``previous`` is the hash of the manifest before (64 zeros for the first), ``position`` and ``ledger_hash`` the cut in
    the ledger, ``expected`` and ``reported`` protocols of the event. Raises
    :class:`~skrutinium_server.release.errors.NotIssuable` when a path comes twice.
    """
    mark = ' checkpoint="true"' if checkpoint else ""
    head = (
        f'series="{attribute(series)}" previous="{attribute(previous)}" position="{position}" '
        f'ledger="{attribute(ledger_hash)}" state="{attribute(state)}" expected="{expected}" reported="{reported}"{mark}'
    )
    return _index("manifest", stamp, head, rows)


def checkpoint(stamp: Stamp, series: str, manifest_hash: str, rows: Iterable[ManifestRow]) -> bytes:
    """The index of the whole snapshot of one release; ``manifest_hash`` is the hash of that release's manifest.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` when a path comes twice.
    """
    return _index(
        "checkpoint",
        stamp,
        f'series="{attribute(series)}" manifest="{attribute(manifest_hash)}"',
        rows,
    )


def heartbeat(stamp: Stamp, series: str, manifest_hash: str, alive: datetime.datetime) -> bytes:
    """The publisher is alive at ``alive`` (wall clock); ``stamp`` and ``manifest_hash`` are those of its newest release."""
    return (
        f'{DECLARATION}<heartbeat {stamp.attributes()} series="{attribute(series)}" '
        f'manifest="{attribute(manifest_hash)}" alive="{utc(alive)}"/>\n'
    ).encode()


def feed_state(number: int, time: datetime.datetime, runs: Iterable[Run]) -> bytes:
    """The state file of a release store: its runs by event and id; ``number`` counts the versions of the file from 1.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` when an event has two current runs or a run comes twice.
    """
    ordered = sorted(runs, key=attrgetter("event", "id"))
    _refuse_twice("run", [f"{run.event}/{run.id}" for run in ordered])
    _refuse_twice("current run of the event", [run.event for run in ordered if run.current])
    rows = "".join(map(_run_row, ordered))
    return (
        f'{DECLARATION}<feed-state xmlns="{NAMESPACE}" schema="{VERSION}" number="{number}" time="{utc(time)}">\n'
        f"{rows}</feed-state>\n"
    ).encode()


def _run_row(run: Run) -> str:
    date = f' date="{attribute(run.date)}"' if run.date else ""
    not_before = "" if run.not_before is None else f' not-before="{utc(run.not_before)}"'
    first = "" if run.first_date is None else f' first-date="{attribute(run.first_date)}"'
    series = "".join(f'  <series id="{attribute(name)}"/>\n' for name in sorted(run.series))
    return (
        f' <run event="{attribute(run.event)}" id="{attribute(run.id)}" name="{attribute(run.name)}"{date} '
        f'law="{attribute(run.law)}" phase="{attribute(run.phase)}" open="{_boolean(run.open)}" '
        f'current="{_boolean(run.current)}"{not_before}{first}>\n{series} </run>\n'
    )


def _index(element: str, stamp: Stamp, head: str, rows: Iterable[ManifestRow]) -> bytes:
    ordered = sorted(rows, key=attrgetter("path"))
    _refuse_twice("path", [row.path for row in ordered])
    body = "".join(
        f' <document path="{attribute(row.path)}" size="{row.size}" sha256="{attribute(row.sha256)}" '
        f'schema="{attribute(row.schema)}" codebook="{row.codebook}"/>\n'
        for row in ordered
    )
    return f"{DECLARATION}<{element} {stamp.attributes()} {head}>\n{body}</{element}>\n".encode()


def _refuse_twice(what: str, ordered: list[str]) -> None:
    for before, after in itertools.pairwise(ordered):
        if before == after:
            raise NotIssuable(f"{what} {after!r} comes twice; expected it once")


def _boolean(value: bool) -> str:
    return "true" if value else "false"
