"""Checking the protocols of a release: their order, their bytes, and the corrections that they make; then taking them."""

import hashlib
from collections.abc import Set as AbstractSet

from lxml import etree

from skrutinium.documents.attributes import moment
from skrutinium.documents.parsing import children
from skrutinium.documents.protocols import Protocol
from skrutinium.documents.protocols_reading import protocol
from skrutinium.documents.series import Manifest
from skrutinium.errors import SchemaError
from skrutinium.verifying import taken_over
from skrutinium.verifying.recount import Recount, Votes, votes_of
from skrutinium.verifying.report import Report


class ProtocolChecker:
    """Hands the protocols of releases, in order, to ``recount``; ``once_held`` is that of the structure.

    ``log`` holds the protocols as they came, each with the place in the ledger from which it counts: its own, or that of
    the release which lifted the hold of its contest.
    """

    def __init__(self, report: Report, recount: Recount, once_held: AbstractSet[str]) -> None:
        self.report = report
        self.recount = recount
        self.log: list[tuple[int, tuple[str, str], Votes]] = []
        self._once_held = once_held
        self._last_entry = 0
        self._last_of: dict[str, int] = {}

    def take(
        self,
        manifest: Manifest,
        batch: etree._Element | None,
        corrections: etree._Element | None,
        held: frozenset[str],
    ) -> None:
        """The protocols of a release; ``held`` are the contests that were held when the one before was made."""
        recount, number = self.recount, manifest.release
        replacing: dict[int, tuple[tuple[str, str], int]] = {}
        arrived: dict[int, Votes] = {}
        path = f"batch/{number}.xml"
        for element in () if batch is None else children(batch, "protocol"):
            published = protocol(element)
            self._one(manifest, path, published)
            key, votes = (published.precinct, published.contest), votes_of(published)
            if recount.polls.get(key[0], {}).get(key[1]) != votes.district:
                self.report.differs(
                    "structure", number, path, f"entry {votes.entry}", votes.district, "a poll"
                )
                continue
            arrived[votes.entry] = votes
            self.log.append((manifest.position if key[1] in held else votes.entry, key, votes))
            replaced = recount.take(key, votes)
            if recount.arrived[key] != published.version:
                self.report.differs(
                    "order",
                    number,
                    path,
                    f"entry {votes.entry}: version",
                    published.version,
                    recount.arrived[key],
                )
            due = replaced.entry if replaced is not None else None
            if published.supersedes != due:
                self.report.differs(
                    "order", number, path, f"entry {votes.entry}: supersedes", published.supersedes, due
                )
            if replaced is not None:
                arrived[replaced.entry] = replaced
                replacing[votes.entry] = (key, replaced.entry)
            self.report.protocols += 1
        self._corrections(manifest, corrections, replacing, arrived)

    def _one(self, manifest: Manifest, path: str, published: Protocol) -> None:
        """One protocol: its place in the order, and its bytes."""
        number, name = manifest.release, f"entry {published.entry}"
        # What waited while its contest was held comes after entries that the ledger has behind it.
        waited = published.contest in self._once_held
        last = self._last_of.get(published.contest, 0) if waited else self._last_entry
        if not last < published.entry < manifest.position:
            due = f"after {last}, before {manifest.position}"
            self.report.differs("order", number, path, name, published.entry, due)
        self._last_entry = max(self._last_entry, published.entry)
        self._last_of[published.contest] = max(self._last_of.get(published.contest, 0), published.entry)
        taken = published.taken_over
        if taken is None:
            self.report.differs("taken-over", number, path, f"{name}: bytes taken over", None, "present")
            return
        digest = hashlib.sha256(taken.data).hexdigest()
        if digest != published.sha256:
            self.report.differs("taken-over", number, path, f"{name}: sha256", published.sha256, digest)
        if taken.format not in taken_over.FORMATS:
            self.report.note(f"bytes in the format {taken.format} were checked by hash, but not read again")
            return
        try:
            differing = taken_over.compare(published, taken_over.reread(taken))
        except SchemaError as error:
            self.report.differs(
                "taken-over", number, path, f"{name}: the bytes cannot be read", error.message
            )
            return
        self.report.reread += 1
        where = f"{name}, precinct {published.precinct}, contest {published.contest}"
        for what, theirs, read in differing:
            self.report.differs("protocol", number, path, f"{where}: {what}", theirs, read)

    def _corrections(
        self,
        manifest: Manifest,
        document: etree._Element | None,
        replacing: dict[int, tuple[tuple[str, str], int]],
        arrived: dict[int, Votes],
    ) -> None:
        """Every protocol that replaced another has its correction, and no correction says anything else."""
        number, path = manifest.release, f"corrections/{manifest.release}.xml"
        told: set[int] = set()
        for element in () if document is None else children(document, "correction"):
            entry, supersedes = int(str(element.get("entry"))), int(str(element.get("supersedes")))
            key = (str(element.get("precinct")), str(element.get("contest")))
            told.add(entry)
            new, old = arrived.get(entry), arrived.get(supersedes)
            if new is None or old is None or replacing.get(entry) != (key, supersedes):
                self.report.differs(
                    "correction", number, path, f"entry {entry}", f"supersedes {supersedes}", None
                )
                continue
            for name, said, known in (
                ("reason", element.get("reason"), new.reason),
                ("authority", element.get("authority"), new.authority),
                ("time", moment(element, "time"), new.accepted),
            ):
                if said != known:
                    self.report.differs("correction", number, path, f"entry {entry}: {name}", said, known)
            due = _changes(old, new)
            published = {
                (one.get("field"), _number(one, "list"), _number(one, "candidate")): (
                    _number(one, "old"),
                    _number(one, "new"),
                )
                for one in children(element, "change")
            }
            for part in sorted(due.keys() | published.keys(), key=str):
                if due.get(part) != published.get(part):
                    what = f"entry {entry}: {_part(part)}"
                    self.report.differs("correction", number, path, what, published.get(part), due.get(part))
        for entry in sorted(replacing.keys() - told):
            (precinct, contest), old_entry = replacing[entry]
            what = f"entry {entry}, precinct {precinct}, contest {contest}: correction"
            self.report.differs("correction", number, path, what, None, f"supersedes {old_entry}")


def _number(element: etree._Element, name: str) -> int | None:
    value = element.get(name)
    return None if value is None else int(value)


def _changes(
    old: Votes, new: Votes
) -> dict[tuple[str | None, int | None, int | None], tuple[int | None, int | None]]:
    left, right = old.numbers(), new.numbers()
    return {
        part: (left.get(part), right.get(part))
        for part in left.keys() | right.keys()
        if left.get(part) != right.get(part)
    }


def _part(part: tuple[str | None, int | None, int | None]) -> str:
    name, number, candidate = part
    if name is not None:
        return name
    return f"votes of list {number}" + (f", candidate {candidate}" if candidate is not None else "")
