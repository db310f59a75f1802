"""What the request of a command tells: moments, and texts that people will read."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from skrutinium_server.process.errors import ProcessError

TEXT = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]{1,500}")
"""What people may say of a decision: it is published, so it has to fit into a document."""


def moment(told: Any) -> datetime.datetime:
    """A time of the run; raises :class:`ProcessError` unless it is one with its zone."""
    try:
        time = datetime.datetime.fromisoformat(str(told))
        if time.utcoffset() is not None:
            return time.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        pass
    raise ProcessError(
        f"The time is {str(told)[:60]!r}; expected one with its zone such as 2030-10-05T14:00:00Z."
    )


def said(told: Mapping[str, Any], what: str) -> str:
    """A text that people will read; raises :class:`ProcessError` when there is none, or one that no document can carry."""
    text = str(told.get(what) or "").strip()
    if not TEXT.fullmatch(text):
        name = what.replace("_", " ")
        raise ProcessError(
            f"The {name} is {text[:60]!r}; expected 1 to 500 characters, none of them for control."
        )
    return text
