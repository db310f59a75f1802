"""Names that no source has told: what stands in their place, so that a reader sees that the name is unknown.

Such a name is the source's key field and the code, for example ``KODZASTUP 500011``; a real name replaces it as soon as
a register tells one (see :mod:`skrutinium_server.election.merge`).
"""

import re
from typing import Final, Literal

Key = Literal["KODZASTUP", "CIS_OBEC", "CIS_OBVODU", "VSTRANA", "CIS_OBVOD", "PORADOVE_CISLO"]

_PLACEHOLDER: Final = re.compile(r"(KODZASTUP|CIS_OBEC|CIS_OBVODU|CIS_OBVOD|VSTRANA|PORADOVE_CISLO) [0-9.]+")


def placeholder(key: Key, code: str) -> str:
    """What is shown for a thing whose name is unknown."""
    return f"{key} {code}"


def is_placeholder(name: str) -> bool:
    """Whether ``name`` only says that the name is unknown."""
    return _PLACEHOLDER.fullmatch(name) is not None
