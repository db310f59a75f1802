"""One protocol of a night that is to be replayed. Source: requirements M6, M11."""

import datetime
from typing import NamedTuple

from skrutinium_server.intake.model import TakenOver


class Due(NamedTuple):
    """One protocol of the night: when it came in, and its bytes.

    One that was brought as a correction has its ``reason`` (codebook ``correction-reasons``) and ``authority``.
    """

    at: datetime.datetime
    taken_over: TakenOver
    reason: str | None = None
    authority: str | None = None
