"""The tables that documents of results are told in: their columns, in order, and their keys.

A table belongs to one kind of document. Its first column, the owner, is what that document is of (the contest of ``contest/ID.xml``):
the rows of a document are those of its owner, so that a changed document replaces just them. Source: ``docs/data-desk.md``.
"""

from dataclasses import dataclass
from typing import Literal

Value = str | int | bool | None
"""One value of a row. Dates and times are text, ISO 8601 (times UTC, with ``Z``); shares are two whole numbers."""

Row = tuple[Value, ...]
"""The values of one row, in the order of the columns."""

Type = Literal["text", "int", "bool", "date", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``required``: never None."""

    name: str
    type: Type
    required: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the kind of document that it belongs to (``contest`` for ``contest/ID.xml``), what a row is, and what tells rows apart."""

    name: str
    document: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def owner(self) -> Column:
        """The column that says which document a row is of."""
        return self.columns[0]

    @property
    def places(self) -> tuple[int, ...]:
        """Where in a row the key stands."""
        return tuple(self.names.index(name) for name in self.key)

    def key_of(self, row: Row) -> Row:
        """The key of a row."""
        return tuple(row[place] for place in self.places)


_TYPES: dict[str, Type] = {"": "text", "#": "int", "?": "bool", "@": "date", "~": "time"}


def _table(name: str, document: str, row: str, key: str, columns: str) -> Table:
    """``columns`` are written ``name``, with ``#`` for a number, ``?`` yes or no, ``@`` a date, ``~`` a time, and ``!`` where a value always stands."""
    keys = tuple(key.split())
    read = []
    for told in columns.split():
        named = told.rstrip("!#?@~")
        signs = told[len(named) :]
        required = "!" in signs or named in keys
        read.append(Column(named, _TYPES[signs.replace("!", "")], required))
    return Table(name, document, row, tuple(read), keys)


_COUNT = "reporting! expected#! reported#! eligible# issued# eligible_out#"
_KIND = f"contests#! decided#! seats_decided#! {_COUNT} votes#"
_FIGURE = "field value#! protocols#"

ALL: tuple[Table, ...] = (
    _table(
        "event",
        "event",
        "The event as a whole.",
        "event",
        "event run! phase! name! date@ state! made_up?! held#! precincts#! precincts_out#! eligible_out#",
    ),
    _table("kinds", "event", "All contests of one kind, added up.", "event kind", f"event kind {_KIND}"),
    _table(
        "kind_figures",
        "event",
        "A field of the law, added up over what is reported.",
        "event kind field",
        f"event kind {_FIGURE}",
    ),
    _table(
        "committees",
        "event",
        "One committee over all contests of a kind; `committee` is empty for lists whose committee is not known.",
        "event kind committee",
        "event kind committee name reporting! votes# seats#",
    ),
    _table(
        "summaries",
        "summary",
        "One kind of contest in a line for tickers.",
        "event kind",
        "event kind line! expected#! reported#! share_numerator#! share_denominator#! turnout_numerator# turnout_denominator# "
        "contests#! decided#! seats_decided#!",
    ),
    _table(
        "leading",
        "summary",
        "One of those ahead, by `place` from 1.",
        "event kind place",
        "event kind place# committee candidate# name votes#! share_numerator#! share_denominator#! seats#",
    ),
    _table(
        "turnout",
        "turnout",
        "Voters and ballots of an area at a reporting hour.",
        "event area",
        "event area hour~! expected#! reported#! eligible# issued#",
    ),
    _table(
        "areas",
        "area",
        "One unit of the country, told by the document of the area `listed_in`: the next larger one, for the country itself.",
        "area",
        "listed_in! area parent kind! name! reporting! expected#! reported#! precincts# precincts_out# eligible_out#",
    ),
    _table(
        "area_kinds",
        "area",
        "All contests of one kind in an area that has a document, added up.",
        "area kind",
        f"area kind {_KIND}",
    ),
    _table(
        "area_figures",
        "area",
        "A field of the law there, added up over what is reported.",
        "area kind field",
        f"area kind {_FIGURE}",
    ),
    _table(
        "area_committees",
        "area",
        "One committee over all contests of a kind there.",
        "area kind committee",
        "area kind committee name reporting! votes# seats#",
    ),
    _table(
        "contests",
        "contest",
        "One office or question.",
        "contest",
        f"contest kind! area! name! seats# round#! state! held made_up?! {_COUNT}",
    ),
    _table(
        "contest_figures",
        "contest",
        "A field of the law in a contest.",
        "contest field",
        f"contest {_FIGURE}",
    ),
    _table(
        "districts",
        "contest",
        "One constituency of a contest.",
        "contest district",
        f"contest district number#! name! seats# outcome! threshold# vacant# missing {_COUNT} votes# "
        "first_round_event first_round_date@",
    ),
    _table(
        "district_figures",
        "contest",
        "A field of the law in a district.",
        "contest district field",
        f"contest district {_FIGURE}",
    ),
    _table(
        "lists",
        "contest",
        "One list on the ballot of a district.",
        "contest district number",
        "contest district number# committee name active?! standing# reporting! votes# passed? seats#",
    ),
    _table(
        "unnumbered_lists",
        "contest",
        "A list whose number the source did not tell.",
        "contest district place",
        "contest district place# committee name!",
    ),
    _table(
        "candidates",
        "contest",
        "One person on a list, or alone (`list` 0).",
        "contest district list number",
        "contest district list# number# given_name family_name title_before title_after committee active?! reporting! votes# elected# "
        "way runoff?!",
    ),
    _table(
        "questions",
        "contest",
        "A question of a referendum.",
        "contest district number",
        "contest district number# text! reporting! yes# no# answer",
    ),
    _table(
        "lots",
        "contest",
        "One of those tied (`list`, `candidate`: 0 where there is none) where a lot decides on so many places.",
        "contest district lot list candidate",
        "contest district lot# list# candidate# places#!",
    ),
    _table(
        "first_round_figures",
        "contest",
        "A field of the law in the first round.",
        "contest district field",
        "contest district field value#!",
    ),
    _table(
        "first_round_candidates",
        "contest",
        "One person in the first round.",
        "contest district number",
        "contest district number# given_name family_name votes# elected# runoff?!",
    ),
    _table(
        "precincts",
        "precinct",
        "Where people vote.",
        "precinct",
        "precinct area! number#! kind! name state! expected#! reported#!",
    ),
    _table(
        "protocols",
        "precinct",
        "What a precinct owes for one contest; `entry` and what follows is empty while it is `awaited`.",
        "precinct contest",
        "precinct contest district! awaited?! entry# version# sequence# established~ accepted~ sha256 repeated? supersedes# reason authority",
    ),
    _table(
        "protocol_figures",
        "precinct",
        "A field of a protocol.",
        "precinct contest field",
        "precinct contest field value#!",
    ),
    _table(
        "protocol_lists",
        "precinct",
        "Votes of a list in a protocol.",
        "precinct contest list",
        "precinct contest list# votes#!",
    ),
    _table(
        "protocol_candidates",
        "precinct",
        "Votes of a candidate of a list in a protocol, where the source tells them.",
        "precinct contest list candidate",
        "precinct contest list# candidate# votes#!",
    ),
    _table(
        "corrections",
        "corrections",
        "A protocol that replaced one published before.",
        "release entry",
        "release# entry# precinct! contest! supersedes#! reason! authority! time~!",
    ),
    _table(
        "correction_changes",
        "corrections",
        "One number that a correction changed: a field, or votes of a list or of a candidate of it.",
        "release entry place",
        "release# entry# place# field list# candidate# old# new#",
    ),
)

RELEASES = _table(
    "releases",
    "release",
    "A release that a sink took.",
    "release",
    "release# time~! state! phase! manifest! expected#! reported#! position#! codebook#! source!",
)
"""Only sinks have it: each release that they took, once."""

TABLES: dict[str, Table] = {table.name: table for table in ALL}
"""The tables of documents, by name."""

OF_DOCUMENT: dict[str, tuple[Table, ...]] = {
    kind: tuple(table for table in ALL if table.document == kind)
    for kind in dict.fromkeys(table.document for table in ALL)
}
"""The tables of each kind of document."""
