"""A real feed in one line, for a newsroom's own tests: made-up data, and control of what happens (extra ``testing``).

>>> import skrutinium, skrutinium.testing
>>> async with skrutinium.testing.night(precincts=60, seed=1) as night:  # doctest: +SKIP
...     await night.report(20)
...     async with skrutinium.connect(night.url, fingerprint=night.fingerprint) as feed:
...         ...
"""

from skrutinium.testing.outlet import Outlet
from skrutinium.testing.staging import Night, night

__all__ = ["Night", "Outlet", "night"]
