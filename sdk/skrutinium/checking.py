"""Checking one release: its documents by hash, size, schema and stamp, then its protocols, then every published total."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from skrutinium import comparing, parsing, registers_checking, summary_comparing, taken_over
from skrutinium.attributes import moment
from skrutinium.documents import Protocol
from skrutinium.errors import SchemaError, SkrutiniumError
from skrutinium.fixed import Fixed
from skrutinium.pack_checking import wrong_pack
from skrutinium.parsing import children
from skrutinium.reading import protocol
from skrutinium.recount import EVENT, FirstFacts, Recount, Touched, Votes, votes_of
from skrutinium.registers import Registers
from skrutinium.report import SERIES, Report
from skrutinium.series import Document, Manifest
from skrutinium.source import Material, matches

_CHUNK = 256
_KEPT_ROOTS = 2000
_ROOTS = {
    "event.xml": "event-results",
    "summary.xml": "summary",
    "turnout.xml": "turnout",
    "area": "area-results",
    "contest": "contest-results",
    "district": "district-results",
    "precinct": "precinct-results",
    "batch": "protocol-batch",
    "corrections": "corrections",
}
_LASTING = frozenset({"final", "certified", "corrected"})
_OF_ONE_RELEASE = ("batch/", "corrections/")
_COMPARE: dict[str, Callable[[etree._Element, Recount], Iterator[comparing.Finding]]] = {
    "event-results": comparing.event,
    "area-results": comparing.area,
    "contest-results": comparing.contest,
    "district-results": comparing.district,
    "summary": summary_comparing.summary,
    "precinct-results": comparing.precinct,
}


@dataclass(slots=True)
class Parsed:
    """A document that was loaded: its root, or what is wrong with it."""

    row: Document
    root: etree._Element | None
    code: str = ""
    error: SkrutiniumError | None = None


def load(row: Document, source: Callable[[Document], bytes], *, validate: bool) -> Parsed:
    """Load, check and parse one document; runs in any thread."""
    try:
        data = source(row)
    except SkrutiniumError as error:
        return Parsed(row, None, "object", error)
    if wrong := matches(row, data, row.path):
        return Parsed(row, None, "object", wrong)
    expected = _ROOTS.get(row.path.split("/", 1)[0])
    if expected is None:
        return Parsed(row, None, "stamp", SchemaError("no document of this series has such a path"))
    try:
        return Parsed(row, parsing.document(data, expected, row.path, validate=validate))
    except SchemaError as error:
        return Parsed(row, None, "schema", error)


def _persons(recount: Recount, root: etree._Element) -> None:
    """Learn the round of a contest of single persons, who was withdrawn, and what the first round ended with."""
    contest = str(root.get("id"))
    recount.turn = max(recount.turn, int(root.get("round") or 1))
    for district in children(root, "district"):
        recount.withdrawn[contest] = {
            int(str(one.get("number")))
            for one in children(district, "candidate")
            if one.get("active") in ("false", "0")
        }
        for first in children(district, "first-round"):
            recount.first[contest] = FirstFacts(
                {str(one.get("field")): int(str(one.get("value"))) for one in children(first, "figure")},
                {
                    int(str(one.get("number"))): int(str(one.get("votes")))
                    for one in children(first, "candidate")
                },
            )


class Checker:
    """Goes through releases in order; everything found goes into ``report``.

    ``law`` is the id of the run's law: whether persons are rightly elected is said for those that :mod:`.majority` knows.
    ``log`` holds the protocols as they came, each with the place in the ledger from which it counts: its own, or that of
    the release which lifted the hold of its contest; ``position`` is that of the newest release.
    """

    def __init__(self, report: Report, threads: int = 2, law: str = "") -> None:
        self.report = report
        self.recount = Recount(law)
        self.rows: dict[str, Document] = {}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="verify")
        self._last_entry = 0
        self._last_of: dict[str, int] = {}
        self._once_held: set[str] = set()
        self._state = "interim"
        self._codebook = 0
        self._adding = True
        self._fixed = Fixed()
        self._looked = report.looked(SERIES)
        self.definition = 0
        self._registers: Registers | None = None
        self._presence_due = False
        self.position = 0
        self.log: list[tuple[int, tuple[str, str], Votes]] = []

    @property
    def adding(self) -> bool:
        """Whether every protocol so far could be added up."""
        return self._adding

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    def use(self, definition: int, registers: Registers | None) -> None:
        """From the next release on results are compared with the registers of that version of the definition."""
        self.definition, self._registers = definition, registers
        self._presence_due = registers is not None
        eligible = None
        if registers is not None:
            eligible = {
                precinct: {contest: registers.eligible(precinct, contest) for contest in polls}
                for precinct, polls in registers.polls.items()
            }
        self.recount.set_eligible(eligible)

    def stop_adding(self, why: str) -> None:
        """Totals cannot be compared from here on."""
        if self._adding:
            self._adding = False
            self.report.note(f"totals were not compared from here on: {why}")

    def release(self, manifest: Manifest, material: Material) -> None:
        """Check one release."""
        self._pack(manifest, material)
        kept: list[Parsed] | None = [] if len(manifest.documents) <= _KEPT_ROOTS else None
        batch: etree._Element | None = None
        corrections: etree._Element | None = None
        added: list[str] = []
        held = frozenset(self.recount.held)
        for parsed in self._load(manifest.documents, material, validate=True):
            root = self._judged(manifest, parsed)
            if root is None:
                continue
            added += self._structure(manifest, parsed.row.path, root)
            if parsed.row.path.startswith("batch/"):
                batch = root
            elif parsed.row.path.startswith("corrections/"):
                corrections = root
            elif kept is not None:
                kept.append(parsed)
        for precinct in added:
            self.recount.expect(precinct)
        if self._adding:
            self._protocols(manifest, batch, corrections, held)
        if self._adding:
            again = self._load(manifest.documents, material, validate=False) if kept is None else kept
            self._totals(manifest, again)
        self._lasting(manifest)
        self.rows.update((row.path, row) for row in manifest.documents)
        self._presence(manifest)
        self._state = manifest.state
        self._looked.releases += 1
        self.position = manifest.position

    # ---------------------------------------------------------------- documents
    def _load(self, rows: Iterable[Document], material: Material, *, validate: bool) -> Iterator[Parsed]:
        left = iter(rows)
        while chunk := list(islice(left, _CHUNK)):
            yield from self._threads.map(lambda row: load(row, material.load, validate=validate), chunk)

    def _judged(self, manifest: Manifest, parsed: Parsed) -> etree._Element | None:
        """The root of a document that may be used; what is wrong with it goes into the report."""
        row, number = parsed.row, manifest.release
        self._looked.documents += 1
        if parsed.error is not None:
            words = parsed.error.message
            self.report.differs(parsed.code, number, row.path, "the document cannot be used", words)
            if row.path.startswith("batch/"):
                self.stop_adding(f"{row.path} cannot be used")
            return None
        root = parsed.root
        assert root is not None
        if row.schema != parsing.SCHEMA:
            self.report.differs(
                "schema", number, row.path, "schema in the manifest", row.schema, parsing.SCHEMA
            )
        due = {
            "event": manifest.event,
            "run": manifest.run,
            "phase": manifest.phase,
            "release": str(number),
        }
        for name, value in due.items():
            if root.get(name) != value:
                self.report.differs("stamp", number, row.path, name, root.get(name), value)
        if (told_time := moment(root, "time")) != manifest.time:
            self.report.differs("stamp", number, row.path, "time", told_time, manifest.time)
        told_state = root.get("state")
        of_event = _LASTING & {told_state, manifest.state} or row.path.startswith(_OF_ONE_RELEASE)
        if told_state != manifest.state and of_event:
            self.report.differs("state", number, row.path, "state", told_state, manifest.state)
        name = row.path.rpartition("/")[2].removesuffix(".xml")
        told = root.get("id") or (str(number) if row.path.startswith(("batch/", "corrections/")) else name)
        if told != name:
            self.report.differs("stamp", number, row.path, "id", told, name)
        if root.get("codebook") != str(row.codebook) or row.codebook < self._codebook:
            self.report.differs("codebook", number, row.path, "codebook", root.get("codebook"), row.codebook)
        self._codebook = max(self._codebook, row.codebook)
        return root

    def _pack(self, manifest: Manifest, material: Material) -> None:
        wrong = wrong_pack(manifest, material)
        if wrong is not None:
            self.report.differs("pack", manifest.release, f"pack/{manifest.release}", *wrong)

    # ---------------------------------------------------------------- structure
    def _structure(self, manifest: Manifest, path: str, root: etree._Element) -> list[str]:
        """Learn what a document says of the structure; returns the precincts that are new."""
        recount, added = self.recount, list[str]()
        steady = True
        if path.startswith("area/"):
            area, parent = str(root.get("id")), root.get("parent")
            steady = parent is None or recount.set_parent(area, parent)
            for row in children(root, "area"):
                steady &= recount.set_parent(str(row.get("id")), area)
        elif path.startswith("contest/"):
            lists = {
                (str(district.get("id")), int(str(one.get("number")))): one.get("committee")
                for district in children(root, "district")
                for one in children(district, "list")
            }
            recount.contest_area[str(root.get("id"))] = str(root.get("area"))
            recount.divisions[str(root.get("id"))] = {
                int(str(one.get("number"))): str(one.get("id")) for one in children(root, "district")
            }
            nominees = {
                (str(district.get("id")), int(str(one.get("number")))): one.get("committee")
                for district in children(root, "district")
                for one in children(district, "candidate")
            }
            recount.set_committees(str(root.get("id")), str(root.get("kind")), lists, nominees)
            _persons(recount, root)
            self._hold(str(root.get("id")), root.get("held"))
        elif path.startswith("precinct/"):
            polls = {
                str(one.get("contest")): str(one.get("district"))
                for name in ("protocol", "awaited")
                for one in children(root, name)
            }
            precinct = str(root.get("id"))
            recount.precinct_number[precinct] = str(root.get("number"))
            if precinct not in recount.polls:
                added.append(precinct)
            steady = recount.set_polls(precinct, str(root.get("area")), polls)
        first = self._fixed.first(path, manifest.codebook)
        before = self._fixed.changed(path, root, manifest.codebook, manifest.release)
        if first or before is not None:
            self._compare_registers(manifest, path, root)
        if before is not None:
            what = "names or other things that are fixed"
            self.report.differs(
                "structure", manifest.release, path, what, "changed", f"as in release {before}"
            )
        if not steady:
            self.report.differs("structure", manifest.release, path, "areas or polls", "changed", "as before")
        return added

    def _presence(self, manifest: Manifest) -> None:
        """Since the first release everything that the registers know is published, whatever is reported."""
        if self._registers is None or not self._presence_due:
            return
        self._presence_due = False
        for path in sorted(self._registers.paths() - self.rows.keys()):
            unit = path.removesuffix(".xml").replace("/", " ")
            self.report.differs(
                registers_checking.UNPUBLISHED, manifest.release, path, unit, None, "registered"
            )

    def _compare_registers(self, manifest: Manifest, path: str, root: etree._Element) -> None:
        if self._registers is None:
            return
        for code, what, published, registered in registers_checking.document(self._registers, root):
            self.report.differs(code, manifest.release, path, what, published, registered)

    def _hold(self, contest: str, reason: str | None) -> None:
        """Remember whether a contest is held: its protocols that wait in the ledger are published when it is lifted."""
        if reason is None:
            self.recount.held.pop(contest, None)
        else:
            self.recount.held[contest] = reason
            self._once_held.add(contest)

    # ---------------------------------------------------------------- protocols
    def _protocols(
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

    # ---------------------------------------------------------------- totals
    def _totals(self, manifest: Manifest, documents: Iterable[Parsed]) -> None:
        number, recount = manifest.release, self.recount
        for name, ours, theirs in (
            ("expected", recount.expected, manifest.expected),
            ("reported", len(recount.current), manifest.reported),
        ):
            if ours != theirs:
                self.report.differs("total", number, "manifest.xml", name, theirs, ours)
        recount.state = manifest.state
        whole = len(recount.current) >= recount.expected
        if manifest.state != "interim" and not whole:
            self.report.differs("total", number, "manifest.xml", "state", manifest.state, "interim")
        # While a contest is held, what came in and is not shown may be a correction: then all is in, but not complete.
        if manifest.state == "interim" and whole and not recount.held:
            self.report.differs("total", number, "manifest.xml", "state", manifest.state, "complete")
        self.report.counting, self.report.expected = len(recount.current), recount.expected
        for parsed in documents:
            root = parsed.root
            if root is None:
                continue
            compare = _COMPARE.get(etree.QName(root).localname)
            if compare is None:
                continue
            self._looked.totals += 1
            for what, published, recomputed in compare(root, recount):
                self.report.differs("total", number, parsed.row.path, what, published, recomputed)
        self._missing(manifest)

    def _lasting(self, manifest: Manifest) -> None:
        """Final, certified and corrected stand in every document from the release on that says so first."""
        if manifest.state == self._state or not {manifest.state, self._state} & _LASTING:
            return
        there = {row.path for row in manifest.documents}
        for path in sorted(self.rows.keys() - there):
            if not path.startswith(_OF_ONE_RELEASE):
                self.report.differs("missing", manifest.release, path, f"does not say {manifest.state}", "")

    def _missing(self, manifest: Manifest) -> None:
        """What has other numbers now has to be in the release."""
        touched, self.recount.touched = self.recount.touched, Touched()
        there = {row.path for row in manifest.documents}
        due = {f"contest/{one}.xml" for one in touched.contests} | {
            f"precinct/{one}.xml" for one in touched.precincts
        }
        areas = (f"area/{one}.xml" for one in touched.areas if one != EVENT)
        due |= {path for path in areas if path in self.rows}
        due |= {"event.xml"} if EVENT in touched.areas else set()
        due |= {"summary.xml"} & self.rows.keys() if EVENT in touched.areas else set()
        for contest in touched.contests:
            districts = self.recount.divisions.get(contest, {})
            if len(districts) > 1:
                due |= {f"district/{one}.xml" for one in districts.values()} & self.rows.keys()
        for path in sorted(due - there):
            self.report.differs("missing", manifest.release, path, "changed, but is not in the release", "")


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
