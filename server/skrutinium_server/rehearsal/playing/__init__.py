"""Playing a night into runs, as it went or faster: pause, seek, loop."""

from skrutinium_server.rehearsal.playing.course import Course
from skrutinium_server.rehearsal.playing.player import Passages, Player
from skrutinium_server.rehearsal.playing.runs import PassageRuns, run_name
from skrutinium_server.rehearsal.playing.speed import FASTEST, SLOWEST, read_speed
from skrutinium_server.rehearsal.playing.through import play_through

__all__ = [
    "Course",
    "Passages",
    "Player",
    "play_through",
    "PassageRuns",
    "run_name",
    "read_speed",
    "FASTEST",
    "SLOWEST",
]
