"""What stands in the way of a rehearsal: a night that cannot be replayed, a sandbox or a stage that cannot be used as asked."""

from skrutinium_server.process.errors import ProcessError


class RehearsalError(ProcessError):
    """Root of the errors of rehearsals; ``code`` is for machines."""

    code = "rehearsal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class NightError(RehearsalError):
    """The night cannot be replayed: it is not whole, or its run is live and not over."""

    code = "night"


class SandboxError(RehearsalError):
    """The sandbox cannot be made, found or steered as asked."""

    code = "sandbox"
