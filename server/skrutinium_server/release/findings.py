"""What a check of a release store found: how much it looked at, and what is broken."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is broken: ``where`` is a path or a release, ``what`` says how, for people."""

    where: str
    what: str


@dataclass(slots=True)
class Findings:
    """What was looked at, how often, and what is broken; ``unfinished`` counts files that a killed writer left behind."""

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unfinished: int = 0

    def count(self, what: str, number: int = 1) -> None:
        """So many more were looked at."""
        self.counts[what] = self.counts.get(what, 0) + number

    def fault(self, where: object, what: str) -> None:
        """One more is broken."""
        self.faults.append(Fault(str(where), what))
