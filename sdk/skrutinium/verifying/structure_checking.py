"""Learning from documents what the event consists of, and checking that it stays so and is what the registers say."""

from collections.abc import Mapping

from lxml import etree

from skrutinium.documents.parsing import children
from skrutinium.documents.series import Document, Manifest
from skrutinium.verifying import registers_checking
from skrutinium.verifying.ballots import ballots
from skrutinium.verifying.fixed import Fixed
from skrutinium.verifying.recount import FirstFacts, Recount
from skrutinium.verifying.registers import Registers
from skrutinium.verifying.report import Report


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


class StructureChecker:
    """Teaches ``recount`` areas, polls, lists and holds as documents tell them; ``once_held`` are all contests ever held."""

    def __init__(self, report: Report, recount: Recount) -> None:
        self.report = report
        self.recount = recount
        self.once_held: set[str] = set()
        self._fixed = Fixed()
        self._registers: Registers | None = None
        self._presence_due = False

    def use(self, registers: Registers | None) -> None:
        """From the next release on results are compared with these registers."""
        self._registers = registers
        self._presence_due = registers is not None
        eligible = None
        if registers is not None:
            eligible = {
                precinct: {contest: registers.eligible(precinct, contest) for contest in polls}
                for precinct, polls in registers.polls.items()
            }
        self.recount.set_eligible(eligible)

    def learn(self, manifest: Manifest, path: str, root: etree._Element) -> list[str]:
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
            recount.ballots.update(ballots(root))
            recount.won.pop(str(root.get("id")), None)
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
            self._compare(manifest, path, root)
        if before is not None:
            what = "names or other things that are fixed"
            self.report.differs(
                "structure", manifest.release, path, what, "changed", f"as in release {before}"
            )
        if not steady:
            self.report.differs("structure", manifest.release, path, "areas or polls", "changed", "as before")
        return added

    def presence(self, manifest: Manifest, rows: Mapping[str, Document]) -> None:
        """Since the first release everything that the registers know is published, whatever is reported."""
        if self._registers is None or not self._presence_due:
            return
        self._presence_due = False
        for path in sorted(self._registers.paths() - rows.keys()):
            unit = path.removesuffix(".xml").replace("/", " ")
            self.report.differs(
                registers_checking.UNPUBLISHED, manifest.release, path, unit, None, "registered"
            )

    def _compare(self, manifest: Manifest, path: str, root: etree._Element) -> None:
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
            self.once_held.add(contest)
