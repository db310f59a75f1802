"""A made-up election for the tests of the format volby, small but with every shape: wards, districts, an unknown party."""

import datetime
from collections.abc import Iterator, Sequence

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import (
    Area,
    Candidate,
    Committee,
    Contest,
    ContestKind,
    Definition,
    District,
    List,
    Poll,
    Precinct,
)
from skrutinium_server.intake.model import ListVotes, Origin, Protocol
from skrutinium_server.ledger.model import Accepted, Phase
from skrutinium_server.release.formats.volby.heading import Encoding
from skrutinium_server.release.formats.volby.writer import volby_writer
from skrutinium_server.release.model import Arrival, Cutting, Document
from skrutinium_server.tally.tally import Tally

NIGHT = datetime.datetime(2030, 10, 5, 12, 30, tzinfo=datetime.UTC)
LAW = load_law("cz-municipal-2018")

TOWN, DIVIDED, CITY, WARD = "999001", "999002", "999003", "999004"

_COUNCILS: tuple[tuple[str, ContestKind, str, str, tuple[int, ...], tuple[int | None, ...]], ...] = (
    # id, kind, area, name, seats of its districts, candidates on each list (None: not known)
    (TOWN, "municipal-council", TOWN, "Vymyšlená Lhota", (5,), (5, 5)),
    (DIVIDED, "municipal-council", DIVIDED, "Čistá Smyšlenka", (3, 2), (3, 2)),
    (CITY, "municipal-council", CITY, "Chrám u Ničeho", (7,), (None, None)),
    (WARD, "ward-council", WARD, "Chrám u Ničeho-Západ", (5,), (5, 5)),
)
_GIVEN = ("Vymysl", "Smyšlena", "Nikdo", "Nula", "Fikce")


def definition(*, unknown_party: bool = True) -> Definition:
    """Four councils in one county; in the city the second list has no party that is known."""
    contests, districts, lists, candidates = [], [], [], []
    for id, kind, area, name, seats, standing in _COUNCILS:
        contests.append(Contest(id, kind, "lists", area, name, sum(seats)))
        for number, own in enumerate(seats, 1):
            district = f"{id}.{number}"
            districts.append(District(district, id, number, f"Obvod {number}", own))
            for place, people in enumerate(standing, 1):
                unknown = id == CITY and place == 2 and unknown_party
                lists.append(
                    List(
                        id,
                        district,
                        place,
                        None if unknown else str(place),
                        None if unknown else _name(place),
                        people,
                    )
                )
                candidates += [
                    Candidate(
                        id,
                        district,
                        place,
                        person,
                        _GIVEN[person - 1],
                        f"Smyšlený{place}",
                        "Ing." if person == 2 else "",
                    )
                    for person in range(1, (people or 0) + 1)
                ]
    precincts = (
        Precinct(f"{TOWN}-1", TOWN, 1),
        Precinct(f"{TOWN}-2", TOWN, 2),
        Precinct(f"{DIVIDED}-1", DIVIDED, 1),
        Precinct(f"{DIVIDED}-2", DIVIDED, 2),
        Precinct(f"{WARD}-1001", WARD, 1001),
    )
    polls = (
        Poll(f"{TOWN}-1", TOWN, f"{TOWN}.1"),
        Poll(f"{TOWN}-2", TOWN, f"{TOWN}.1"),
        Poll(f"{DIVIDED}-1", DIVIDED, f"{DIVIDED}.1"),
        Poll(f"{DIVIDED}-2", DIVIDED, f"{DIVIDED}.2"),
        Poll(f"{WARD}-1001", CITY, f"{CITY}.1"),
        Poll(f"{WARD}-1001", WARD, f"{WARD}.1"),
    )
    return Definition(
        event="kv2030",
        name="Smyšlené volby",
        date=datetime.date(2030, 10, 4),
        law=LAW.id,
        version=1,
        made_up=True,
        areas=(
            Area("CZ", "country", "Smyšlenka"),
            Area("9900", "county", "Smyšlený okres", "CZ", "CZ0999"),
            Area(TOWN, "municipality", "Vymyšlená Lhota", "9900"),
            Area(DIVIDED, "municipality", "Čistá Smyšlenka", "9900"),
            Area(CITY, "municipality", "Chrám u Ničeho", "9900"),
            Area(WARD, "ward", "Chrám u Ničeho-Západ", CITY),
        ),
        contests=tuple(contests),
        districts=tuple(districts),
        precincts=precincts,
        polls=polls,
        committees=(Committee("1", "Smyšlená strana & přátelé"), Committee("2", 'Strana "Nic"')),
        lists=tuple(lists),
        candidates=tuple(candidates),
    )


