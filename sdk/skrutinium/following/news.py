"""How a reader is kept informed, and how it is with that: how often to look, by which channel, and each source's health."""

import datetime
from dataclasses import dataclass
from typing import Literal

from skrutinium.documents.notices import Incident, SecondSite
from skrutinium.documents.series import Heartbeat

Channel = Literal["push", "long-poll", "poll", "none"]


@dataclass(frozen=True, slots=True)
class Timing:
    """How often to look, in seconds; the defaults suit an election night. Each is spread by a quarter more or less.

    ``poll``: between two looks at a source that cannot tell by itself; ``wait``: how long a feed is asked to hold an answer back
    (long poll); ``others``: between two looks at a source while one before it works; ``heartbeat``, ``notices``: between two
    readings of them; ``stale_after``: silence of the publisher that is told; ``push_silence``: without a byte a stream is left, since
    something in between holds it back (a feed sends a heartbeat every 10 s); ``push_retry``: before push is tried again;
    ``rollback_grace``: how long an older release is passed over before it is an error; ``first``: how long what only a later source
    tells waits for an earlier one that works; ``again``: after which a source that was set aside is looked at again.
    """

    poll: float = 2
    wait: float = 30
    others: float = 5
    heartbeat: float = 10
    notices: float = 30
    stale_after: float = 45
    push_silence: float = 20
    push_retry: float = 30
    rollback_grace: float = 5
    first: float = 1
    again: float = 60


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How one source does.

    ``newest`` is the newest release that it tells of, ``seen`` when it last answered as it should, ``trouble`` what was wrong since;
    ``set_aside``: it is not used, because it gave what must not be trusted. ``stale``, ``silent``, ``heartbeat``: as in :class:`Health`.
    """

    where: str
    channel: Channel
    newest: int | None
    seen: datetime.datetime | None
    trouble: str | None
    set_aside: bool
    stale: bool
    silent: float
    heartbeat: Heartbeat | None


@dataclass(frozen=True, slots=True)
class Health:
    """How it is altogether: by which channel news come, whether the publisher is silent (``stale``) and for how many seconds, and what the trouble is.

    ``incidents`` are those that the operator tells of and that go on; ``second_site`` is where else the same is read; ``sources`` tells
    the same of each source, in their order.
    """

    channel: Channel
    stale: bool
    silent: float
    heartbeat: Heartbeat | None
    trouble: str | None
    incidents: tuple[Incident, ...] = ()
    second_site: SecondSite | None = None
    sources: tuple[SourceHealth, ...] = ()
