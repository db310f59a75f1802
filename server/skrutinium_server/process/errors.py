"""What a person at the command line can be told."""


class ProcessError(Exception):
    """Root of the errors of site, runs and processes; ``code`` is for machines."""

    code = "process"


class SiteError(ProcessError):
    """The site folder is not what it has to be."""

    code = "site"


class RunError(ProcessError):
    """The run cannot be opened or used as asked."""

    code = "run"


class DecisionError(ProcessError):
    """A decision that takes a person, or two of them, and does not have them."""

    code = "decision"


class CorrectionError(ProcessError):
    """Protocols that were to replace others cannot; nothing was changed."""

    code = "correction"


class CountingRefused(ProcessError):
    """The running counting process refused a command."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
