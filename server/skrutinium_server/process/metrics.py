"""Metrics of the counting process: what came in, what was cut and published, and what troubles it. Source: issue "Seen by its operator"."""

import os
from collections.abc import Iterable

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from skrutinium_server.ledger.writing import BOUNDS
from skrutinium_server.process.house import House


class CountMetrics:
    """What the runs that are open tell; called in the event loop of the counting process."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __call__(self) -> Iterable[Metric]:
        """The metrics of this moment."""
        yield from self._protocols()
        yield from self._series()
        yield self._commits()
        alarms = GaugeMetricFamily(
            "skrutinium_count_alarm", "1 for each trouble that lasts.", labels=["run", "part"]
        )
        for name, run in self._house.runs.items():
            for part in run.trouble:
                alarms.add_metric([name, part], 1)
        for name in self._house.left_alone:
            alarms.add_metric([name, "run"], 1)
        yield alarms

    def room(self) -> Iterable[Metric]:
        """Room on the disk; in a thread."""
        told = os.statvfs(self._house.site.root)
        yield GaugeMetricFamily(
            "skrutinium_disk_free_bytes", "Room on the disk of the site.", value=told.f_bavail * told.f_frsize
        )

    def _protocols(self) -> Iterable[Metric]:
        brought = CounterMetricFamily(
            "skrutinium_protocols", "Protocols brought, by what became of them.", labels=["run", "outcome"]
        )
        expected = GaugeMetricFamily("skrutinium_protocols_expected", "Protocols expected.", labels=["run"])
        reported = GaugeMetricFamily(
            "skrutinium_protocols_reported", "Protocols that are in.", labels=["run"]
        )
        for name, run in self._house.runs.items():
            counting = run.counting
            for outcome, count in counting.brought.items():
                brought.add_metric([name, outcome], count)
            expected.add_metric([name], len(counting.index.definition.polls))
            reported.add_metric([name], counting.reported)
        return brought, expected, reported

    def _series(self) -> Iterable[Metric]:
        labels = ["run", "series"]
        cut = GaugeMetricFamily("skrutinium_releases_cut", "Number of the newest cut.", labels=labels)
        behind = GaugeMetricFamily("skrutinium_publisher_lag", "Cuts not published yet.", labels=labels)
        restarts = CounterMetricFamily(
            "skrutinium_publisher_restarts", "Starts of a publisher that had ended.", labels=labels
        )
        for name, run in self._house.runs.items():
            for series, publisher in run.publishers.items():
                cut.add_metric([name, series], run.counting.series[series].number)
                behind.add_metric([name, series], run.behind(series))
                restarts.add_metric([name, series], publisher.restarts)
        return cut, behind, restarts

    def _commits(self) -> Metric:
        commits = HistogramMetricFamily(
            "skrutinium_ledger_commit_seconds", "Time until a commit was durable.", labels=["run"]
        )
        for name, run in self._house.runs.items():
            counts, total = run.counting.commits
            below, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
                below += count
                buckets.append((bound, float(below)))
            commits.add_metric([name], buckets, total / 1_000_000_000)
        return commits
