"""Metrics of the crisis mail: its state, the outbox, who is refused, whether the relay takes mail."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from skrutinium_server.crisis.reporting import crisis_status
from skrutinium_server.crisis.running import Crisis

STATES = ("disarmed", "armed", "running", "ending")


class CrisisMetrics:
    """What a crisis mail at work tells; ``folder`` is its own."""

    def __init__(self, mail: Crisis, folder: Path) -> None:
        self._mail = mail
        self._folder = folder

    def __call__(self) -> Iterable[Metric]:
        """The metrics of this moment, in the event loop."""
        now = type(self._mail.state).__name__.lower()
        state = GaugeMetricFamily("skrutinium_crisis_state", "1 for the state it is in.", labels=["state"])
        for name in STATES:
            state.add_metric([name], float(name == now))
        yield state
        yield GaugeMetricFamily(
            "skrutinium_crisis_relay_trouble",
            "1 while the relay cannot be used.",
            value=float(self._mail.sending.trouble is not None),
        )
        unwritten = self._mail.operators.unusable or self._mail.sending.unwritten is not None
        yield GaugeMetricFamily(
            "skrutinium_crisis_outbox_trouble",
            "1 while the outbox cannot be written, as on a full disk.",
            value=float(unwritten),
        )

    def outbox(self) -> Iterable[Metric]:
        """Messages by what became of them, and recipients whose last message was refused; reads the outbox, in a thread."""
        told = crisis_status(self._folder)
        messages = GaugeMetricFamily(
            "skrutinium_crisis_messages", "Messages, by what became of them.", labels=["state"]
        )
        for name, count in told.outbox.items():
            messages.add_metric([name], count)
        yield messages
        refused = len({one.recipient for one in told.recipients if one.state == "failed"})
        yield GaugeMetricFamily(
            "skrutinium_crisis_refused", "Recipients whose last message was refused.", value=refused
        )
