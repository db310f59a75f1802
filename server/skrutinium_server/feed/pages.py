"""``/access`` and ``/health``: small JSON objects about the feed itself; ``/``: which addresses there are, as text.

``/access``: ``address`` as seen, ``allowed``, ``range`` (name), ``subscriber`` (id), ``network``, ``kind`` (live or test), ``until``, ``why`` (code and message
when nothing may be read), ``runs`` (``event``, ``run``, ``phase``, ``readable``, otherwise ``why``, and ``not_before`` when it is to come). ``/health``: ``alive`` and ``looked``,
seconds since the store was looked at.
"""

import datetime
import json
from collections.abc import Mapping
from typing import Any, Final

from skrutinium_server.feed.access import seen_as
from skrutinium_server.feed.permission import Allowed
from skrutinium_server.feed.refusals import Refusal
from skrutinium_server.feed.representation import CONTRACT, NO_STORE, Answer, represent
from skrutinium_server.release.store.model import Run

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
STALLED = 10.0
"""Seconds without a look at the store after which the feed is not healthy."""

ADDRESSES: Final = """\
Skrutinium: addresses of this feed (GET, HEAD and OPTIONS; conditional requests; parts by Range)

About the feed
  /access                              is my address inside, what may it read, until when
  /status  /status.xml  /status.atom   how old the newest releases are, incidents, planned changes, second site
  /health                              200 or 503
  /state.xml                           events, runs, phases, signed
  /notices.xml                         what the operator tells, signed
  /keys/KEYID.pem                      public key, and .sig after a rotation

Before: registers, codebooks, calendar, bundle
  /event/EVENT/registers/newest/PATH   registers.xml and registers.xml.sig list what there is: bundle.zip, calendar.ics ...
  /event/EVENT/registers/N/PATH        the same of version N of the definition
  /event/EVENT/registers/at/TIME/PATH  the same as of a time
  /xsd/...  /codebooks/...  /samples/...

During: releases
  /event/EVENT/newest/PATH             manifest.xml, manifest.xml.sig, event.xml, summary.xml, area/ID.xml, contest/ID.xml ...
  /event/EVENT/newest/manifest.xml?after=N   only a later release; with Prefer: wait=30 as soon as there is one
  /event/EVENT/release/N/PATH          as of release N
  /event/EVENT/at/TIME/PATH            as of a time such as 2018-10-06T15:00:00Z
  /event/EVENT/line                    the newest release in a line for each kind of contest
  /event/EVENT/changes?since=N         all that changed after release N, one tar
  /event/EVENT/changes?since=N&area=ID[,ID...]&contest=ID[,ID...]&only=PATH[,PATH...]   part of it, always with manifests
  /event/EVENT/push                    server-sent events; ?area= and ?contest= as above
  /event/EVENT/pack/N                  release N in one file
  /event/EVENT/checkpoint/newest.xml   index of everything; N.xml, and .sig
  /event/EVENT/heartbeat.xml           the publisher is alive
  /object/SHA256                       one document, or one protocol exactly as taken over
  /pls/...  /appdata/...               the series volby, as at volby.cz
  /event/EVENT/receipt                 POST in tests and rehearsals, where receipts are taken: what a reader has done

After: archives
  /event/EVENT/archive/newest.zip      complete results down to the precinct; newest-csv.zip, N.zip, N-csv.zip

Another run than the current one: /event/EVENT/run/RUN/...; another series: /event/EVENT/series/SERIES/...
"""


def page(content: Mapping[str, Any]) -> Answer:
    """An answer that is made for each request."""
    body = json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"
    return Answer(represent(body, kind=JSON, varies=False), NO_STORE)


def access_page(address: str, allowed: Allowed, runs: tuple[Run, ...]) -> Answer:
    """Which address was seen, whether it is inside, what it may read, until when, and why not."""
    grant, barred = allowed.grant, allowed.barred
    told: dict[str, Any] = {
        "address": seen_as(address),
        "allowed": barred is None,
        "range": grant.name if grant else None,
    }
    if grant is not None:
        told |= {
            "subscriber": grant.subscriber,
            "network": str(grant.network),
            "kind": grant.kind,
            "events": sorted(grant.events) if grant.events is not None else None,
            "until": utc(grant.until) if grant.until else None,
        }
    if barred is not None:
        return page(told | {"why": _why(barred)})
    return page(told | {"runs": [_access(allowed, run) for run in runs]})


def _access(allowed: Allowed, run: Run) -> dict[str, Any]:
    refusal = allowed.reads(run.event, run.id)
    told: dict[str, Any] = {
        "event": run.event,
        "run": run.id,
        "phase": run.phase,
        "readable": refusal is None,
    }
    if refusal is not None:
        told["why"] = _why(refusal)
        if refusal.until is not None:
            told["not_before"] = utc(refusal.until)
    return told


def _why(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "message": refusal.message}


def utc(moment: datetime.datetime) -> str:
    """A moment in UTC, to the second."""
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def health_page(looked: float) -> Answer | Refusal:
    """Whether the store is being looked at: 200, or 503 for those who only look at the status."""
    told = page({"alive": looked < STALLED, "looked": round(looked, 3)})
    if looked < STALLED:
        return told
    return Refusal(503, "stalled", "", document=told.representation.body, kind=JSON, closes=True)


def addresses_page() -> Answer:
    """Which addresses there are, for people."""
    return Answer(represent(ADDRESSES.encode(), kind=TEXT, varies=False), CONTRACT)
