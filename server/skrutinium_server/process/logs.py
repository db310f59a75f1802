"""What the processes say of themselves on standard error.

``SKRUTINIUM_LOG`` sets how much: ``DEBUG``, ``INFO`` (the default), ``WARNING`` or ``ERROR``.
"""

import logging
import os

VARIABLE = "SKRUTINIUM_LOG"
"""Environment variable that sets the level."""


def log_to_stderr() -> None:
    """One line an event, with time, level and part."""
    logging.basicConfig(
        level=os.environ.get(VARIABLE, "INFO"), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
