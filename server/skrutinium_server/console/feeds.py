"""What the feeds tell of each subscriber in their metrics: open connections, and answers since the feed was started."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from skrutinium_server.process.status import scraped


@dataclass(slots=True)
class Told:
    """Of one subscriber, over all feeds: ``connections`` open now, ``answered`` requests, ``unchanged`` ones (304), ``refused`` by code."""

    connections: int = 0
    answered: int = 0
    unchanged: int = 0
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)


async def told_by_feeds(metrics: Iterable[tuple[str, int]]) -> dict[str, Told]:
    """What feeds tell, by subscriber. One that cannot be read is left out: it is an alarm of the status."""
    found: dict[str, Told] = {}
    for host, port in metrics:
        try:
            text = await asyncio.to_thread(scraped, host, port)
            add(found, text)
        except (OSError, ValueError):
            continue
    return found


def add(found: dict[str, Told], text: str) -> None:
    """Add the metrics of one feed; raises ValueError for what are none. Pure but for ``found``."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            subscriber = sample.labels.get("subscriber")
            if subscriber is None:
                continue
            told = found.setdefault(subscriber, Told())
            value = int(sample.value)
            match sample.name:
                case "skrutinium_connections":
                    told.connections += value
                case "skrutinium_requests_total" if sample.labels["status"] == "304":
                    told.unchanged += value
                case "skrutinium_requests_total":
                    told.answered += value
                case "skrutinium_refused_total":
                    told.refused[sample.labels["code"]] += value
                case "skrutinium_sent_bytes_total":
                    told.bytes += value
                case _:
                    pass
