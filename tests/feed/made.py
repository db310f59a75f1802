"""A release store with small documents, written as the publisher writes it, and a feed on it."""

import asyncio
import contextlib
import dataclasses
import datetime
import hashlib
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import aiohttp
from multidict import CIMultiDictProxy

from skrutinium_server.feed.serving import Running, serve
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.release.formats.skrutinium import series as papers
from skrutinium_server.release.formats.skrutinium.stamp import Stamp
from skrutinium_server.release.store.model import ZEROS, ManifestRow, Run, SeriesKey
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.store.writing import StoreWriter

START = datetime.datetime(2018, 10, 6, 14, 0, tzinfo=datetime.UTC)
EVENT = "kv2018"
ALLOWED = '[[subscriber]]\nid = "this-machine"\nname = "This machine"\nlive = ["127.0.0.0/8", "::1"]\n'

Phase = Literal["test", "rehearsal", "live"]


@dataclasses.dataclass
class Published:
    """What a made series has published so far."""

    number: int = 0
    previous: str = ZEROS
    rows: dict[str, ManifestRow] = dataclasses.field(default_factory=dict)


class MadeStore:
    """A store below ``folder`` with an access list beside it; every release is one minute after the one before."""

    def __init__(self, folder: Path, signer: Signer | None = None) -> None:
        self.root = folder / "store"
        self.access = folder / "access.toml"
        self.access.write_text(ALLOWED)
        self.signer = signer or Signer.generate(folder / "keys")
        self.writer = StoreWriter(self.root, self.signer)
        self.writer.publish_key()
        self.runs: dict[str, Run] = {}
        self.state_number = 0
        self.series: dict[SeriesKey, Published] = {}

    def open_run(
        self,
        name: str,
        phase: Phase = "test",
        *,
        current: bool = True,
        event: str = EVENT,
        date: str = "2018-10-05",
        law: str = "cz-municipal-2018",
    ) -> None:
        """Add a run to the state file."""
        if current:
            self.runs = {
                id: Run(
                    run.event,
                    run.id,
                    run.name,
                    run.date,
                    run.law,
                    run.phase,
                    run.open,
                    run.current and run.event != event,
                    run.series,
                )
                for id, run in self.runs.items()
            }
        self.runs[name] = Run(
            event, name, "Made up", date, law, phase, True, current, ("skrutinium", "volby")
        )
        self.write_state()

    def write_state(self) -> None:
        """Write the state file anew."""
        self.state_number += 1
        self.writer.write_state(papers.feed_state(self.state_number, START, self.runs.values()))

    def stamp(self, key: SeriesKey, number: int) -> Stamp:
        """The stamp of one release."""
        phase: Phase = self.runs[key.run].phase  # type: ignore[assignment]
        return Stamp(key.event, key.run, phase, number, START + datetime.timedelta(minutes=number), 1)

    def release(self, key: SeriesKey, documents: dict[str, bytes], *, checkpoint: bool = False) -> str:
        """Publish the next release of a series and return the hash of its manifest."""
        held = self.series.setdefault(key, Published())
        held.number += 1
        schema = "skrutinium/1.0/skrutinium.xsd"
        rows = self.writer.put_objects((path, data, schema, 1) for path, data in sorted(documents.items()))
        held.rows.update((row.path, row) for row in rows)
        stamp = self.stamp(key, held.number)
        manifest = papers.manifest(
            stamp,
            key.series,
            held.previous,
            held.number * 10,
            "a" * 64,
            "interim",
            100,
            held.number,
            checkpoint,
            rows,
        )
        held.previous = hashlib.sha256(manifest).hexdigest()
        index = (
            papers.checkpoint(stamp, key.series, held.previous, held.rows.values()) if checkpoint else None
        )
        self.writer.publish(key, held.number, manifest, sorted(documents.items()))
        if index is not None:
            self.writer.write_checkpoint(key, held.number, index)
        return held.previous

    def beat(self, key: SeriesKey, alive: datetime.datetime = START) -> None:
        """Write a heartbeat."""
        held = self.series[key]
        self.writer.write_heartbeat(
            key, papers.heartbeat(self.stamp(key, held.number), key.series, held.previous, alive)
        )

    def close(self) -> None:
        """End the writer's threads."""
        self.writer.close()


@lru_cache(maxsize=16)
def document(name: str, version: int, size: int = 0) -> bytes:
    """A small document that tells what it is."""
    filling = "".join(
        f' <row number="{number}" votes="{number * 7919 % 1000}"/>\n' for number in range(size // 30)
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<made name="{name}" version="{version}">\n{filling}</made>\n'.encode()


def night(run: str = "night", series: str = "skrutinium") -> SeriesKey:
    """The key of a series of the made event."""
    return SeriesKey(EVENT, run, series)


def small_night(store: MadeStore, run: str = "night", phase: Phase = "live", *, current: bool = True) -> None:
    """Three releases of ``skrutinium`` (a checkpoint at the second) and two of ``volby``."""
    store.open_run(run, phase, current=current)
    key = night(run)
    store.release(
        key, {"event.xml": document(f"event {run}", 1), "contest/1.xml": document(f"contest {run}", 1, 3000)}
    )
    store.release(
        key, {"event.xml": document(f"event {run}", 2), "area/CZ.xml": document("area", 2)}, checkpoint=True
    )
    store.release(key, {"event.xml": document(f"event {run}", 3)})
    store.beat(key)
    volby = night(run, "volby")
    store.release(
        volby,
        {
            "vysledky.xml": document("VYSLEDKY", 1),
            "okresy/vysledky_obce_okres_CZ0642.xml": document("okres", 1),
            "zastup/vysledky_obec_582786.xml": document("obec", 1),
        },
    )
    store.release(
        volby,
        {
            "vysledky.xml": document("VYSLEDKY", 2),
            "okrsky/vysledky_okrsky_00001.xml": document("okrsky", 1),
            "okrsky/vysledky_okrsky_00002.xml": document("okrsky", 2),
        },
    )


@dataclasses.dataclass
class Fed:
    """A running feed and a client of it that does not decompress."""

    store: MadeStore
    running: Running
    client: aiohttp.ClientSession
    base: str

    async def get(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> tuple[int, bytes, CIMultiDictProxy[str]]:
        """Ask once; headers by keyword, ``_`` for ``-``."""
        sent = {"Accept-Encoding": "identity"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.client.request(method, self.base + path, headers=sent) as response:
            return response.status, await response.read(), response.headers

    async def until(self, path: str, holds: bytes) -> None:
        """Ask again and again until the answer holds those bytes; the limit of time ends it otherwise."""
        async with asyncio.timeout(60):
            while holds not in (await self.get(path))[1]:
                pass


@contextlib.asynccontextmanager
async def feed_on(store: MadeStore, host: str = "127.0.0.1", **settings: object) -> AsyncIterator[Fed]:
    """Serve a made store on a free port; tests ask far more than a subscriber may, so there is no limit unless one is told."""
    settings = {"settings": FeedSettings(requests_per_second=0, connections=0)} | settings
    running = await serve(store.root, store.access, host, 0, **settings)  # type: ignore[arg-type]
    reached = {"::": "127.0.0.1", "::1": "[::1]"}.get(host, host)
    base = f"http://{reached}:{running.port}"
    connector = aiohttp.TCPConnector()
    async with running, aiohttp.ClientSession(connector=connector, auto_decompress=False) as client:
        yield Fed(store, running, client, base)
