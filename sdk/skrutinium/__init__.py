"""Skrutinium for newsrooms: follow, check and re-add the results of an election night.

>>> import skrutinium
>>> async with skrutinium.connect("https://feed.example") as feed:  # doctest: +SKIP
...     async for release in feed.releases():
...         results = await release.event()
"""

import logging

from skrutinium.documents.book import Book
from skrutinium.documents.book_changes import BookChange
from skrutinium.documents.notices import Incident, Notices, Planned, SecondSite, SeriesStatus, Status
from skrutinium.documents.protocols import (
    Change,
    Correction,
    Corrections,
    PrecinctResults,
    Protocol,
    ProtocolBatch,
)
from skrutinium.documents.registered import (
    Calendar,
    CalendarEntry,
    Codebook,
    RegisteredArea,
    RegisteredCandidate,
    RegisteredCommittee,
    RegisteredContest,
    RegisteredDistrict,
    RegisteredList,
    RegisteredPoll,
    RegisteredPrecinct,
)
from skrutinium.documents.results import (
    AreaResults,
    AreaTurnout,
    Candidate,
    Committee,
    ContestResults,
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
    Question,
    Reporting,
    Row,
    Summary,
    TurnoutReport,
)
from skrutinium.documents.series import Checkpoint, Document, FeedState, Heartbeat, Manifest, Run
from skrutinium.documents.shares import percent
from skrutinium.documents.votes import Full, NotApplicable, NotReported, NotTold, Partial, Votes
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
    NotInstalled,
    NotYet,
    RollbackError,
    SchemaError,
    ServerFault,
    SignatureError,
    SinkError,
    SkrutiniumError,
    StaleError,
    StateFileError,
    StorageError,
)
from skrutinium.following.feed import Feed, connect
from skrutinium.following.news import Health, SourceHealth, Timing
from skrutinium.following.release import Release
from skrutinium.following.statefile import Marks, Seen, StateFile
from skrutinium.sinks.csv_folder import CsvSink
from skrutinium.sinks.postgresql import PostgresSink
from skrutinium.sinks.sink import Sink
from skrutinium.sinks.sqlite import SqliteSink
from skrutinium.sources.mail.source import MailSource, open_mail
from skrutinium.sources.opening import Place, open_source
from skrutinium.sources.transport import Patience
from skrutinium.tables.changes import Differences, RecordChange, changes, changes_between, record_changes
from skrutinium.tables.columns import TABLES, Table
from skrutinium.tables.frames import to_pandas
from skrutinium.tables.reading import records
from skrutinium.tables.records import Record, to_records
from skrutinium.verifying.night import Difference, Report, verify
from skrutinium.version import __version__ as __version__

logging.getLogger("skrutinium").addHandler(logging.NullHandler())  # silent unless the program sets up logging


__all__ = [
    "AccessRefused",
    "AreaResults",
    "AreaTurnout",
    "Book",
    "BookChange",
    "Calendar",
    "CalendarEntry",
    "Candidate",
    "ChainError",
    "Change",
    "Checkpoint",
    "ChoiceNeeded",
    "Codebook",
    "Committee",
    "ContestResults",
    "Correction",
    "Corrections",
    "Count",
    "CsvSink",
    "DamagedError",
    "Difference",
    "Differences",
    "District",
    "DistrictResults",
    "Document",
    "EventResults",
    "Feed",
    "FeedState",
    "FirstRound",
    "Full",
    "Gone",
    "Health",
    "Heartbeat",
    "Incident",
    "Kind",
    "KindSummary",
    "Leading",
    "LimitReached",
    "List",
    "Lot",
    "MailSource",
    "Manifest",
    "Marks",
    "MixedPhases",
    "NetworkError",
    "NoSuchPlace",
    "NotApplicable",
    "NotDelivered",
    "NotInstalled",
    "NotReported",
    "NotTold",
    "NotYet",
    "Notices",
    "Out",
    "Partial",
    "Patience",
    "Place",
    "Planned",
    "PostgresSink",
    "PrecinctResults",
    "Protocol",
    "ProtocolBatch",
    "Question",
    "Record",
    "RecordChange",
    "RegisteredArea",
    "RegisteredCandidate",
    "RegisteredCommittee",
    "RegisteredContest",
    "RegisteredDistrict",
    "RegisteredList",
    "RegisteredPoll",
    "RegisteredPrecinct",
    "Release",
    "Report",
    "Reporting",
    "RollbackError",
    "Row",
    "Run",
    "SchemaError",
    "SecondSite",
    "Seen",
    "SeriesStatus",
    "ServerFault",
    "SignatureError",
    "Sink",
    "SinkError",
    "SkrutiniumError",
    "SourceHealth",
    "SqliteSink",
    "StaleError",
    "StateFile",
    "StateFileError",
    "Status",
    "StorageError",
    "Summary",
    "TABLES",
    "Table",
    "Timing",
    "TurnoutReport",
    "Votes",
    "changes",
    "changes_between",
    "connect",
    "open_mail",
    "open_source",
    "percent",
    "record_changes",
    "records",
    "to_pandas",
    "to_records",
    "verify",
]
