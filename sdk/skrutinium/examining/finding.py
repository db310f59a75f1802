"""What an examination finds: one line a check, with what was seen, what was expected, and what to do."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from skrutinium.errors import SkrutiniumError

Verdict = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; ``expected`` and ``advice`` say what to do when it is not ``ok``; ``kind`` is the class of error."""

    check: str
    verdict: Verdict
    seen: str
    expected: str = ""
    advice: str = ""
    kind: type[SkrutiniumError] = SkrutiniumError

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``code`` is None when nothing is wrong."""
        code = None if self.verdict == "ok" else self.kind.code
        told = {"check": self.check, "verdict": self.verdict, "code": code, "seen": self.seen}
        return {**told, "expected": self.expected or None, "advice": self.advice or None}


@dataclass(frozen=True, slots=True)
class Machine:
    """What is taken from the machine that is examined: its clock (aware) and its environment."""

    clock: Callable[[], datetime.datetime]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is examined: the address of a feed, which run of it, whose key, and the state file that will be used."""

    url: str
    event: str | None = None
    run: str | None = None
    fingerprint: str | None = None
    state: Path | None = None


def exit_code(findings: Iterable[Finding]) -> int:
    """0 when nothing is bad, else that of the first bad finding: what comes after it may follow from it."""
    return next((one.kind.exit_code for one in findings if one.verdict == "bad"), 0)


def of_error(check: str, error: SkrutiniumError, advice: str = "") -> Finding:
    """A check that ended with an error."""
    said = (type(error).__doc__ or "").partition(": ")[2].strip().split("\n")[0]
    seen = error.message + (f"; the server says: {error.words}" if error.words else "")
    return Finding(check, "bad", seen, "", advice or said[:1].upper() + said[1:], type(error))
