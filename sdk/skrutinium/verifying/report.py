"""What verification found, for people and for machines."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from skrutinium.errors import AccessRefused, LimitReached, NetworkError, ServerFault

SERIES = "skrutinium"
"""The series that holds everything; others are compared with it."""

UNREACHABLE = (NetworkError, ServerFault, LimitReached, AccessRefused)
"""That a source cannot be read is no difference: it says nothing of what was published."""

MOST_DIFFERENCES = 1000
"""More are counted, but not kept."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be.

    ``code`` says which check found it: state, heartbeat, signature, chain, number, manifest, checkpoint, object, pack,
    schema, stamp, codebook, structure, protocol, taken-over, order, correction, missing, total,
    record, registers, unpublished, unregistered, names, archive, table.
    ``series`` is the series it was found in; ``path`` is the document (empty for the release itself), ``what`` the value in it.
    """

    code: str
    release: int | None
    path: str
    what: str
    published: str
    recomputed: str
    series: str = SERIES

    def __str__(self) -> str:
        place = f"release {self.release}" if self.release is not None else "feed"
        place = place if self.series == SERIES else f"{self.series} {place}"
        place += f", {self.path}" if self.path else ""
        if self.recomputed:
            return f"{place}: {self.what}: published {self.published}, recomputed {self.recomputed}  [{self.code}]"
        return f"{place}: {self.what}: {self.published}  [{self.code}]"


@dataclass(slots=True)
class Looked:
    """How much of one series was looked at; ``totals`` are the documents whose votes were compared."""

    releases: int = 0
    documents: int = 0
    totals: int = 0


@dataclass(slots=True)
class Report:
    """The outcome of a verification; ``agrees`` is the verdict.

    ``series`` says what was looked at in each series;
    ``releases``, ``documents`` and ``totals`` are those of the series ``skrutinium``; ``registers`` are the versions of the
    definition whose registers the results were compared with, and how many documents each has; ``rows`` are those of an
    archive's tables, ``decided`` the contests whose seats were given again. ``newest_only``: only the newest release could be looked into,
    in a mirror that keeps no more.
    """

    where: str
    event: str = ""
    run: str = ""
    phase: str = ""
    fingerprint: str = ""
    pinned: bool = False
    protocols: int = 0
    counting: int = 0
    expected: int = 0
    reread: int = 0
    rows: int = 0
    decided: int = 0
    newest_only: bool = False
    series: dict[str, Looked] = field(default_factory=dict)
    registers: dict[int, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    more_differences: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def releases(self) -> int:
        """Releases looked at of the series ``skrutinium``."""
        return self.looked(SERIES).releases

    @property
    def documents(self) -> int:
        """Documents looked at of the series ``skrutinium``."""
        return self.looked(SERIES).documents

    @property
    def totals(self) -> int:
        """Documents of the series ``skrutinium`` whose numbers were compared."""
        return self.looked(SERIES).totals

    def looked(self, series: str) -> Looked:
        """How much of a series was looked at."""
        return self.series.setdefault(series, Looked())

    @property
    def agrees(self) -> bool:
        """Whether everything that was checked is as it should be."""
        return not self.differences

    def differs(
        self,
        code: str,
        release: int | None,
        path: str,
        what: str,
        published: object,
        recomputed: object = "",
        *,
        series: str = SERIES,
    ) -> None:
        """Add a difference."""
        if len(self.differences) >= MOST_DIFFERENCES:
            self.more_differences += 1
            return
        shown = _shown(published), _shown(recomputed)
        self.differences.append(Difference(code, release, path, what, *shown, series))

    def note(self, text: str) -> None:
        """Say, once, what was not checked."""
        if text not in self.notes:
            self.notes.append(text)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        names = [one.name for one in fields(self) if one.name not in ("differences", "series")]
        shown = {name: getattr(self, name) for name in (*names, "releases", "documents", "totals")}
        differences = [
            {name: getattr(one, name) for name in Difference.__slots__} for one in self.differences
        ]
        series = {name: asdict(looked) for name, looked in self.series.items()}
        return {"agrees": self.agrees, **shown, "series": series, "differences": differences}


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)
