"""A clock that a test turns."""

import datetime

from tests.crisis.night import NOW


class Clock:
    """Tells :data:`NOW` until it is turned on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime.datetime:
        return self.now

    def on(self, seconds: float) -> None:
        """Turn it on."""
        self.now += datetime.timedelta(seconds=seconds)
