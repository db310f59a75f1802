"""How much room a site needs on its disk."""

from typing import Final

LEAST: Final = 1_000_000_000
"""Bytes on the disk of the site below which it is an alarm, and no run should open."""

A_PROTOCOL: Final = 200_000
"""Room to have on the disk for each protocol, with every release, pack and checkpoint.

Measured by ``du`` on the councils of 2018: 42 kB a protocol for the whole site when 16,090 of them came in 63 releases of skrutinium
and 139 of volby. 150 protocols that each got a release of their own in both series took 125 kB each; 15 kB for what the
first releases write and 6 kB for checkpoints every ten minutes come on top. So 146 kB is the most; the rest is margin.
"""
