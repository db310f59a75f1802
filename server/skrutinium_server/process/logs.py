"""What the processes say of themselves on standard error; see :mod:`skrutinium_server.feed.logs`, which the feed shares."""

import logging

from skrutinium_server.feed.logs import FORMAT_VARIABLE, VARIABLE, chosen_formatter, chosen_level

__all__ = ["FORMAT_VARIABLE", "VARIABLE", "log_to_stderr"]


def log_to_stderr() -> None:
    """One line an event, with time, level and part."""
    shown = logging.StreamHandler()
    shown.setFormatter(chosen_formatter())
    logging.basicConfig(level=chosen_level(), handlers=[shown])
