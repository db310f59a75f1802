"""Why a protocol that was published may be changed: the codebook ``correction-reasons``."""

import csv
import io
from functools import cache
from importlib import resources
from typing import Final

RESEND: Final = "source-resend"
"""The one reason that no person gives: a source sends again by itself."""


@cache
def correction_reasons() -> tuple[str, ...]:
    """The reasons that a person may give, in the order of the codebook."""
    file = resources.files("skrutinium_server").joinpath("_contract", "codebooks", "correction-reasons.csv")
    rows = csv.DictReader(io.StringIO(file.read_text("utf-8"), newline=""))
    return tuple(row["id"] for row in rows if row["id"] != RESEND)
