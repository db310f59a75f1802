"""What a reader is told when the feed does not answer as asked: small XML documents with a code and what was expected.

Nothing that came with the request is repeated in them. Sources: issue 2, stage 6; element ``error`` of the schema.
"""

import datetime
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import Final

XML: Final = b"application/xml; charset=utf-8"
ALLOWED: Final = b"GET, HEAD, OPTIONS"
ACROSS: Final = (
    b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, HEAD\r\n"
    b"Access-Control-Allow-Headers: If-None-Match, Range\r\nAccess-Control-Max-Age: 86400\r\n"
)
"""What a browser is told before it reads from another site (Fetch standard, 3.2.2)."""


TOO_MANY: Final = "too-many-requests"

FREE: Final = frozenset({403, 429, 503})
"""Refusals that are not counted against a subscriber: those that it cannot help, and those of the limit itself."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal; ``document`` replaces the error document where a format has its own, ``lines`` are further header lines.

    ``until``: from then on it may be answered (aware), told as ``Retry-After`` in seconds when it is sent; ``kind``: media type.
    """

    status: int
    code: str
    message: str
    expected: str = ""
    lines: bytes = b""
    document: bytes = b""
    closes: bool = False
    until: datetime.datetime | None = None
    kind: bytes = XML

    @property
    def body(self) -> bytes:
        """The bytes of the document."""
        return self.document or error_document(self)

    @property
    def start(self) -> bytes:
        """The status line."""
        return start_line(self.status)


def start_line(status: int) -> bytes:
    """The first line of an answer (RFC 9112, 4)."""
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode("ascii")


def error_document(refusal: Refusal) -> bytes:
    """The element ``error`` for a refusal."""
    expected = f" <expected>{escape(refusal.expected)}</expected>\n" if refusal.expected else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<error xmlns="urn:skrutinium:1" code="{refusal.code}" status="{refusal.status}">\n'
        f" <message>{escape(refusal.message)}</message>\n{expected}</error>\n"
    ).encode()


