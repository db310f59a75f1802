"""What stands in the way of writing an event in the format ``volby``."""

from skrutinium_server.release.errors import ReleaseError


class NotExpressible(ReleaseError):
    """The definition holds something that the format has no room for."""

    code = "volby-not-expressible"

    def __init__(self, what: str, expected: str) -> None:
        super().__init__(
            f"{what} cannot be written in the format volby; expected {expected}. "
            "Correct the definition, or publish this event in the series skrutinium only."
        )
