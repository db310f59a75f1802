"""A night kept in a folder, so that it can be replayed for ever whatever becomes of what it was taken from.

``about.json`` (event, law, source) and ``protocols.msgpack.z`` (zlib); its definition lies in the site in which it is replayed.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.nights.model import Night
from skrutinium_server.rehearsal.replay import Due

_PROTOCOLS: Final = "protocols.msgpack.z"
_ABOUT: Final = "about.json"
_LEVEL: Final = 1


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a kept night is of; ``source`` is for people."""

    event: str
    law: str
    source: str


def keep_night(night: Night, folder: Path) -> None:
    """Write a night without its definition into a folder, which is made."""
    folder.mkdir(parents=True)
    about = About(night.definition.event, night.definition.law, night.source)
    (folder / _PROTOCOLS).write_bytes(zlib.compress(msgspec.msgpack.encode(list(night.due)), _LEVEL))
    (folder / _ABOUT).write_bytes(msgspec.json.encode(about))


def kept_due(folder: Path) -> tuple[About, Sequence[Due]]:
    """What :func:`keep_night` wrote; raises :class:`NightError` when it is not what was written."""
    try:
        about = msgspec.json.decode((folder / _ABOUT).read_bytes(), type=About)
        packed = zlib.decompress((folder / _PROTOCOLS).read_bytes())
        return about, msgspec.msgpack.decode(packed, type=list[Due])
    except (OSError, zlib.error, msgspec.MsgspecError) as error:
        raise NightError(
            f"{folder} does not hold the night of a sandbox ({error}). Remove the sandbox and add it again."
        ) from error
