"""The examination of one feed: what was learnt of it so far, and asking it."""

from dataclasses import dataclass, field

from skrutinium.documents.series import Manifest, Run
from skrutinium.examining.asking import Seen, ask
from skrutinium.examining.finding import Asked, Machine
from skrutinium.sources.address import Address
from skrutinium.sources.transport import Transport
from skrutinium.trust.signing import KeyRing

SERIES = "skrutinium"


@dataclass(slots=True)
class Patience:
    """Seconds: ``push`` until the first byte of push has to be here, ``answer`` without a byte of an answer."""

    push: float = 15
    answer: float = 15


@dataclass
class Examination:
    """What one check learns the next may use: ``run`` and ``manifest``, and all ``answers``."""

    asked: Asked
    machine: Machine
    transport: Transport
    patience: Patience
    run: Run | None = None
    manifest: Manifest | None = None
    answers: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.address = Address(self.transport)
        self.keys = KeyRing(self.address.key, pinned=self.asked.fingerprint)

    async def ask(self, path: str, *, silence: float | None = None, **headers: str) -> Seen:
        """Ask the feed for something, and remember the answer; header names with ``_`` for ``-``."""
        seen = await ask(
            self.transport, self.machine, path, silence=silence or self.patience.answer, **headers
        )
        self.answers.append(seen)
        return seen

    @property
    def prefix(self) -> str:
        """Where the run lies at the feed."""
        assert self.run is not None
        return self.address.feed_series(self.run, SERIES).prefix
