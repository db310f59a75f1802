"""What readers should have at the end of a run: made again from its ledger alone, nothing of it read from a feed or a release store.

Every document is written anew from a tally of the ledger, release by release; beside it the totals are plain sums of the protocols, without tally or documents.
Source: design § 4.2.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.intake.model import Protocol
from skrutinium_server.ledger.model import Accepted, Cut, Held, Lifted
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.recount import Remade, remaking
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.great.model import Client, Total
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.validate import Validator

SERIES: Final = "skrutinium"
Key = tuple[str, str]
"""Precinct and contest."""


class Truth(msgspec.Struct, frozen=True):
    """``documents``: hash by path at the last release; ``manifests``: hash of each manifest by number; ``protocols``: those that count at the end."""

    release: int
    documents: dict[str, str]
    manifests: dict[int, str]
    protocols: dict[Key, Protocol]
    index: DefinitionIndex


class _Compared(Validator):
    """Validates nothing, which is half of the work: these documents are compared with published ones, which are valid."""

    def validate(self, path: str, data: bytes, schema: str) -> None:
        """Take whatever it is."""


class _Made(Remade):
    """Keeps the hashes of what is made again."""

    def __init__(self, signer: Signer) -> None:
        super().__init__(signer)
        self.documents: dict[str, str] = {}
        self.manifests: dict[int, str] = {}

    def publish(
        self, key: SeriesKey, number: int, manifest: bytes, documents: Iterable[tuple[str, bytes]]
    ) -> None:
        del key
        self.manifests[number] = hashlib.sha256(manifest).hexdigest()
        self.documents.update((path, hashlib.sha256(data).hexdigest()) for path, data in documents)


def truth_of(site: Site, run: str, told: Callable[[int], None] = lambda _number: None) -> Truth:
    """Make everything again from the ledger of a run; ``told`` is called with each release. Raises ``LedgerError``, ``ReleaseError``."""
    basis = site.basis(run)
    made = _Made(site.signer())
    with (
        SqliteReader(site.ledger(run)) as ledger,
        remaking(basis, SERIES, ledger, _Compared(), made) as publisher,
    ):
        while publisher.catch_up(at_most=1):
            told(publisher.newest)
        protocols = counting(entry.body for entry in ledger.entries())
    return Truth(publisher.newest, made.documents, made.manifests, protocols, basis.index)


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
        paths |= _within(client.area, truth.index)
    return {path: truth.documents[path] for path in paths if path in truth.documents}


def totals_of(client: Client, truth: Truth) -> dict[str, Total]:
    """Protocols and valid votes by kind of contest where the client looks. Pure."""
    index = truth.index
    areas = None if client.area is None else _below(client.area, index)
    reported: dict[str, int] = {}
    votes: dict[str, int] = {}
    for poll in index.definition.polls:
        if areas is None or index.precincts[poll.precinct].area in areas:
            kind = index.contests[poll.contest].kind
            protocol = truth.protocols.get((poll.precinct, poll.contest))
            reported[kind] = reported.get(kind, 0) + (protocol is not None)
            valid = 0 if protocol is None else protocol.figures.get("valid-votes", 0)
            votes[kind] = votes.get(kind, 0) + valid
    return {
        kind: Total(reported[kind], None if client.kind == "summary" else votes[kind]) for kind in reported
    }


def _below(area: str, index: DefinitionIndex) -> set[str]:
    """An area with all areas in it."""
    return {area}.union(*(_below(one.id, index) for one in index.children(area)))


def _within(area: str, index: DefinitionIndex) -> set[str]:
    """The paths of everything in an area: smaller areas, precincts, contests that are held there or voted on in one of its precincts."""
    areas = _below(area, index)
    precincts = {one.id for one in index.precincts.values() if one.area in areas}
    contests = {one.id for id in areas for one in index.contests_of_area(id)}
    contests |= {poll.contest for id in precincts for poll in index.polls_of_precinct(id)}
    return {
        *(f"area/{id}.xml" for id in areas),
        *(f"contest/{id}.xml" for id in contests),
        *(f"precinct/{id}.xml" for id in precincts),
    }
