"""What readers should have at the end of a run: made again from its ledger alone, nothing of it read from a feed or a release store.

Every document is written anew from a tally of the ledger, release by release; beside it the totals are plain sums of the protocols, without tally or documents.
Source: design § 4.2.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from skrutinium_server.election.model import Definition
from skrutinium_server.intake.model import Protocol
from skrutinium_server.ledger.model import Accepted, Cut, Held, Lifted
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.publisher import WRITERS
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.great.model import Client, Total
from skrutinium_server.release.publisher import Publisher
from skrutinium_server.release.store.model import ManifestRow, SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.tally import Tally

SERIES: Final = "skrutinium"
Key = tuple[str, str]
"""Precinct and contest."""


class Truth(msgspec.Struct, frozen=True):
    """``documents``: hash by path at the last release; ``manifests``: hash of each manifest by number; ``protocols``: those that count at the end."""

    release: int
    documents: dict[str, str]
    manifests: dict[int, str]
    protocols: dict[Key, Protocol]
    definition: Definition


class _Compared(Validator):
    """Validates nothing, which is half of the work: these documents are compared with published ones, which are valid."""

    def validate(self, path: str, data: bytes, schema: str) -> None:
        """Take whatever it is."""


class _Made:
    """Takes what a publisher makes, in place of a release store."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.documents: dict[str, str] = {}
        self.manifests: dict[int, str] = {}

    def put_objects(self, documents: Iterable[tuple[str, bytes, str, int]]) -> list[ManifestRow]:
        return [
            ManifestRow(path, len(data), hashlib.sha256(data).hexdigest(), schema, codebook)
            for path, data, schema, codebook in documents
        ]

    def publish(
        self, key: SeriesKey, number: int, manifest: bytes, documents: Iterable[tuple[str, bytes]]
    ) -> None:
        del key
        self.manifests[number] = hashlib.sha256(manifest).hexdigest()
        self.documents.update((path, hashlib.sha256(data).hexdigest()) for path, data in documents)

    def write_checkpoint(self, key: SeriesKey, number: int, document: bytes) -> None:
        """A checkpoint says nothing that manifests do not."""

    def write_heartbeat(self, key: SeriesKey, document: bytes) -> None:
        """A heartbeat tells nothing of the count."""


def truth_of(site: Site, run: str, told: Callable[[int], None] = lambda _number: None) -> Truth:
    """Make everything again from the ledger of a run; ``told`` is called with each release. Raises ``LedgerError``, ``ReleaseError``."""
    basis = site.basis(run)
    made = _Made(site.signer())
    with TemporaryDirectory() as nothing, SqliteReader(site.ledger(run)) as ledger:
        publisher = Publisher(
            site.series_key(run, SERIES),
            ledger,
            Tally(basis.index, basis.law),
            WRITERS[SERIES](basis),
            _Compared(),
            StoreReader(Path(nothing)),
            made,
        )
        while publisher.catch_up(at_most=1):
            told(publisher.newest)
        protocols = counting(entry.body for entry in ledger.entries())
    return Truth(publisher.newest, made.documents, made.manifests, protocols, basis.definition)


def last_release(site: Site, run: str) -> int:
    """The number of the last release that the ledger of a run asks for; raises ``LedgerError``."""
    with SqliteReader(site.ledger(run)) as ledger:
        cuts = (entry.body for entry in ledger.entries())
        return max(cut.number for cut in cuts if isinstance(cut, Cut) and cut.series == SERIES)


def counting(bodies: Iterable[object]) -> dict[Key, Protocol]:
    """The protocols that readers are shown: the newest of each precinct and contest, without what came in while its contest is held. Pure."""
    shown: dict[Key, Protocol] = {}
    aside: dict[str, dict[Key, Protocol]] = {}
    for body in bodies:
        match body:
            case Held(contest=contest):
                aside[contest] = {}
            case Lifted(contest=contest):
                shown |= aside.pop(contest)
            case Accepted(protocol=protocol) if body.version == 1 or body.supersedes is not None:
                aside.get(protocol.contest, shown)[protocol.precinct, protocol.contest] = protocol
            case _:
                pass
    return shown


# ------------------------------------------------------------------ for one client
def documents_of(client: Client, truth: Truth) -> dict[str, str]:
    """Hash by path of what a client chose, by the definition. Pure."""
    if client.kind == "everything":
        return truth.documents
    paths = set(client.only)
    if client.area is not None:
        paths |= _within(client.area, truth.definition)
    return {path: truth.documents[path] for path in paths if path in truth.documents}


def totals_of(client: Client, truth: Truth) -> dict[str, Total]:
    """Protocols and valid votes by kind of contest where the client looks. Pure."""
    definition = truth.definition
    kinds = {contest.id: contest.kind for contest in definition.contests}
    areas = None if client.area is None else _below(client.area, definition)
    places = {precinct.id: precinct.area for precinct in definition.precincts}
    reported: dict[str, int] = {}
    votes: dict[str, int] = {}
    for poll in definition.polls:
        if areas is None or places[poll.precinct] in areas:
            kind = kinds[poll.contest]
            protocol = truth.protocols.get((poll.precinct, poll.contest))
            reported[kind] = reported.get(kind, 0) + (protocol is not None)
            valid = 0 if protocol is None else protocol.figures.get("valid-votes", 0)
            votes[kind] = votes.get(kind, 0) + valid
    return {
        kind: Total(reported[kind], None if client.kind == "summary" else votes[kind]) for kind in reported
    }


def _below(area: str, definition: Definition) -> set[str]:
    """An area with all areas in it."""
    children: dict[str, list[str]] = {}
    for one in definition.areas:
        if one.parent is not None:
            children.setdefault(one.parent, []).append(one.id)
    found, waiting = {area}, [area]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def _within(area: str, definition: Definition) -> set[str]:
    """The paths of everything in an area: smaller areas, precincts, contests that are held there or voted on in one of its precincts."""
    areas = _below(area, definition)
    precincts = {one.id for one in definition.precincts if one.area in areas}
    contests = {one.id for one in definition.contests if one.area in areas}
    contests |= {poll.contest for poll in definition.polls if poll.precinct in precincts}
    return {
        *(f"area/{id}.xml" for id in areas),
        *(f"contest/{id}.xml" for id in contests),
        *(f"precinct/{id}.xml" for id in precincts),
    }
