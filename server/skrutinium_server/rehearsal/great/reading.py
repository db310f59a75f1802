"""The rehearsals that come with the program: scenarios large enough to be held by themselves."""

from importlib import resources
from pathlib import Path
from typing import Any, Final

from skrutinium_server.rehearsal.scenarios import Scenario, load
from skrutinium_server.rehearsal.scenarios import names as scenario_names
from skrutinium_server.rehearsal.scenarios.reading import read

NAMES: Final = ("great", "small")


def load_rehearsal(name: str) -> Scenario:
    """One of :data:`NAMES`, a scenario that comes with the program, or one in a file; reads the file. Raises ``ScenarioError``."""
    if name in NAMES:
        return read(_file(name).read_bytes(), f"{name}.toml")
    return load(name if name in scenario_names() else Path(name))


def _file(name: str) -> Any:
    return resources.files("skrutinium_server").joinpath("rehearsal", "great", "files", f"{name}.toml")
