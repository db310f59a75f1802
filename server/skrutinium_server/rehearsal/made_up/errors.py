"""What cannot be made up."""

from skrutinium_server.rehearsal.errors import RehearsalError


class MadeUpError(RehearsalError, ValueError):
    """An election that cannot be made up as it was asked for."""

    code = "made-up"


class ScaleError(MadeUpError):
    """A scale that no election can have."""

    code = "made-up-scale"


class RateError(MadeUpError):
    """A rate that is no number of 10,000 protocols, or more of them than there are."""

    code = "made-up-rate"


class WishError(MadeUpError):
    """A wish that no contest of this election can fulfil."""

    code = "made-up-wish"


class GeneratorError(MadeUpError):
    """A law by which no election can be made up yet."""

    code = "made-up-law"


class FolderError(MadeUpError):
    """A folder that a made-up election cannot be written to, or read from."""

    code = "made-up-folder"
