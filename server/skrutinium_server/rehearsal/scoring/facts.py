"""The facts of a run: its releases from the release store, what was done on the stage, and who may read. Reads files."""

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from skrutinium_server.authority.access_list import read_list
from skrutinium_server.election.law import load_law
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.scoring.model import (
    Mailing,
    Night,
    Published,
    ScoringError,
    Series,
    Subscriber,
    Trouble,
)
from skrutinium_server.rehearsal.stage.acts import Act, acts_path, read_acts
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import StoreReader, read_manifest
from skrutinium_server.release.store.registers import RegistersReader

GRACE: Final = datetime.timedelta(minutes=10)
"""After the last release or act readers may still catch up; what comes later is no part of the run."""

_TROUBLES: Final[Mapping[str, str | None]] = {
    "outage": None,
    "second_site_only": "first",
    "stale": "first",
    "refuse": None,
    "slow": None,
    "truncate": None,
    "break_off": None,
    "wrong_signature": None,
    "skew": None,
}
"""Acts that make something go wrong until ``restore``, with the site where the act does not say which."""


def read_night(site: Site, run: str) -> Night:
    """The facts of one run of ``site``; raises :class:`ScoringError` for one without a release, SiteError when there is none such."""
    record = site.run(run)
    reader = StoreReader(site.store)
    series = {id: Series(id, _releases(reader, SeriesKey(record.event, run, id))) for id in record.series}
    times = [one.time for told in series.values() for one in told.releases]
    if not times:
        raise ScoringError(f"The run {run!r} has no release yet: there is nothing to score.")
    acts = read_acts(acts_path(site.root, run))
    newest = RegistersReader(site.store).newest(record.event)
    return Night(
        record.event,
        run,
        record.phase,
        site.told()[run].name,
        record.law,
        load_law(record.law).time_zone,
        record.definition,
        record.definition_sha256,
        newest.number if newest else record.definition,
        series,
        troubles_of(acts),
        mailings_of(acts),
        min(times),
        max([*times, *(act.time for act in acts)]),
    )


def read_subscribers(site: Site) -> tuple[Subscriber, ...]:
    """Who may read the site, by its access list; raises :class:`ScoringError`."""
    try:
        _, listed = read_list(site.access.read_bytes())
    except (OSError, ValueError) as error:
        raise ScoringError(
            f"{site.access} cannot be read ({error}). It says who may read the feed."
        ) from error
    return tuple(sorted((Subscriber(one.id, one.name) for one in listed), key=lambda one: one.id))


def _releases(reader: StoreReader, key: SeriesKey) -> tuple[Published, ...]:
    newest = reader.newest(key)
    return tuple(_release(reader, key, number) for number in range(1, newest.number + 1)) if newest else ()


def _release(reader: StoreReader, key: SeriesKey, number: int) -> Published:
    """One release; it was there when its manifest was written, which comes last."""
    path = reader.layout.manifest(key, number)
    data = reader.manifest_bytes(key, number)
    told = read_manifest(path, data)
    written = path.stat().st_mtime_ns // 1_000_000
    rows = {row.path: row.sha256 for row in told.rows}
    return Published(
        number,
        hashlib.sha256(data).hexdigest(),
        _moment(written),
        datetime.datetime.fromisoformat(told.time),
        told.state,
        told.reported,
        told.expected,
        frozenset(rows),
        rows.get(f"corrections/{number}.xml", ""),
    )


def _moment(milliseconds: int) -> datetime.datetime:
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(microsecond=rest * 1000)


# ------------------------------------------------------------------------------------------------ acts
def troubles_of(acts: Iterable[Act]) -> tuple[Trouble, ...]:
    """What went wrong on purpose, and until when. Pure."""
    found: list[Trouble] = []
    for act in acts:
        if act.name in _TROUBLES:
            which = _TROUBLES[act.name] or str(act.arguments.get("which", "first"))
            found.append(Trouble(act.name, which, act.time, None))
        elif act.name == "restore":
            which = str(act.arguments.get("which", "both"))
            found = [
                Trouble(one.what, one.which, one.begun, act.time)
                if one.ended is None and which in ("both", one.which)
                else one
                for one in found
            ]
    return tuple(found)


def mailings_of(acts: Iterable[Act]) -> tuple[Mailing, ...]:
    """When crisis mail was sent. Pure."""
    found: list[Mailing] = []
    for act in acts:
        if act.name == "mail_begin":
            found.append(Mailing(act.time, None))
        elif act.name == "mail_end" and found and found[-1].ended is None:
            found[-1] = Mailing(found[-1].begun, act.time)
    return tuple(found)
