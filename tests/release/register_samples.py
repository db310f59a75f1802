"""A made-up event whose registers hold every element and attribute that there is; its documents are the samples."""

import datetime
from pathlib import Path

from skrutinium_server.election.calendar import Calendar, Entry
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    Definition,
    District,
    List,
    Poll,
    Precinct,
    UnnumberedList,
)
from skrutinium_server.process.registers import papers
from skrutinium_server.release.registers.index import index
from skrutinium_server.release.registers.publish import edition_of
from skrutinium_server.release.store.registers import RegisterRow

ROOT = Path(__file__).resolve().parents[2]
TIME = datetime.datetime(2030, 3, 1, 8, tzinfo=datetime.UTC)
OURS = ROOT / "samples" / "skrutinium" / "1.0" / "registers" / "valid"
ROWS = ROOT / "samples" / "volby" / "1" / "rows" / "valid"

DEFINITION = Definition(
    event="sample2030",
    name="Made-up sample election",
    date=datetime.date(2030, 4, 1),
    law="cz-municipal-2018",
    version=2,
    made_up=True,
    areas=(
        Area("CZ", "country", "Made-up land"),
        Area("9100", "region", "Region (made up)", "CZ", "CZ091"),
        Area("9101", "county", "County (made up)", "9100", "CZ0911"),
        Area("900001", "municipality", "Town (made up)", "9101"),
        Area("900002", "municipality", "City (made up)", "9101"),
        Area("900003", "ward", "Ward (made up)", "900002"),
    ),
    contests=(
        Contest("900001", "municipal-council", "lists", "900001", "Town (made up)", 7),
        Contest("900002", "municipal-council", "lists", "900002", "City (made up)", 15),
        Contest("900003", "ward-council", "lists", "900003", "Ward (made up)"),
        Contest("27", "senate", "persons", "9101", "Constituency (made up)", 1),
    ),
    districts=(
        District("900001.1", "900001", 1, "Town (made up)", 7),
        District("900002.1", "900002", 1, "City (made up), obvod 1", 8),
        District("900002.2", "900002", 2, "City (made up), obvod 2", 7),
        District("900003.1", "900003", 1, "Ward (made up)"),
        District("27.1", "27", 1, "Constituency (made up)", 1),
    ),
    precincts=(
        *(Precinct(f"900001-{number}", "900001", number) for number in (1, 2, 4)),
        Precinct("900003-1", "900003", 1, name="Fire station"),
        Precinct("900003-2", "900003", 2, kind="hospital"),
    ),
    polls=(
        *(Poll(f"900001-{number}", "900001", "900001.1", 400 + number) for number in (1, 2, 4)),
        Poll("900003-1", "900002", "900002.1", 812),
        Poll("900003-2", "900002", "900002.2"),
        Poll("900003-1", "900003", "900003.1", 812),
        Poll("900003-1", "27", "27.1", 812),
    ),
    committees=(
        Committee("9001", "Party of the Dragon (made up)", "DRAGON"),
        Committee("9002", "VSTRANA 9002"),
    ),
    lists=(
        List("900001", "900001.1", 1, "9001", "Dragon (made up)", 2),
        List("900001", "900001.1", 2, "9002", "Unicorn (made up)", 1, active=False),
        List("900002", "900002.1", 1, "9001", "Dragon (made up)"),
    ),
    unnumbered_lists=(UnnumberedList("900002", "900002.2", "9001", "Dragon (made up)"),),
    candidates=(
        Candidate("900001", "900001.1", 1, 1, "Ada", "Chimera (made up)", "Ing.", "Ph.D.", 47),
        Candidate("900001", "900001.1", 1, 2, "Bob", "Phantom (made up)", active=False),
        Candidate("900001", "900001.1", 2, 1, "Eve", "Mirage (made up)", age=29),
        Candidate("27", "27.1", 0, 1, "Max", "Legend (made up)", "MUDr.", "CSc.", 61, committee="9001"),
    ),
)


def _moment(day: int, hour: int) -> datetime.datetime:
    return datetime.datetime(2030, 3, day, hour, tzinfo=datetime.UTC)


CALENDAR = Calendar(
    "Europe/Prague",
    (
        Entry("closing", "closing-date", _moment(4, 11), _moment(4, 11), "Last moment for requests."),
        Entry("window", "testing-window", _moment(11, 7), _moment(15, 15), "Made-up results every day."),
        Entry("live-test", "live-test", _moment(20, 16), _moment(20, 20), "With everybody.", "sample2030"),
    ),
)


def written() -> dict[str, bytes]:
    """Every document by path, and the index."""
    edition = edition_of(DEFINITION, TIME)
    documents = {paper.path: paper for paper in papers(DEFINITION, CALENDAR)}
    found = {path: paper.written(edition) for path, paper in documents.items()}
    rows = [
        RegisterRow(path, len(found[path]), "0" * 63 + "1", documents[path].schema, 2, edition.sha256, TIME)
        for path in ("calendar.ics", "calendar.xml", "registers/areas.xml")
    ]
    before = dict.fromkeys(("registers/areas.xml", "registers/gone.xml"), rows[0])
    found["registers.xml"] = index(
        DEFINITION.event, edition, rows, before, number=1, previous="0" * 64, made_up=True
    )
    return found


def samples() -> dict[Path, bytes]:
    """What the sample files hold: each kind of document once."""
    found = {}
    for path, data in written().items():
        if not path.endswith(".xml") or (path.startswith("codebooks/") and path != "codebooks/phases.xml"):
            continue
        name = path.replace("registers/", "").replace("rows/", "").replace("/", "-")
        found[(ROWS if path.startswith("rows/") else OURS) / name] = data
    return found


if __name__ == "__main__":
    for path, data in samples().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
