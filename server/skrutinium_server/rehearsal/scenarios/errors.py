"""A scenario that cannot be read or played."""

from skrutinium_server.rehearsal.errors import RehearsalError


class ScenarioError(RehearsalError):
    """The file of a scenario is not what it has to be: the message says file, line, what is wrong and what was expected."""

    code = "scenario"

    def __init__(self, file: str, line: int | None, problem: str, expected: str) -> None:
        self.file = file
        self.line = line
        where = file if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {problem}; expected {expected}.")
