"""What the console refuses. Every error has a ``code`` for machines and a message for people."""


class ConsoleError(Exception):
    """Root of the errors of the console; ``code`` names the kind of fault."""

    code = "console"


class ConsoleSettingsError(ConsoleError):
    """The console cannot be started as told."""

    code = "console-settings"


class FormError(ConsoleError):
    """What was sent is no form of this console, or one of an earlier log-in."""

    code = "form"


class TooManyTries(ConsoleError):
    """Too many wrong passphrases; ``wait`` seconds from now another one is taken."""

    code = "too-many-tries"

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"Too many wrong passphrases. Wait {-(-wait // 60)} minutes, then try again.")


class NotCounting(ConsoleError):
    """Nobody counts the site, so nothing can be decided."""

    code = "not-counting"


class StageAbsent(ConsoleError):
    """The process of the sandboxes gives no good answer."""

    code = "no-stage"


class Unexpected(ConsoleError):
    """A fault of the console itself; its log says which."""

    code = "unexpected"

    def __init__(self) -> None:
        super().__init__(
            "The console has a fault of its own; its log says which. What you did may have been done: look before you repeat it."
        )
