"""Skrutinium for newsrooms: follow, check and re-add the results of an election night."""

__version__ = "0.1.0"
