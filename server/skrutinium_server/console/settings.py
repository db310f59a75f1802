"""How the console is reached: address, TLS, proxies, and what it looks at. Raises :class:`ConsoleSettingsError`."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skrutinium_server.console.errors import ConsoleSettingsError
from skrutinium_server.feed.errors import FeedError
from skrutinium_server.feed.proxies import Proxies

FEED_PORT: Final = 8000
"""The port of the feed unless told: newsrooms may be sent there, so the console never takes it."""

LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where the console listens and what it looks at.

    ``certificate`` and ``key``: PEM files for TLS, both or none; ``proxies``: networks of proxies in front, which tell by
    ``X-Forwarded-For`` whose request it is; ``metrics``: host and port of each feed that tells metrics; ``access_log``: that of the feed.
    """

    host: str = "127.0.0.1"
    port: int = 8100
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()
    metrics: tuple[tuple[str, int], ...] = ()
    access_log: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) is not (self.key is None):
            raise ConsoleSettingsError("Certificate and key are given both or not at all.")
        try:
            Proxies(self.proxies)
        except FeedError as error:
            raise ConsoleSettingsError(str(error)) from error
        if self.port == FEED_PORT:
            raise ConsoleSettingsError(
                f"{FEED_PORT} is the port of the feed: newsrooms must never meet the console there. Take another one, such as 8100."
            )
        if not self.secure and not is_local(self.host):
            raise ConsoleSettingsError(
                f"Without TLS the console listens on this machine only, not at {self.host}. "
                "Give --certificate and --key, or name the proxy in front that speaks TLS with --proxy."
            )

    @property
    def secure(self) -> bool:
        """Whether browsers reach it over TLS: its own, or that of the proxy."""
        return self.certificate is not None or bool(self.proxies)


def is_local(host: str) -> bool:
    """Whether nobody but this machine reaches this address; names other than localhost are not asked for."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
