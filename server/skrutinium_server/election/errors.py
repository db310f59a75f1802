"""What can be wrong with a law or a definition. Every error has a ``code`` for machines and a message for people."""

from collections.abc import Iterable


class ElectionError(ValueError):
    """Anything that the stage ``election`` refuses; ``code`` names the kind of fault."""

    code = "election"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class LawError(ElectionError):
    """A law file that does not exist or says something no code is written for; the start stops."""

    code = "law"


class DefinitionError(ElectionError):
    """A definition that contradicts itself; ``faults`` lists every broken thing, in the order of the tables."""

    code = "definition"
    _SHOWN = 20

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        shown = "\n".join(f"- {fault}" for fault in self.faults[: self._SHOWN])
        more = len(self.faults) - self._SHOWN
        tail = f"\n- and {more} more" if more > 0 else ""
        super().__init__(
            f"The definition has {len(self.faults)} faults; correct its source and read it again:\n{shown}{tail}"
        )


class CanonicalError(ElectionError):
    """Bytes that are not the canonical form of a definition."""

    code = "definition-bytes"


class SourceError(ElectionError):
    """A file that cannot be read as what it should be: says file, line (or record), field and what was expected."""

    code = "definition-source"

    def __init__(self, file: str, line: int | None, field: str | None, problem: str, expected: str) -> None:
        self.file, self.line, self.field = file, line, field
        where = file if line is None else f"{file}, line {line}"
        if field is not None:
            where += f", field {field}"
        super().__init__(f"{where}: {problem}; expected {expected}. Nothing of this import was taken over.")


class MergeError(ElectionError):
    """Two sources that say different things of the same fact; the message names both."""

    code = "definition-merge"


class SecondRoundError(ElectionError):
    """A second round that cannot be made from what is told of the first."""

    code = "second-round"


class StoreError(ElectionError):
    """A stored version of a definition that is missing or was changed after it was written."""

    code = "definition-store"
