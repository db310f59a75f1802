"""Crisis mail of a made-up night, delivered into a Maildir: what the relay would bring to a newsroom. Needs the server."""

import datetime
import mailbox
from pathlib import Path

from skrutinium_server.crisis.composing import Wanted, compose
from skrutinium_server.crisis.message import whole
from skrutinium_server.crisis.model import Kind
from skrutinium_server.crisis.reading import RunReader
from skrutinium_server.crisis.recipients import Recipient, Recipients, Sender
from skrutinium_server.release.store.model import Run

_RECIPIENT = Recipient(id="newsroom", name="Newsroom", address="desk@newsroom.example")
_SENDER = Sender(address="results@organiser.example", name="Made-up organiser")


class Mail:
    """Messages to one recipient with the usual agreement, as the crisis mail writes them; they lie in ``folder``."""

    def __init__(self, store: Path, run: Run, folder: Path) -> None:
        self.folder = folder
        self._store = store
        self._run = run
        self._reader = RunReader(store, run)
        self._box = mailbox.Maildir(str(folder), create=True)
        self._told = Recipients(sender=_SENDER, recipient=(_RECIPIENT,))
        self._number = 0
        self._repeat = 0

    def deliver(self, now: datetime.datetime, *, over: bool = False) -> int:
        """Deliver what is due at ``now``: the newest release with all since the last mail, or that it is unchanged, or that the crisis is over.

        How many messages came. Reads and writes files.
        """
        results = self._reader.results(self._run)
        assert results is not None, "a night begins with a release"
        newest = results.newest.number
        self._repeat = self._repeat + 1 if newest == self._number else 0
        kind: Kind = (
            "end" if over else "begin" if not self._number else "unchanged" if self._repeat else "release"
        )
        wanted = [Wanted(_RECIPIENT, kind, self._number, self._repeat)]
        count = 0
        for messages, _ in compose(self._reader, results, wanted, self._told, 1, self._store, now):
            for one in messages:
                self._box.add(whole(one.head, one.content))
                count += 1
        self._number = newest
        return count
