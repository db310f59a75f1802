"""Metrics of a feed for Prometheus, on a port of their own, never the public one.

Those who serve only count whole numbers; what is scraped is put together when somebody asks. A small copy is taken in the event
loop, so that it is of one moment, and written as text in a thread. A feed whose loop hangs answers 503. Labels are bounded:
subscribers of the access list, kinds, codes of refusals, series. Source: issue "Seen by its operator".
"""

import asyncio
import concurrent.futures
import datetime
import logging
import socketserver
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol, Self

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from skrutinium_server.feed.connections import Connections
from skrutinium_server.feed.errors import AddressInUse
from skrutinium_server.feed.kinds import KINDS
from skrutinium_server.feed.limits import Usage
from skrutinium_server.feed.line_file import LineWriter
from skrutinium_server.feed.push import Broadcaster
from skrutinium_server.feed.shelf import Published

log = logging.getLogger("skrutinium.metrics")

PATIENCE: Final = 5.0
"""Seconds that a scrape waits for the event loop."""

NOBODY: Final = "-"
"""Stands for those without a range where a subscriber is named."""


class Snapshot(Protocol):
    """Whoever can tell its metrics in its own event loop."""

    def __call__(self) -> Iterable[Metric]:
        """The metrics of this moment."""


class _Collector:
    """Asks the loop for a snapshot at each scrape."""

    def __init__(self, loop: asyncio.AbstractEventLoop, snapshot: Snapshot, beside: Snapshot | None) -> None:
        self._loop = loop
        self._snapshot = snapshot
        self._beside = beside

    def describe(self) -> Iterable[Metric]:
        """Nothing is told before the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment; raises TimeoutError when the loop does not answer."""
        told: concurrent.futures.Future[list[Metric]] = concurrent.futures.Future()

        def take() -> None:
            try:
                told.set_result(list(self._snapshot()))
            except Exception as error:  # noqa: BLE001 - goes to whoever scrapes
                told.set_exception(error)

        self._loop.call_soon_threadsafe(take)
        yield from told.result(PATIENCE)
        if self._beside is not None:
            yield from self._beside()


