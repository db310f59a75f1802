"""What a site says about subscribers and letters in ``site.toml``: sections ``[subscribers]`` and ``[letter]``."""

import datetime
from typing import Annotated, Literal

import msgspec


class SubscriberSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a registration (M5).

    ``live_ranges`` and ``test_ranges`` are the most that one subscriber has; ``widest_v4`` and ``widest_v6`` the
    shortest prefix of a range, bits; ``special_addresses`` lets in private, loopback and other addresses that are not
    the public internet's; ``this_machine`` lets the server's own programs read; ``closing`` is the moment from which a
    request is late: one, or one an event.
    """

    live_ranges: Annotated[int, msgspec.Meta(ge=0, le=100)] = 2
    test_ranges: Annotated[int, msgspec.Meta(ge=0, le=100)] = 1
    widest_v4: Annotated[int, msgspec.Meta(ge=0, le=32)] = 24
    widest_v6: Annotated[int, msgspec.Meta(ge=0, le=128)] = 48
    special_addresses: bool = False
    this_machine: bool = True
    closing: datetime.datetime | dict[str, datetime.datetime] | None = None

    def closing_of(self, events: tuple[str, ...]) -> datetime.datetime | None:
        """When requests for these events close (none named: every event, so the last of them); None: never."""
        if not isinstance(self.closing, dict):
            return None if self.closing is None else _utc(self.closing)
        if events:
            moments = [_utc(self.closing[event]) for event in events if event in self.closing]
            return min(moments, default=None)
        return max(map(_utc, self.closing.values()), default=None)


class LetterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an access letter says besides what is registered.

    ``language`` of the wording; times are told in ``timezone`` (a name of the IANA database); ``organisation`` is who writes, ``sender`` the e-mail address it writes from; ``addresses`` are those of the feed
    (``https://...``), the second site's after the first; ``contacts``
    and ``windows`` (times of tests, where the site has no calendar) are lines of text; ``font`` is a TrueType file, where
    the one that comes with the program is not to be used.
    """

    language: Literal["en", "cs"] = "en"
    timezone: str = "UTC"
    organisation: str = ""
    sender: str = ""
    addresses: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    font: str = ""


def _utc(moment: datetime.datetime) -> datetime.datetime:
    """A moment without a zone is UTC."""
    return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
