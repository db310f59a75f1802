"""Scenarios: what may go otherwise in a night, in small files that people read, played on a stage."""

from skrutinium_server.rehearsal.scenarios.errors import ScenarioError
from skrutinium_server.rehearsal.scenarios.leaps import Leaps
from skrutinium_server.rehearsal.scenarios.model import Scenario, Step
from skrutinium_server.rehearsal.scenarios.playing import Course, clear, play
from skrutinium_server.rehearsal.scenarios.reading import load, names, read

__all__ = ["Course", "Leaps", "Scenario", "ScenarioError", "Step", "clear", "load", "names", "play", "read"]
