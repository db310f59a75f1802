"""What stands behind a number of votes, or behind none: the four kinds of nothing as four types, for ``match``.

A number alone does not say whether more will come, and None does not say why there is none. :meth:`Count.votes` and
:meth:`Count.figure` say both, and none of these types is a number: nobody adds a missing one up as zero.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotReported:
    """Nothing is reported yet: there is no number to show."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The sum over what is reported so far; more is out."""

    number: int


@dataclass(frozen=True, slots=True)
class Full:
    """Everything is in: the number is the result, and ``0`` is zero."""

    number: int


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Nobody votes here: there never will be a number."""


@dataclass(frozen=True, slots=True)
class NotTold:
    """Something is reported, but the source does not tell this number."""


Votes = NotReported | Partial | Full | NotApplicable | NotTold
"""What is known of a number."""
