"""The settings of a site: what ``site.toml`` may say, and the text of a new one.

Source: docs/settings.md.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec

from skrutinium_server.authority.settings import LetterSettings, SubscriberSettings
from skrutinium_server.feed.settings import FeedSettings
from skrutinium_server.process.errors import SiteError
from skrutinium_server.release.formats.volby.heading import Encoding

Series = Literal["skrutinium", "volby"]

SERIES: tuple[str, ...] = get_args(Series)
"""Every series that can be published."""

DAY: Final = 86_400
"""Seconds; no cadence is slower."""

SETTINGS = """\
# Settings of this site. A missing line means the value shown here.

[release]
# Least seconds between two releases of the series skrutinium, by the wall clock.
skrutinium_seconds = 1
# Cadence of the series volby, by the run's clock.
volby_aggregate_seconds = 60
volby_batch_seconds = 300
# A full index of the snapshot is signed this often, by the wall clock.
checkpoint_seconds = 600
# The series that the next runs publish. volby is left out by itself where the law has nothing to do with that format.
series = ["skrutinium", "volby"]
# Encoding of the documents of volby in the next runs: utf-8, or iso-8859-2 as the source used until 2018.
volby_encoding = "utf-8"

[feed]
# Proxies in front of the feed that tell whose request they pass on (networks or addresses), and the header in which they do:
# x-forwarded-for or forwarded.
proxies = []
forwarded = "x-forwarded-for"
# TLS straight from the feed: a chain of certificates and its key (PEM), in this folder or named in full. Read again when they change.
certificate = ""
key = ""
# What one subscriber may ask of one process of the feed: requests a second, so many at once, and connections; 0: no limit.
requests_per_second = 50
burst = 500
connections = 200
# Seconds that a request may wait for the next release (Prefer: wait); 0: none waits.
longest_wait = 60
# Seconds that a connection may go without a whole request.
idle = 75

[subscribers]
# The most ranges that one subscriber has, and the widest of them (bits that are fixed).
live_ranges = 2
test_ranges = 1
widest_v4 = 24
widest_v6 = 48
# Whether private, loopback and other addresses that are not the public internet's may be registered.
special_addresses = false
# Whether programs on the server's own machine read.
this_machine = true
# Requests are late from this moment on: 2030-09-30T16:00:00Z, or one an event: { kv2030 = 2030-09-30T16:00:00Z }
# closing =

[letter]
# Wording: en or cs. Times are told in this time zone.
language = "en"
timezone = "UTC"
# Who writes to subscribers, and from which e-mail address; without one a letter is a draft.
organisation = ""
sender = ""
# Addresses under which readers reach the feed, the second site's after the first: ["https://results.example"]
addresses = []
# Lines of text: whom to call, and times of tests where the site has no calendar.
contacts = []
windows = []
# A TrueType file, where the font that comes with the program is not to be used.
font = ""

[mail]
# Relay for mail, host or host:port; empty: none.
relay = ""
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cadence of the releases, whole seconds, and the series that are published (see the comments in ``site.toml``)."""

    skrutinium_seconds: Annotated[int, msgspec.Meta(ge=0, le=DAY)] = 1
    volby_aggregate_seconds: Annotated[int, msgspec.Meta(ge=1, le=DAY)] = 60
    volby_batch_seconds: Annotated[int, msgspec.Meta(ge=1, le=DAY)] = 300
    checkpoint_seconds: Annotated[int, msgspec.Meta(ge=0, le=DAY)] = 600
    series: tuple[Series, ...] = get_args(Series)
    volby_encoding: Encoding = "utf-8"


class MailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Through which relay (``host`` or ``host:port``) mail goes out; empty: through none."""

    relay: str = ""


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``site.toml``."""

    release: Settings = Settings()
    feed: FeedSettings = FeedSettings()
    subscribers: SubscriberSettings = SubscriberSettings()
    letter: LetterSettings = LetterSettings()
    mail: MailSettings = MailSettings()


def read_settings(path: Path) -> SiteSettings:
    """Read a ``site.toml``; raises :class:`SiteError` naming what is wrong."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), SiteSettings)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise SiteError(
            f"{path}: {error}. The comments in a newly created site.toml show what is expected."
        ) from error
