"""What can be wrong with the numbers handed to the allocation of seats."""


class SeatsError(ValueError):
    """Standings that contradict themselves; ``code`` names the fault for machines."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
