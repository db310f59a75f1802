"""A process that records events and prints the hash of each once it is acknowledged, until it is killed."""

import datetime
import sys
from pathlib import Path

from skrutinium_server.authority.log import EventLog
from skrutinium_server.authority.model import NoticeGiven

log = EventLog(Path(sys.argv[1]))
while True:
    (entry,) = log.append(
        sys.argv[2],
        lambda: datetime.datetime.now(datetime.UTC),
        lambda known: [NoticeGiven(str(len(known)), "x" * 5_000)],
    )
    sys.stdout.write(f"{entry.position} {entry.hash}\n")
    sys.stdout.flush()