NOT_FOUND: Final = Refusal(
    404,
    "not-found",
    "There is nothing at this address.",
    "One of the addresses that / lists.",
)
NO_EVENT: Final = Refusal(
    404,
    "no-event",
    "The feed holds no such event, run or series.",
    "An event, run and series that /state.xml names.",
)
NO_DOCUMENT: Final = Refusal(
    404,
    "no-document",
    "This release holds no such document.",
    "A path that the manifests or the checkpoint name.",
)
NO_OBJECT: Final = Refusal(
    404, "no-object", "The feed holds no document with this hash.", "A sha256 that a manifest names."
)
NO_KEY: Final = Refusal(
    404, "no-key", "The feed holds no such key or signature.", "The key id of a signature line."
)
NOT_YET: Final = Refusal(
    404,
    "not-yet",
    "This release does not exist yet.",
    "A number up to that of newest/manifest.xml; push tells when there is more.",
)
NOTHING_YET: Final = Refusal(
    404, "not-yet", "This series has no release yet.", "To ask again later, or to wait at push."
)
NOT_YET_THEN: Final = Refusal(
    404, "not-yet", "No release had been cut by that time.", "A time at or after that of release 1."
)
NO_CHECKPOINT: Final = Refusal(
    404,
    "no-checkpoint",
    "There is no such checkpoint.",
    'newest, or the number of a manifest with checkpoint="true"; a checkpoint follows its release within moments.',
)
GONE: Final = Refusal(410, "gone", "This is no longer kept by the store.", "A newer release, or the archive.")
TOO_FAR_BACK: Final = Refusal(
    410,
    "too-far-back",
    "Too much has changed since that release to be sent in one answer.",
    "To join by checkpoint/newest.xml, its documents, and the changes after it.",
)
BAD_NUMBER: Final = Refusal(
    400,
    "bad-number",
    "The number of a release is malformed.",
    "A whole number from 1 (since: from 0), without leading zeros.",
)
BAD_TIME: Final = Refusal(
    400, "bad-time", "The time is malformed.", "UTC to the second with Z, such as 2018-10-06T15:00:00Z."
)
BAD_ADDRESS: Final = Refusal(
    400,
    "bad-address",
    "The address is malformed.",
    "Segments of letters, digits, '.', '_' and '-', parted by single '/'.",
)
BAD_QUERY: Final = Refusal(
    400, "bad-query", "The query is malformed or lacks something.", "changes?since=N with one whole number N."
)
BAD_CHOICE: Final = Refusal(
    400,
    "bad-choice",
    "What is chosen is malformed, too much, or cannot be chosen in this series.",
    "area= and contest= with ids parted by commas (series skrutinium only), only= with paths parted by commas; at most 100 in all.",
)
BAD_AFTER: Final = Refusal(
    400, "bad-number", "The number of a release is malformed.", "after=N with one whole number N, from 0."
)
NO_AREA: Final = Refusal(
    404, "no-area", "The event has no such area.", "An id of registers/newest/registers/areas.xml."
)
NO_CONTEST: Final = Refusal(
    404, "no-contest", "The event has no such contest.", "An id of registers/newest/registers/contests.xml."
)
NO_REGISTERS: Final = Refusal(
    404,
    "no-registers",
    "The registers of this event, or of this version of it, are not published.",
    "To ask without area and contest, or for registers/newest/registers.xml later.",
)
NO_ARCHIVE: Final = Refusal(
    404,
    "no-archive",
    "There is no such archive.",
    "newest.zip or newest-csv.zip; archives are made when results are declared or a run is closed.",
)
NO_LINE: Final = Refusal(
    404, "no-line", "The newest release holds no summary.", "newest/event.xml, which has the same numbers."
)
NO_NOTICES: Final = Refusal(
    404, "no-notices", "There has been no notice yet.", "To ask again later; /status tells what is wrong now."
)
METHOD: Final = Refusal(
    405, "method", "The feed is only read.", "GET, HEAD or OPTIONS.", b"Allow: " + ALLOWED + b"\r\n"
)
TAKES_RECEIPTS: Final = b"OPTIONS, POST"
RECEIPT_ONLY: Final = Refusal(
    405,
    "receipt-only",
    "This address takes receipts; there is nothing to read.",
    "POST with a receipt, in tests and rehearsals.",
    b"Allow: " + TAKES_RECEIPTS + b"\r\n",
)
RECEIPT_INVALID: Final = Refusal(
    400,
    "receipt-invalid",
    "This is no valid receipt.",
    "The element receipt of xsd/skrutinium/1.0/rehearsal.xsd, without a document type, in UTF-8, not compressed.",
    closes=True,
)
RECEIPT_OTHER: Final = Refusal(
    403,
    "receipt-run-refused",
    "The receipt speaks of an event or run that is not read here by your range.",
    "The event of the address, and a run that /access lists as readable for your range.",
)
RECEIPT_LIVE: Final = Refusal(
    403,
    "receipt-live",
    "No receipts are taken in live runs.",
    "To send receipts in tests and rehearsals only.",
)
RECEIPT_LATE: Final = Refusal(
    408, "receipt-late", "The receipt did not come in time.", "The whole body within 10 seconds.", closes=True
)
RECEIPT_TOO_LARGE: Final = Refusal(
    413, "receipt-too-large", "The receipt is too large.", "At most 16 KB.", closes=True
)
URI_TOO_LONG: Final = Refusal(
    414, "uri-too-long", "The address is too long.", "At most 2000 characters.", closes=True
)
HEADERS_TOO_LARGE: Final = Refusal(
    431,
    "headers-too-large",
    "The header of the request is too large.",
    "At most 64 lines of 8190 characters, 32 KiB together.",
    closes=True,
)
BAD_REQUEST: Final = Refusal(
    400, "bad-request", "This is no well-formed HTTP/1.1 request.", "A request by RFC 9112.", closes=True
)
BODY: Final = Refusal(413, "no-body", "The feed takes no request body.", "GET without a body.", closes=True)
PRECONDITION: Final = Refusal(
    412,
    "precondition",
    "The document is not, or no longer, as If-Match or If-Unmodified-Since ask.",
    "The ETag that was sent with it last.",
)
NOT_ACCEPTABLE: Final = Refusal(
    406,
    "not-acceptable",
    "No coding that the feed has is accepted.",
    "Accept-Encoding with gzip or identity.",
)
ACCESS: Final = Refusal(
    403,
    "access-refused",
    "Your address is in no range that may read.",
    "A registered range; /access tells the address as seen from here.",
    closes=True,
)
ACCESS_ENDED: Final = Refusal(
    403,
    "access-ended",
    "The registration of your range has ended.",
    "To register again; /access tells until when a range may read.",
    closes=True,
)
BAD_FORWARDED: Final = Refusal(
    400,
    "bad-forwarded",
    "The proxy does not tell whose request this is.",
    "A header by the setting forwarded that names the address of the client.",
    closes=True,
)
DAMAGED: Final = Refusal(
    503,
    "store-damaged",
    "What the store holds here does not match its hash; it is not served.",
    "To ask again later.",
)
CROWDED: Final = Refusal(
    429,
    "too-many-connections",
    "Your subscriber has too many connections.",
    "To close some, or to use one for several requests.",
    b"Retry-After: 5\r\n",
    closes=True,
)
STOPPING: Final = Refusal(
    503, "stopping", "The feed is stopping.", "To connect again.", b"Retry-After: 1\r\n", closes=True
)


def unexpected(request_id: str) -> Refusal:
    """The answer to a fault of the feed itself; the log holds the rest under the same id."""
    return Refusal(
        500,
        "unexpected",
        f"The feed failed at this request; it was logged as {request_id}.",
        "To ask again; if it stays, to tell the publisher that id.",
        closes=True,
    )


def run_refused(why: str) -> Refusal:
    """The answer to a range that may read other runs than this one."""
    return Refusal(403, "run-refused", why, "A run that /access lists as readable for your range.")


def not_before(moment: datetime.datetime) -> Refusal:
    """The answer to everybody before the minute from which a live run may be read."""
    return Refusal(
        404,
        "not-before",
        f"Nothing of this run may be read before {moment.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}.",
        "To ask again then, or to wait at push.",
        until=moment,
    )


def too_many_requests(quota: int, window: int, left: int, wait: int) -> Refusal:
    """The answer beyond the limit: ``quota`` requests in ``window`` seconds, ``left`` now, and again after ``wait`` seconds."""
    return Refusal(
        429,
        TOO_MANY,
        "Your subscriber asks for more than its share.",
        "To wait as Retry-After says, to ask with If-None-Match (an answer 304 costs nothing), or to use push.",
        f'Retry-After: {wait}\r\nRateLimit-Policy: "subscriber";q={quota};w={window}\r\n'
        f'RateLimit: "subscriber";r={left};t={wait}\r\n'.encode("ascii"),
    )
