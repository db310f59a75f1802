"""Documents that are at hand for the one who takes them next."""

import zlib


class Bulk:
    """Documents that were gathered, by hash; kept compressed until they are taken."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def put(self, sha256: str, data: bytes) -> None:
        """Keep a document whose hash was checked."""
        self._held[sha256] = zlib.compress(data, 1)

    def take(self, sha256: str) -> bytes | None:
        """A document, which is then no longer kept; None when it was not gathered."""
        data = self._held.pop(sha256, None)
        return None if data is None else zlib.decompress(data)

    def __len__(self) -> int:
        return len(self._held)
