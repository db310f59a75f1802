"""What the feed is told besides store and access list: one JSON argument of its process, ``[feed]`` in ``site.toml``.

Sources: issue "Who may read"; docs/settings.md.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

Whole = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class FeedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the feed, whole numbers; raises ValueError when only one of ``certificate`` and ``key`` is given.

    ``proxies``: networks of the proxies whose forwarded header counts; ``forwarded``: the one header that they write;
    ``certificate`` and ``key``: PEM files for TLS, empty for none; ``requests_per_second`` and ``burst``: of one subscriber at one
    process, 0 requests a second for no limit; ``connections``: of one subscriber at one process, 0 for no limit; ``longest_wait``:
    seconds that a request may wait for news (``Prefer: wait``), 0: it never waits; ``idle``: seconds that a connection may go without a whole request.
    """

    proxies: tuple[str, ...] = ()
    forwarded: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    certificate: str = ""
    key: str = ""
    requests_per_second: Whole = 50
    burst: Positive = 500
    connections: Whole = 200
    longest_wait: Whole = 60
    idle: Positive = 75

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key are given both or not at all")

    def below(self, folder: Path) -> "FeedSettings":
        """The same with the files of TLS looked for in ``folder``, unless they are named in full."""
        if not self.certificate:
            return self
        return msgspec.structs.replace(
            self, certificate=str(folder / self.certificate), key=str(folder / self.key)
        )


DEFAULTS: Final = FeedSettings()
"""What holds where nothing is told."""


def read_settings(text: str) -> FeedSettings:
    """Settings from JSON; raises :class:`msgspec.ValidationError` naming the field."""
    return msgspec.json.decode(text.encode(), type=FeedSettings)


def write_settings(settings: FeedSettings) -> str:
    """Settings as JSON, for the command line of the feed."""
    return msgspec.json.encode(settings).decode()
