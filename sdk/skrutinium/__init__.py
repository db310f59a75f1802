"""Skrutinium for newsrooms: follow, check and re-add the results of an election night.

>>> import skrutinium
>>> async with skrutinium.connect("https://feed.example") as feed:  # doctest: +SKIP
...     async for release in feed.releases():
...         results = await release.event()
"""

import logging

from skrutinium.documents.notices import Incident, Notices, Planned, SecondSite, SeriesStatus, Status
from skrutinium.documents.results import (
    AreaResults,
    Candidate,
    Change,
    Committee,
    ContestResults,
    Correction,
    Corrections,
    Count,
    District,
    DistrictResults,
    EventResults,
    FirstRound,
    Kind,
    KindSummary,
    Leading,
    List,
    Lot,
    Out,
    PrecinctResults,
    Protocol,
    ProtocolBatch,
    Reporting,
    Row,
    Summary,
)
from skrutinium.documents.series import Checkpoint, Document, FeedState, Heartbeat, Manifest, Run
from skrutinium.errors import (
    AccessRefused,
    ChainError,
    ChoiceNeeded,
    DamagedError,
    Gone,
    LimitReached,
    MixedPhases,
    NetworkError,
    NoSuchPlace,
    NotDelivered,
    NotYet,
    RollbackError,
    SchemaError,
    ServerFault,
    SignatureError,
    SkrutiniumError,
    StaleError,
    StateFileError,
)
from skrutinium.following.feed import Feed, connect
from skrutinium.following.news import Health, Timing
from skrutinium.following.release import Release
from skrutinium.following.statefile import Marks, Seen, StateFile
from skrutinium.sources.opening import open_source
from skrutinium.sources.transport import Patience
from skrutinium.verifying.night import Difference, Report, verify

logging.getLogger("skrutinium").addHandler(logging.NullHandler())  # silent unless the program sets up logging

__version__ = "0.1.0"

__all__ = [
    "Status",
    "SeriesStatus",
    "SecondSite",
    "Planned",
    "Notices",
    "Incident",
    "DistrictResults",
    "FirstRound",
    "KindSummary",
    "Leading",
    "Out",
    "Summary",
    "AccessRefused",
    "AreaResults",
    "Candidate",
    "ChainError",
    "Change",
    "Checkpoint",
    "ChoiceNeeded",
    "Committee",
    "ContestResults",
    "Correction",
    "Corrections",
    "Count",
    "DamagedError",
    "Difference",
    "District",
    "Document",
    "EventResults",
    "Feed",
    "FeedState",
    "Gone",
    "Health",
    "Heartbeat",
    "Kind",
    "LimitReached",
    "List",
    "Lot",
    "Manifest",
    "Marks",
    "MixedPhases",
    "NetworkError",
    "NoSuchPlace",
    "NotDelivered",
    "NotYet",
    "Patience",
    "PrecinctResults",
    "Protocol",
    "ProtocolBatch",
    "Release",
    "Report",
    "Reporting",
    "RollbackError",
    "Row",
    "Run",
    "SchemaError",
    "Seen",
    "ServerFault",
    "SignatureError",
    "SkrutiniumError",
    "StaleError",
    "StateFile",
    "StateFileError",
    "Timing",
    "connect",
    "open_source",
    "verify",
]
