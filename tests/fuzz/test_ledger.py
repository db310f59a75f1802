"""Random lives of a ledger against a model that fits a page: what it answers, what it holds, whatever order things come in."""

import asyncio
import dataclasses
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from skrutinium_server.intake.model import Admission
from skrutinium_server.ledger.chain import GENESIS
from skrutinium_server.ledger.errors import ClosedError, LedgerError, RefusedError
from skrutinium_server.ledger.model import (
    Accepted,
    Closed,
    Cut,
    Declared,
    Held,
    Lifted,
    Opened,
    Reopened,
    Step,
)
from skrutinium_server.ledger.sqlite import SqliteLedger, SqliteReader
from tests.ledger.made import NIGHT, OPENED, admission, cut

ADMISSIONS = st.builds(
    admission,
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from(("import", "import", "import", "online")),
    st.just(1),
)


@dataclasses.dataclass
class Unit:
    """What the model keeps of one precinct and contest: hashes of the bytes in order, and which position counts."""

    hashes: dict[str, int] = dataclasses.field(default_factory=dict)
    sequence: int = -1
    position: int = 0


class Life(RuleBasedStateMachine):
    """Appends, cuts, decisions of people, new writers; the model is a few dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger", dir=os.environ.get("TMPDIR")))
        self.runner = asyncio.Runner()
        self.ledger: SqliteLedger | None = None
        self.bodies: list[tuple[str, Any]] = []
        self.units: dict[tuple[str, str], Unit] = {}
        self.numbers: dict[str, int] = {}
        self.closed = False
        self.held: set[str] = set()
        self.declared: list[str] = []

    @initialize()
    def create(self) -> None:
        self.ledger = SqliteLedger.create(self.folder / "ledger.sqlite", OPENED)
        self.bodies = [("opened", None)]

    def expected(self, admissions: list[Admission]) -> list[tuple[int, bool]] | type[LedgerError]:
        """Position and duplicate for each, or the error; the model is changed only when all of them pass."""
        if self.closed:
            return ClosedError
        bodies = list(self.bodies)
        units = {key: dataclasses.replace(unit, hashes=dict(unit.hashes)) for key, unit in self.units.items()}
        answers = []
        for one in admissions:
            unit = units.setdefault((one.protocol.precinct, one.protocol.contest), Unit())
            digest = hashlib.sha256(one.taken_over.data).hexdigest()
            if digest in unit.hashes:
                answers.append((unit.hashes[digest], True))
                continue
            newer = one.protocol.sequence > unit.sequence
            if unit.hashes and newer and one.origin.path == "online":
                return RefusedError
            bodies.append(
                ("accepted", (digest, unit.position if unit.hashes and newer else None, len(unit.hashes) + 1))
            )
            unit.hashes[digest] = len(bodies)
            if newer:
                unit.sequence, unit.position = one.protocol.sequence, len(bodies)
            answers.append((len(bodies), False))
        self.bodies, self.units = bodies, units
        return answers

    @rule(calls=st.lists(st.lists(ADMISSIONS, max_size=4), min_size=1, max_size=3))
    def append(self, calls: list[list[Admission]]) -> None:
        """Several calls at once: they share a commit, and each is answered for itself."""
        ledger = self.opened()

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(
                *(ledger.append(call, NIGHT) for call in calls), return_exceptions=True
            )

        for call, answer in zip(calls, self.runner.run(all_of_them()), strict=True):
            expected = self.expected(call)
            if isinstance(expected, type):
                assert type(answer) is expected
                continue
            assert [(receipt.position, receipt.duplicate) for receipt in answer] == expected

    @rule(series=st.sampled_from(("skrutinium", "volby")), off=st.sampled_from((0, 0, 0, 1, -1)))
    def cut(self, series: str, off: int) -> None:
        """A cut with the next number, sometimes with another one."""
        number = self.numbers.get(series, 0) + 1 + off
        try:
            mark = self.runner.run(self.opened().append_cut(cut(number, series)))
        except (ClosedError, RefusedError) as error:
            if not (self.closed or off):
                raise AssertionError("refused for nothing") from error
            return
        assert not self.closed
        assert not off
        self.numbers[series] = number
        self.bodies.append(("cut", (series, number)))
        assert mark.position == len(self.bodies)

    @rule(sure=st.integers(0, 9))
    def close_run(self, sure: int) -> None:
        """Now and then the run is closed."""
        if not sure:
            self.decide(Closed(NIGHT), "closed", ClosedError if self.closed else None)

    @rule()
    def open_again(self) -> None:
        """Only a closed run is opened again."""
        step = Reopened(("somebody",), "a court said so", "court", NIGHT)
        self.decide(step, "reopened", None if self.closed else RefusedError)

    @rule(contest=st.sampled_from(("1", "2")), stop=st.booleans())
    def hold_or_lift(self, contest: str, stop: bool) -> None:
        """A contest is held once, and lifted only when it is held."""
        refused = ClosedError if self.closed else RefusedError if stop == (contest in self.held) else None
        if stop:
            self.decide(Held(contest, "a count is repeated", "somebody", NIGHT), "held", refused)
        else:
            self.decide(Lifted(contest, "somebody", NIGHT), "lifted", refused)
        if refused is None:
            self.held ^= {contest}

    @rule(state=st.sampled_from(("final", "certified")))
    def declare(self, state: Literal["final", "certified"]) -> None:
        """Results are final once, and certified once after that."""
        due = ("final", "certified", None)[len(self.declared)]
        refused = ClosedError if self.closed else None if state == due else RefusedError
        self.decide(Declared(state, "all is in", "office", ("somebody",), NIGHT), "declared", refused)
        if refused is None:
            self.declared.append(state)

    def decide(self, step: Step, kind: str, refused: type[LedgerError] | None) -> None:
        """Append a decision: it is refused as expected, or it is the next entry."""
        try:
            mark = self.runner.run(self.opened().append_step(step))
        except LedgerError as error:
            assert type(error) is refused  # noqa: PT017 - not refusing is right as often
            return
        assert refused is None
        self.bodies.append((kind, step))
        self.closed = {"closed": True, "reopened": False}.get(kind, self.closed)
        assert mark.position == len(self.bodies)

    @rule()
    def reopen(self) -> None:
        """The writer ends and another one goes on."""
        self.runner.run(self.opened().close())
        self.ledger = SqliteLedger.open(self.folder / "ledger.sqlite")

    @rule()
    def crash(self) -> None:
        """What lies on the disk at this moment, taken as it is, is a whole ledger: the same entries, ready to go on."""
        copy = self.folder / "copy"
        copy.mkdir()
        for path in self.folder.glob("ledger.sqlite*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, copy / path.name)
        crashed = SqliteLedger.open(copy / "ledger.sqlite")
        assert crashed.head() == self.opened().head()
        self.runner.run(crashed.close())
        shutil.rmtree(copy)

    def opened(self) -> SqliteLedger:
        """The writer."""
        assert self.ledger is not None
        return self.ledger

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        """A reader beside the writer sees exactly the entries of the model, chained."""
        if self.ledger is None:
            return
        seen: list[tuple[str, Any]] = []
        previous = GENESIS
        with SqliteReader(self.folder / "ledger.sqlite") as reader:
            for position, (entry, data) in enumerate(reader.records(), 1):
                assert (entry.position, entry.previous) == (position, previous)
                previous = entry.hash
                match entry.body:
                    case Opened():
                        seen.append(("opened", None))
                    case Accepted() as body:
                        assert hashlib.sha256(data).hexdigest() == body.data_sha256
                        seen.append(("accepted", (body.data_sha256, body.supersedes, body.version)))
                    case Cut() as body:
                        seen.append(("cut", (body.series, body.number)))
                    case step:
                        seen.append((type(step).__name__.lower(), step))
            assert reader.head() == (len(seen), previous)
        assert seen == self.bodies
        assert self.ledger.closed == self.closed
        assert all(self.ledger.newest_release(series) == number for series, number in self.numbers.items())

    def teardown(self) -> None:
        """Give everything back."""
        if self.ledger is not None:
            self.runner.run(self.ledger.close())
        self.runner.close()
        shutil.rmtree(self.folder)


Life.TestCase.settings = settings(max_examples=max(10, settings().max_examples // 10), stateful_step_count=12)
TestLife = pytest.mark.blocking("the ledger's files are read between its turns")(Life.TestCase)
