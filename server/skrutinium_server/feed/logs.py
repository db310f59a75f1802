"""What the processes say of themselves on standard error: one line an event, as text or as JSON.

``SKRUTINIUM_LOG`` sets how much (``DEBUG``, ``INFO``, the default, ``WARNING`` or ``ERROR``), ``SKRUTINIUM_LOG_FORMAT`` how (``text``, the default, or
``json``); child processes inherit both. No line holds a passphrase or a key. Source: issue "Seen by its operator".
"""

import datetime
import json
import logging
import os
from typing import Final

VARIABLE: Final = "SKRUTINIUM_LOG"
"""Environment variable that sets the level."""

FORMAT_VARIABLE: Final = "SKRUTINIUM_LOG_FORMAT"
"""Environment variable that sets the format."""

TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``process``, ``message``, and ``trace`` of a fault."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one event."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        told: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        trace = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        if trace:
            told["trace"] = trace
        return json.dumps(told, ensure_ascii=False)


def chosen_level() -> str:
    """The level from the environment; what is none counts as ``INFO``."""
    level = os.environ.get(VARIABLE, "INFO").upper()
    return level if level in logging.getLevelNamesMapping() else "INFO"


def chosen_formatter() -> logging.Formatter:
    """The formatter from the environment."""
    return JsonFormatter() if os.environ.get(FORMAT_VARIABLE) == "json" else logging.Formatter(TEXT)