def protocol(
    poll: Poll, sequence: int, votes: Sequence[Sequence[int]], *, told: bool = True, repeated: bool = False
) -> Protocol:
    """The protocol of a poll in which the candidates of each list have these votes."""
    lists = tuple(
        ListVotes(place, sum(own), tuple(enumerate(own, 1)) if told else None)
        for place, own in enumerate(votes, 1)
    )
    valid = sum(row.votes for row in lists)
    figures = {
        "eligible": 100 + valid,
        "issued": 50 + valid // 2,
        "returned": 49 + valid // 2,
        "valid-votes": valid,
    }
    time = NIGHT + datetime.timedelta(seconds=sequence)
    return Protocol(poll.precinct, poll.contest, poll.district, sequence, time, figures, lists, repeated)


class Night:
    """A run on an event: protocols in, documents of each cut out, from one tally and one writer."""

    def __init__(
        self,
        event: Definition,
        phase: Phase = "rehearsal",
        run: str = "sample",
        *,
        encoding: Encoding = "utf-8",
    ) -> None:
        index, law = DefinitionIndex(event), load_law(event.law)
        self.tally = Tally(index, law)
        self.writer = volby_writer(index, law, encoding)
        self.documents: dict[str, Document] = {}
        self._phase: Phase = phase
        self._run = run
        self._position = 1
        self._release = 0
        self._versions: dict[tuple[str, str], tuple[int, int]] = {}
        self._arrivals: list[Arrival] = []

    def take(self, protocol: Protocol) -> None:
        """Count a protocol and keep it for the next batch."""
        self._position += 1
        version = self._versions.get((protocol.precinct, protocol.contest), (0, 0))[0] + 1
        current = self.tally.current(protocol.precinct, protocol.contest)
        supersedes = current[0] if current and current[1].protocol.sequence < protocol.sequence else None
        self._versions[protocol.precinct, protocol.contest] = version, self._position
        body = accepted(protocol, version, supersedes)
        applied = self.tally.apply(self._position, body)
        self._arrivals.append(Arrival(self._position, body, b"", applied.replaced))

    def cutting(self, batch: int | None = None) -> Cutting:
        """The circumstances of the next release."""
        self._release += 1
        time = NIGHT + datetime.timedelta(minutes=self._release)
        event = self.tally.index.definition.event
        arrivals = tuple(self._arrivals) if batch is not None else ()
        return Cutting(event, self._run, self._phase, self._release, time, 1, "interim", arrivals, batch)

    def cut(self, batch: int | None = None) -> dict[str, Document]:
        """The documents of a release at this point, by path."""
        cutting = self.cutting(batch)
        if batch is not None:
            self._arrivals.clear()
        made = list(self.writer.documents(self.tally, self.tally.take_changes(), cutting))
        documents = {document.path: document for document in made}
        assert len(documents) == len(made), "a path was written twice"
        self.documents |= documents
        return documents


def accepted(protocol: Protocol, version: int = 1, supersedes: int | None = None) -> Accepted:
    """The protocol as an entry of the ledger."""
    return Accepted(
        protocol=protocol,
        data_sha256="0" * 64,
        format="csv",
        encoding="utf-8",
        source="made-up.csv",
        source_sha256="0" * 64,
        offset=0,
        origin=Origin("made-up", "import"),
        version=version,
        supersedes=supersedes,
        reason=None,
        authority=None,
        findings=(),
        skipped_rules=0,
        time=NIGHT,
    )


def protocols(event: Definition) -> Iterator[Protocol]:
    """One protocol for each poll; those of the city do not tell candidates."""
    for sequence, poll in enumerate(event.polls, 1):
        sizes = {row.number: row.candidates for row in event.lists if row.district == poll.district}
        votes = [
            [7 * sequence + place + person for person in range(size or 3)]
            for place, size in sorted(sizes.items())
        ]
        yield protocol(poll, sequence, votes, told=poll.contest != CITY)


def _name(place: int) -> str:
    return ("Smyšlená strana & přátelé", 'Strana "Nic"')[place - 1]
