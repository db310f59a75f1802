"""What the processes say of themselves on standard error; see :mod:`skrutinium_server.feed.logs`, which the feed shares."""

import logging

from skrutinium_server.feed.logs import FORMAT_VARIABLE, VARIABLE, chosen_formatter, chosen_level

__all__ = ["FORMAT_VARIABLE", "VARIABLE", "log_again", "log_to_stderr"]


def log_to_stderr() -> None:
    """One line an event, with time, level and part."""
    shown = logging.StreamHandler()
    shown.setFormatter(chosen_formatter())
    logging.basicConfig(level=chosen_level(), handlers=[shown])


def log_again() -> None:
    """Show what is logged from now on in the format that the environment says now."""
    for shown in logging.getLogger().handlers:
        shown.setFormatter(chosen_formatter())
