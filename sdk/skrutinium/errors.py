"""What can go wrong for a reader of a feed, sorted by what the caller can do about it.

Every error carries the ``address`` asked (or the file read), the server's ``request_id`` and its own ``words`` when there
are any, a ``code`` for machines and the ``exit_code`` of the command line. No error of another library escapes.
"""


class SkrutiniumError(Exception):
    """Base of every error that this package raises."""

    code = "error"
    exit_code = 70

    def __init__(
        self,
        message: str,
        *,
        address: str | None = None,
        request_id: str | None = None,
        words: str | None = None,
    ) -> None:
        self.message = message
        self.address = address
        self.request_id = request_id
        self.words = words
        parts = [message]
        if address:
            parts.append(f"[{address}]")
        if words:
            parts.append(f"the server says: {words}")
        if request_id:
            parts.append(f"(request {request_id})")
        super().__init__(" ".join(parts))


class NetworkError(SkrutiniumError):
    """The server could not be reached, or broke off: try again, or try the second site."""

    code = "network"
    exit_code = 10


class AccessRefused(SkrutiniumError):
    """This address, or this key, may not read: ask the publisher (``/access`` tells which address you have)."""

    code = "access-refused"
    exit_code = 11


class NotYet(SkrutiniumError):
    """It does not exist yet, or not at all at this address: wait, or check the event, run and path."""

    code = "not-yet"
    exit_code = 12


class NotDelivered(NotYet):
    """None of the sources holds this document: crisis mail brings agreed documents only. Wait for the feed to be back."""

    code = "not-delivered"
    exit_code = 26


class Gone(SkrutiniumError):
    """It existed and does not any more: start again from the newest release."""

    code = "gone"
    exit_code = 13


class LimitReached(SkrutiniumError):
    """Too many requests; ``wait`` is how many seconds the server asks for, None when it does not say."""

    code = "limit-reached"
    exit_code = 14

    def __init__(
        self,
        message: str,
        *,
        wait: float | None = None,
        address: str | None = None,
        request_id: str | None = None,
        words: str | None = None,
    ) -> None:
        self.wait = wait
        super().__init__(message, address=address, request_id=request_id, words=words)


class SchemaError(SkrutiniumError):
    """A document is not what its schema says (or no XML at all, or holds a DOCTYPE): tell the publisher."""

    code = "schema"
    exit_code = 15


class DamagedError(SkrutiniumError):
    """Bytes are not those that were announced: another size or hash, cut off, or larger than allowed. Fetch again."""

    code = "damaged"
    exit_code = 16


class SignatureError(SkrutiniumError):
    """A signature does not hold, or is by a key that is not trusted: do not use the data; compare fingerprints."""

    code = "signature"
    exit_code = 17


class ChainError(SkrutiniumError):
    """Releases do not follow from one another: a number is missing, or a manifest does not name the one before."""

    code = "chain"
    exit_code = 18


class RollbackError(SkrutiniumError):
    """The source offers something older than what was seen: a stale cache or a wrong source. Do not go back."""

    code = "rollback"
    exit_code = 19


class StaleError(SkrutiniumError):
    """The publisher gives no sign of life: what is shown may be old."""

    code = "stale"
    exit_code = 20


class MixedPhases(SkrutiniumError):
    """Test and live, or two runs, would be mixed: use another state file, or another address."""

    code = "mixed-phases"
    exit_code = 21


class StateFileError(SkrutiniumError):
    """The state file cannot be read or written: check the path, or start with another file."""

    code = "state-file"
    exit_code = 22


class ChoiceNeeded(SkrutiniumError):
    """Say what is meant: the source holds several events (or none that fits), or not the area or contest that was chosen."""

    code = "choice-needed"
    exit_code = 23


class NoSuchPlace(SkrutiniumError):
    """There is no such folder, or no release store in it: check the path."""

    code = "no-such-place"
    exit_code = 25


class SinkError(SkrutiniumError):
    """A sink cannot be read or written, or holds something else: what it holds is a whole release still. See what the message says."""

    code = "sink"
    exit_code = 27


class NotInstalled(SkrutiniumError):
    """This needs a package that is not installed: the message names it."""

    code = "not-installed"
    exit_code = 28


class StorageError(SkrutiniumError):
    """Something could not be written: the disk is full, or it is not allowed there. What was there before is whole still."""

    code = "storage"
    exit_code = 29


class ServerFault(SkrutiniumError):
    """The server failed or answered with something unexpected: try again, then tell the publisher."""

    code = "server-fault"
    exit_code = 24
