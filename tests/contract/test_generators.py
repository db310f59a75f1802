"""Every law has made-up elections: who adds a law is told what is missing."""

import pytest

from skrutinium_server.election.canonical import canonical, read
from skrutinium_server.election.check import check
from skrutinium_server.election.law import law_ids
from skrutinium_server.rehearsal.made_up import (
    MARK,
    QUIET,
    GeneratorError,
    Settings,
    generator_of,
    made_up_election,
    made_up_laws,
)


def missing(laws: tuple[str, ...], made_up: tuple[str, ...]) -> list[str]:
    """What to do for each law without a generator."""
    return [
        f"election/laws/{law}.toml has no made-up elections yet: write rehearsal/made_up/laws/{law.replace('-', '_')}.py with its "
        "GENERATOR, as docs/made-up.md tells and the other modules there show"
        for law in laws
        if law not in made_up
    ]


def test_every_law_has_a_generator() -> None:
    """Each file of election/laws has its module in rehearsal/made_up/laws, and there is no module without a law."""
    assert not missing(law_ids(), made_up_laws())
    assert set(made_up_laws()) <= set(law_ids())


def test_missing_generator_is_told() -> None:
    """A law without one is named with the file that has to be written, and refused when an election by it is asked for."""
    (told,) = missing((*law_ids(), "pl-mayor-2014"), made_up_laws())
    assert "pl-mayor-2014.toml" in told
    assert "made_up/laws/pl_mayor_2014.py" in told
    with pytest.raises(GeneratorError, match="'pl-mayor-2014'; expected "):
        generator_of("pl-mayor-2014")


@pytest.mark.parametrize("law", law_ids())
def test_generator_makes_a_whole_election(law: str) -> None:
    """Definition and night of each law: sound, marked in every name, one protocol a poll, slips for whoever asks."""
    settings = Settings(law=law, precincts=30, seed=5, rates=QUIET)
    definition, coming = made_up_election(settings)
    check(definition)
    assert read(canonical(definition)) == definition
    assert (definition.law, definition.made_up, len(definition.precincts) <= 30) == (law, True, True)
    texts = [definition.name, *(row.family_name for row in definition.candidates)]
    tables = (definition.areas, definition.contests, definition.districts, definition.committees)
    texts += [row.name for table in tables for row in table]
    texts += [row.name or "" for row in definition.lists]
    assert [text for text in texts if not MARK.search(text)] == []
    keys = [(one.protocol.precinct, one.protocol.contest) for one in coming]
    assert sorted(keys) == sorted((poll.precinct, poll.contest) for poll in definition.polls)
    assert generator_of(law).slips
