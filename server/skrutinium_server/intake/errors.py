"""Why the door stays shut. Every error has a ``code`` for machines and says where, what was expected and what to do."""


class IntakeError(ValueError):
    """Anything that the stage ``intake`` refuses.

    ``code`` names the kind of fault, ``where`` the place, ``expected`` what should have stood there.
    """

    code = "intake"

    def __init__(
        self, where: str, problem: str, expected: str, advice: str, *, code: str | None = None
    ) -> None:
        self.where, self.problem, self.expected = where, problem, expected
        if code is not None:
            self.code = code
        super().__init__(f"{where}: {problem}; expected {expected}. {advice}")


class ReadError(IntakeError):
    """What was received cannot be read as what it should be; ``offset`` is the byte where the record begins."""

    code = "protocol-source"

    def __init__(
        self, source: str, offset: int, problem: str, expected: str, *, code: str | None = None
    ) -> None:
        self.source, self.offset = source, offset
        advice = "Nothing of it was taken over; ask the source for it again."
        super().__init__(f"{source}, from byte {offset}", problem, expected, advice, code=code)


class RefusedError(IntakeError):
    """A protocol that was read but may not be admitted."""

    code = "protocol-refused"

    def __init__(self, where: str, problem: str, expected: str, *, code: str | None = None) -> None:
        super().__init__(
            where,
            problem,
            expected,
            "It was not taken over; correct it at its source and send it again.",
            code=code,
        )


class UnknownPrecinctError(RefusedError):
    """The definition has no such precinct."""

    code = "unknown-precinct"


class UnknownContestError(RefusedError):
    """The definition has no such contest, or it is of a kind that the law does not speak of."""

    code = "unknown-contest"


class UnknownPollError(RefusedError):
    """The precinct exists and the contest exists, but the one does not vote in the other."""

    code = "unknown-poll"


class DistrictError(RefusedError):
    """The precinct votes in another district of the contest."""

    code = "district"


class BallotError(RefusedError):
    """A list or candidate that is not on the ballot, or stands twice in the protocol."""

    code = "ballot"


class NumberError(RefusedError):
    """A figure that the law does not know, or a number that cannot be: negative, or larger than any country."""

    code = "number"


class TimeError(RefusedError):
    """A time without zone, or an event on another date."""

    code = "time"


class RuleError(RefusedError):
    """Rules of the severity ``error`` fired; ``rules`` names them."""

    code = "rule"

    def __init__(self, where: str, rules: tuple[str, ...], texts: str) -> None:
        self.rules = rules
        super().__init__(where, texts, f"the rules {', '.join(rules)} to hold")
