"""What cannot be done on a stage."""

from skrutinium_server.rehearsal.errors import RehearsalError


class StageError(RehearsalError):
    """What was asked for cannot happen now; the message says why and what has to be first."""

    code = "stage"
