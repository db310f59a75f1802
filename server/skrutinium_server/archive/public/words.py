"""The words and numbers of the pages. Percentages are made by whole numbers, half away from zero."""

import datetime
from typing import Final

STATES: Final = {
    "interim": "Interim: protocols are still out",
    "complete": "Complete: every protocol is in; nothing has been declared yet",
    "final": "Final, as declared by the authority",
    "certified": "Certified by the authority",
    "corrected": "Corrected after it was certified",
}
REPORTING: Final = {
    "none": "not yet reported",
    "part": "partly reported",
    "all": "all reported",
    "not-applicable": "not applicable: no vote here",
}
OUTCOMES: Final = {
    "open": "Open: protocols are still out, so no seat is given yet.",
    "decided": "Decided.",
    "lot": "A lot is needed: the votes are equal.",
    "runoff": "Nobody has more than half of the votes: a second round follows.",
    "unknown": "Seats are not known: the source does not tell",
}
ANSWERS: Final = {
    "yes": "Yes",
    "no": "No",
    "not-binding": "Not binding: too few voted",
}
REASONS: Final = {
    "source-resend": "Sent again by the source",
    "court-order": "Ordered by a court",
    "recount": "Counted again",
    "commission-mistake": "Mistake of the commission",
    "entry-mistake": "Mistake while entering",
}
"""The codebook of correction reasons; another reason is shown as it was given."""

KINDS: Final = {
    "municipal-council": "Municipal councils",
    "ward-council": "Ward councils",
    "regional-council": "Regional councils",
    "senate": "Senate",
    "mayor": "Mayors",
    "referendum": "Referendums",
}
ONE_OF_KIND: Final = {
    "municipal-council": "Municipal council",
    "ward-council": "Ward council",
    "regional-council": "Regional council",
    "senate": "Senate",
    "mayor": "Mayor",
    "referendum": "Referendum",
}
AREAS: Final = {
    "country": "Country",
    "region": "Region",
    "county": "County",
    "municipality": "Municipality",
    "ward": "Ward",
}
FIELDS: Final = {
    "eligible": "Eligible voters",
    "issued": "Ballots issued",
    "returned": "Envelopes returned",
    "valid-votes": "Valid votes",
}
MARKS: Final = {
    "test": "TEST. These numbers are not results of an election.",
    "rehearsal": "REHEARSAL. These numbers are not results of an election.",
}
MADE_UP: Final = "MADE UP. All names and numbers are invented."
_THIN: Final = "\u202f"


def grouped(value: int | None) -> str:
    """A number in groups of three digits; what is not told is said to be so."""
    return "not told" if value is None else f"{value:,}".replace(",", _THIN)


def share(part: int | None, whole: int | None) -> str | None:
    """``part`` of ``whole`` in percent with two places; None when there is nothing to take a part of."""
    if part is None or not whole:
        return None
    hundredths = (part * 20_000 + whole) // (2 * whole)
    return f"{hundredths // 100}.{hundredths % 100:02d}{_THIN}%"


def done(part: int, whole: int) -> str | None:
    """Progress in percent with one place, rounded down: nothing is 100 % done before it is."""
    if not whole:
        return None
    tenths = min(part, whole) * 1000 // whole
    return f"{tenths // 10}.{tenths % 10}{_THIN}%"


def field(id: str) -> str:
    """The name of a field of the protocol."""
    return FIELDS.get(id, id.replace("-", " ").capitalize())


def moment(time: str, zone: datetime.tzinfo) -> str:
    """A time of a document for people: ``6 October 2018, 22:49:57 CEST`` from ``2018-10-06T20:49:57Z`` in Prague."""
    local = datetime.datetime.fromisoformat(time).astimezone(zone)
    return f"{day(local.date().isoformat())}, {local:%H:%M:%S %Z}"


def day(date: str) -> str:
    """A date for people."""
    year, month, number = date.split("-")
    return f"{int(number)} {_MONTHS[int(month) - 1]} {year}"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
