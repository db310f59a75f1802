"""What can go wrong in the feed itself; what a reader is told is in :mod:`~skrutinium_server.feed.refusals`."""

from pathlib import Path


class FeedError(Exception):
    """Root of the feed's errors; ``code`` is for machines."""

    code = "feed"


class AccessError(FeedError):
    """The access list cannot be used; the message names the line or the entry."""

    code = "access-list"

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path}: {what}. A broken list leaves the last good one in force; where there is none, nobody is let in."
        )
        self.path = path


class PublishedBackwards(FeedError):
    """The store offers something older than, or other than, what was published already; it is not served."""

    code = "published-backwards"


class AddressInUse(FeedError):
    """The feed cannot listen where it was told to."""

    code = "address-in-use"

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        super().__init__(
            f"The feed cannot listen at {host} port {port}: {cause.strerror or cause}. "
            "Choose another host or port, or end the program that listens there."
        )


class ProxyError(FeedError):
    """What is named as a proxy is no network."""

    code = "proxy"


class CertificateError(FeedError):
    """Certificate and key cannot be used for TLS; those that were read before stay in force."""

    code = "certificate"

    def __init__(self, certificate: Path, key: Path, cause: object) -> None:
        super().__init__(
            f"{certificate} and {key} cannot be used for TLS: {cause}. Expected a chain of certificates and its key, both PEM, the key "
            "without a passphrase. Those that were read before, if any, stay in force."
        )