class _Handler(BaseHTTPRequestHandler):
    """``GET /metrics``, and nothing else."""

    server: "_Listening"
    timeout = 10

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path.partition("?")[0] != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"metrics are at /metrics\n")
            return
        encode, kind = choose_encoder(self.headers.get("Accept", ""))
        try:
            body = encode(self.server.registry)
        except (TimeoutError, RuntimeError, OSError) as error:
            told = f"the process does not answer: {type(error).__name__}\n".encode()
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", told)
            return
        except Exception as error:
            log.exception("the metrics cannot be told")
            told = f"the metrics cannot be told: {type(error).__name__}\n".encode()
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", told)
            return
        self._answer(HTTPStatus.OK, kind, body)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Scrapes are not logged."""


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_port = True  # a process that takes the place of another one starts before that one has ended
    registry: CollectorRegistry

    def server_bind(self) -> None:
        """Bind without asking for the name of the host, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - named by socketserver
        """A scraper that goes away in the middle is nobody's fault; anything else is told in the log."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("a scrape failed", exc_info=error)


class MetricsServer:
    """Serves the metrics of one process at ``host``:``port``; an asynchronous context manager. Raises :class:`AddressInUse`.

    ``snapshot`` is asked in ``loop``, ``beside`` in a thread, for what waits for the disk.
    """

    def __init__(
        self,
        host: str,
        port: int,
        snapshot: Snapshot,
        loop: asyncio.AbstractEventLoop,
        beside: Snapshot | None = None,
    ) -> None:
        try:
            self._server = _Listening((host, port), _Handler)
        except OSError as error:
            raise AddressInUse(host, port, error) from error
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Collector(loop, snapshot, beside))
        self._server.registry = registry
        self.address: tuple[str, int] = (host, self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True
        )

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._thread.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class FeedMetrics:
    """What a feed tells.

    ``published``: the state that it serves; ``logs``: the files it writes a line at a time; ``looked``: seconds since the store was looked at.
    """

    def __init__(
        self,
        connections: Connections,
        broadcaster: Broadcaster,
        published: Callable[[], Published],
        logs: Sequence[LineWriter[Any]],
        looked: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._connections = connections
        self._broadcaster = broadcaster
        self._published = published
        self._logs = logs
        self._looked = looked
        self._now = now

    def __call__(self) -> Iterable[Metric]:
        """The metrics of this moment; in the event loop."""
        usage = dict(self._connections.limits.by_subscriber())
        usage[NOBODY] = self._connections.limits.nobody
        yield from _requests(usage)
        yield from self._of_connections()
        yield from self._of_store(self._published())

    def _of_connections(self) -> Iterable[Metric]:
        held = GaugeMetricFamily(
            "skrutinium_connections", "Connections that are open.", labels=["subscriber"]
        )
        for subscriber, count in self._connections.of_subscribers().items():
            held.add_metric([subscriber], count)
        yield held
        yield _gauge(
            "skrutinium_push_connections", "Push connections that are open.", self._broadcaster.waiting
        )
        yield _counter(
            "skrutinium_push_dropped",
            "Push clients dropped because they did not read.",
            self._broadcaster.dropped,
        )
        yield _counter(
            "skrutinium_connections_dropped",
            "Connections ended because what they read may not be read any more.",
            self._connections.dropped,
        )
        for lines in self._logs:
            name = f"skrutinium_{lines.name.replace(' ', '_')}_lost"
            yield _counter(name, f"Lines of the {lines.name} that were lost.", lines.lost)

    def _of_store(self, published: Published) -> Iterable[Metric]:
        labels = ["event", "run", "series"]
        release = GaugeMetricFamily("skrutinium_release_number", "Newest release.", labels=labels)
        age = GaugeMetricFamily(
            "skrutinium_release_age_seconds", "Seconds since the newest release was written.", labels=labels
        )
        now = self._now()
        for key, series in published.series.items():
            release.add_metric(list(key), series.number)
            age.add_metric(list(key), (now - series.written).total_seconds())
        alarms = GaugeMetricFamily("skrutinium_alarm", "1 for each alarm that lasts.", labels=["alarm"])
        for name in published.alarms:
            alarms.add_metric([name], 1)
        for lines in self._logs:
            if lines.trouble:
                alarms.add_metric([lines.name], 1)
        yield from (release, age, alarms)
        yield _gauge(
            "skrutinium_store_looked_seconds", "Seconds since the store was looked at.", self._looked()
        )
        yield _gauge("skrutinium_state_number", "Number of the state file.", published.number)


def _requests(usage: dict[str, Usage]) -> Iterable[Metric]:
    """Answers by subscriber, kind and status; refusals by subscriber and code; bytes of bodies."""
    answers = CounterMetricFamily(
        "skrutinium_requests", "Requests answered.", labels=["subscriber", "kind", "status"]
    )
    refused = CounterMetricFamily(
        "skrutinium_refused", "Requests refused, by reason.", labels=["subscriber", "status", "code"]
    )
    sent = CounterMetricFamily("skrutinium_sent_bytes", "Bytes of bodies answered.", labels=["subscriber"])
    classes: Counter[str] = Counter()
    for subscriber, used in usage.items():
        for status, counts in (("200", used.answered), ("304", used.unchanged)):
            for kind, count in zip(KINDS, counts, strict=True):
                if count:
                    answers.add_metric([subscriber, kind, status], count)
            classes[f"{status[0]}xx"] += sum(counts)
        for (number, code), count in used.refused.items():
            refused.add_metric([subscriber, str(number), code], count)
            classes[f"{number // 100}xx"] += count
        sent.add_metric([subscriber], used.bytes)
    by_class = CounterMetricFamily(
        "skrutinium_answers", "Answers by class of status; 3xx are those that cost nothing.", labels=["class"]
    )
    for name in ("2xx", "3xx", "4xx", "5xx"):
        by_class.add_metric([name], classes[name])
    return answers, refused, sent, by_class


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
