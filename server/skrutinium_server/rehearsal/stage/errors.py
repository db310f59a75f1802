"""What cannot be done on a stage."""

from skrutinium_server.process.errors import ProcessError


class StageError(ProcessError):
    """What was asked for cannot happen now; the message says why and what has to be first."""

    code = "stage"
