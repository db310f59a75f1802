"""What has to be there for a law so that elections by it can be made up.

Each law brings a module ``laws/LAW.py`` (with ``_`` for ``-``) beside its file in ``election/laws``, and in it its
:class:`Generator` as ``GENERATOR``. Nothing else has to change for a new law.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module, resources
from random import Random
from typing import Final

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Definition, Poll
from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.rehearsal.made_up.arrival import Course
from skrutinium_server.rehearsal.made_up.errors import GeneratorError
from skrutinium_server.rehearsal.made_up.scale import Scale
from skrutinium_server.rehearsal.made_up.turnout import Figures

Lists = tuple[ListVotes, ...]
Voted = tuple[Figures, Lists]
Voting = Callable[[Poll], Voted]
"""What the voters of a precinct do in a contest: figures and votes that agree."""

Ballots = Mapping[Poll, Voted]
"""What the voters of all precincts of one contest do."""

Ending = Callable[[DefinitionIndex, Law, str, Ballots], Iterator[dict[Poll, Lists]]]
"""Ways to change the votes of a contest a little so that it ends as wished; none where that cannot be."""

Change = Callable[[Protocol, Random], Protocol | None]
"""Another protocol with something odd or wrong in it; None where this one has no room for it."""


@dataclass(frozen=True, slots=True)
class Generator:
    """How elections by one law are made up.

    ``define`` makes the definition from seed and scale, ``voting`` tells what voters do by the seed, ``course`` how the
    protocols of a round come in. ``lots`` and ``ties`` end a contest as ``Wishes`` say; ``slips`` are what the door
    refuses, ``oddities`` what the law warns of (empty where it has no warnings).
    """

    define: Callable[[int, Scale], Definition]
    voting: Callable[[DefinitionIndex, int], Voting]
    course: Callable[[int], Course]
    lots: Ending
    ties: Ending
    slips: tuple[Change, ...]
    oddities: tuple[Change, ...]


_LAWS: Final = "skrutinium_server.rehearsal.made_up.laws"


def made_up_laws() -> tuple[str, ...]:
    """Ids of the laws by which elections can be made up, sorted."""
    names = (entry.name for entry in resources.files(_LAWS).iterdir())
    return tuple(
        sorted(
            name.removesuffix(".py").replace("_", "-")
            for name in names
            if name.endswith(".py") and not name.startswith("_")
        )
    )


def generator_of(law: str) -> Generator:
    """The generator of a law; raises :class:`GeneratorError` when there is none."""
    known = made_up_laws()
    if law not in known:
        raise GeneratorError(f"No election can be made up by the law {law!r}; expected {' or '.join(known)}")
    generator = import_module(f"{_LAWS}.{law.replace('-', '_')}").GENERATOR
    assert isinstance(generator, Generator)
    return generator
