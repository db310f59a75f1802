"""Text into XML, strictly: what XML cannot carry unchanged is refused instead of dropped.

Source: XML 1.0 (fifth edition) §§ 2.2, 2.4, 2.11, 3.3.3. Control characters that XML 1.0 would allow (U+007F to U+009F)
are refused as well: no name holds them, and many readers choke on them.
"""

import re
from typing import Final

from skrutinium_server.release.errors import ForbiddenCharacter

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# One search settles the ordinary case: nothing to escape and nothing forbidden.
_SPECIAL: Final = re.compile("[\x00-\x1f\"&'<>\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_ATTRIBUTE: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_TEXT: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def attribute(value: str) -> str:
    """The value as it stands between the quotes (of either kind) of an attribute; a reader gets exactly ``value`` back.

    Raises :class:`~skrutinium_server.release.errors.ForbiddenCharacter`.
    """
    if _SPECIAL.search(value) is None:
        return value
    _refuse_forbidden(value)
    return _SPECIAL.sub(lambda found: _ATTRIBUTE[found[0]], value)


def text(value: str) -> str:
    """The value as the content of an element; a reader gets exactly ``value`` back.

    Raises :class:`~skrutinium_server.release.errors.ForbiddenCharacter`.
    """
    if _SPECIAL.search(value) is None:
        return value
    _refuse_forbidden(value)
    return _SPECIAL.sub(lambda found: _TEXT.get(found[0], found[0]), value)


def _refuse_forbidden(value: str) -> None:
    found = _FORBIDDEN.search(value)
    if found is not None:
        raise ForbiddenCharacter(value, found.start())
