"""The protocols that count in a run, read from its ledger, which goes on growing."""

import datetime
from pathlib import Path
from typing import Final

from skrutinium_server.intake.model import Protocol
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteReader

Key = tuple[str, str]
"""Precinct and contest."""

_BEFORE: Final = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)


class Counted:
    """Those of one ledger. ``protocols``: by precinct and contest, in the order in which the first of each came in."""

    def __init__(self, ledger: Path) -> None:
        self.protocols: dict[Key, Protocol] = {}
        self.sequence = 0
        """The highest one of all that came in."""
        self.last = _BEFORE
        """The run's time at the newest entry."""
        self._ledger = ledger
        self._position = 0

    def read(self) -> None:
        """Go on to the newest entry; reads the file. Raises ``LedgerError``."""
        with SqliteReader(self._ledger) as reader:
            for entry in reader.entries(self._position):
                self._position, self.last = entry.position, entry.body.time
                if isinstance(entry.body, Accepted):
                    self._take(entry.body)

    def _take(self, accepted: Accepted) -> None:
        protocol = accepted.protocol
        self.sequence = max(self.sequence, protocol.sequence)
        # An older version that arrives late supersedes nothing.
        if accepted.version == 1 or accepted.supersedes is not None:
            self.protocols[protocol.precinct, protocol.contest] = protocol
