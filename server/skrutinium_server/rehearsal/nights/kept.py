"""A night kept in a folder, so that it can be replayed for ever whatever becomes of what it was taken from.

``definition.json`` in canonical bytes, ``protocols.msgpack.z`` (zlib), ``source.txt``.
"""

import zlib
from pathlib import Path
from typing import Final

import msgspec

from skrutinium_server.election import canonical
from skrutinium_server.election.errors import CanonicalError
from skrutinium_server.rehearsal.errors import NightError
from skrutinium_server.rehearsal.nights.model import Night
from skrutinium_server.rehearsal.replay import Due

_DEFINITION: Final = "definition.json"
_PROTOCOLS: Final = "protocols.msgpack.z"
_SOURCE: Final = "source.txt"
_LEVEL: Final = 1


def keep_night(night: Night, folder: Path) -> None:
    """Write a night into a folder, which is made."""
    folder.mkdir(parents=True)
    (folder / _DEFINITION).write_bytes(canonical.canonical(night.definition))
    (folder / _PROTOCOLS).write_bytes(zlib.compress(msgspec.msgpack.encode(list(night.due)), _LEVEL))
    (folder / _SOURCE).write_text(night.source, "utf-8")


def kept_night(folder: Path) -> Night:
    """The night that :func:`keep_night` wrote; raises :class:`NightError` when it is not what was written."""
    try:
        definition = canonical.read((folder / _DEFINITION).read_bytes())
        packed = zlib.decompress((folder / _PROTOCOLS).read_bytes())
        due = msgspec.msgpack.decode(packed, type=list[Due])
        return Night(definition, due, (folder / _SOURCE).read_text("utf-8"))
    except (OSError, zlib.error, msgspec.MsgspecError, CanonicalError, UnicodeDecodeError) as error:
        raise NightError(
            f"{folder} does not hold the night of a sandbox ({error}). Remove the sandbox and add it again."
        ) from error
