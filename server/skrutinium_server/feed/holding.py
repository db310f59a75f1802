"""Whether a document that is asked for by its hash alone may be read here; nothing tells whether another run has it."""

from array import array
from collections.abc import Iterator
from functools import partial

from skrutinium_server.feed.connections import Registered
from skrutinium_server.feed.fetching import Fetching
from skrutinium_server.feed.objects import Objects, holds, short
from skrutinium_server.feed.past import Past
from skrutinium_server.feed.refusals import NO_OBJECT, Refusal
from skrutinium_server.release.store.model import SeriesKey


class Holding:
    """Asks what is known in ``objects``, then the releases before, and last the protocols that the batches name."""

    def __init__(self, objects: Objects, past: Past, fetching: Fetching) -> None:
        self._objects = objects
        self._past = past
        self._fetching = fetching

    async def refusal(self, sha256: str, registered: Registered) -> Refusal | None:
        """None when the document is public, or belongs to a run that may be read here."""
        if short(sha256) in self._objects.public:
            return None
        if any(registered.read(run) is None for run in self._objects.holders(sha256)):
            return None
        for key, name, load in list(self._further(registered)):
            hashes = await self._fetching.load(name, load)
            # Meanwhile this run may have been closed to the range: it is asked anew.
            if (
                isinstance(hashes, array)
                and holds(hashes, sha256)
                and registered.read((key.event, key.run)) is None
            ):
                return None
        return NO_OBJECT

    def _further(
        self, registered: Registered
    ) -> "Iterator[tuple[SeriesKey, tuple[object, ...], partial[array[int]]]]":
        readable = registered.allowed.readable
        for key, last in self._objects.older(readable):
            yield key, ("hashes", key, last), partial(self._past.hashes, key, last)
        for key, newest in self._objects.newest(readable):
            yield key, ("protocols", key, newest), partial(self._past.protocols, key, newest)
