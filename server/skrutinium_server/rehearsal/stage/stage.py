"""A site under the hand of a rehearsal: its processes, the addresses at which it is read, and all that can be done on it.

What is done is real: other protocols, other bytes, connections that end, mail that is sent. Source: requirement M6.
"""

from typing import Final

from skrutinium_server.rehearsal.stage.acting import acts_of
from skrutinium_server.rehearsal.stage.results import Results
from skrutinium_server.rehearsal.stage.ways import Ways


class Stage(Results, Ways):
    """The stage of a site, to be used as ``async with``; then :meth:`open` a run, or go on with one by :meth:`take_up`.

    Every act is a method; once it was done it stands in the list of the run's acts (:mod:`skrutinium_server.rehearsal.stage.acts`).
    """


ACTS: Final = acts_of(Stage)
"""The names of all acts, which are methods of :class:`Stage`."""
