"""Every file that a mail brings: its attachments, and the members of attached zips. By what they are, never by what they are called."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from skrutinium.errors import DamagedError
from skrutinium.sources.mail.mime import Attached, BrokenMail, parse
from skrutinium.sources.zipped import Limits, Zipped

MOST_UNPACKED = 64_000_000
"""Bytes of all files of a mail together."""
_ZIP = Limits(members=200, whole=MOST_UNPACKED, directory=1 << 20)
_ROOT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?[^>]{0,200}\?>\s*)?(?:<!--(?:(?!-->).){0,2000}-->\s*)?<([A-Za-z-]{1,40})[\s>]",
    re.DOTALL,
)
_LINE = re.compile(rb"ed25519 ([0-9a-f]{16}) [A-Za-z0-9+/]{86}==\n?")
_LONGEST_LINE = 200
_LARGEST_KEY = 4096
_MOST_FILES = 4000
_MOST_LINES = 400
_MOST_TROUBLES = 20


@dataclass(frozen=True, slots=True)
class Signed:
    """A file and the lines that may be its signature: that beside it by its name, else all that came with it."""

    data: bytes
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail claims; nothing of it is checked. ``objects`` are all files that are none of the others."""

    message_id: str
    manifests: tuple[Signed, ...]
    states: tuple[bytes, ...]
    keys: tuple[Signed, ...]
    objects: tuple[bytes, ...]
    troubles: tuple[str, ...]


def read_letter(data: bytes) -> Letter:
    """What a mail claims; whatever it holds, this raises only :class:`BrokenMail`."""
    parsed = parse(data)
    files, troubles = _unpacked(parsed.attached)
    manifests: list[Signed] = []
    states: list[bytes] = []
    keys: list[Signed] = []
    objects: list[bytes] = []
    lines = _Lines(one for one in files if _is_line(one))
    for one in files:
        root = _root(one.data)
        if root == b"manifest":
            manifests.append(Signed(one.data, lines.beside(one)))
        elif root == b"feed-state":
            states.append(one.data)
        elif one.data.startswith(b"-----BEGIN PUBLIC KEY-----") and len(one.data) <= _LARGEST_KEY:
            keys.append(Signed(one.data, lines.beside(one)))
        elif not _is_line(one):
            objects.append(one.data)
    return Letter(
        parsed.message_id,
        tuple(manifests),
        tuple(states),
        tuple(keys),
        tuple(objects),
        _first((*parsed.troubles, *troubles)),
    )


def _first(troubles: tuple[str, ...]) -> tuple[str, ...]:
    """As many as people read, and how many more there are."""
    left_out = len(troubles) - _MOST_TROUBLES
    return (*troubles[:_MOST_TROUBLES], f"and {left_out} more files set aside") if left_out > 0 else troubles


def key_id_of(line: bytes) -> str | None:
    """The key that a signature line names; None when it is none."""
    found = _LINE.fullmatch(line)
    return found[1].decode("ascii") if found else None


def _root(data: bytes) -> bytes | None:
    found = _ROOT.match(data, 0, 4096)
    return found[1] if found else None


def _is_line(file: Attached) -> bool:
    return len(file.data) <= _LONGEST_LINE and _LINE.fullmatch(file.data) is not None


class _Lines:
    """The signature lines of a mail."""

    def __init__(self, files: Iterable[Attached]) -> None:
        self._named: dict[tuple[int, str], list[bytes]] = {}
        self._together: dict[int, list[bytes]] = {}
        for one in files:
            self._named.setdefault((one.message, one.name), []).append(one.data)
            self._together.setdefault(one.message, []).append(one.data)

    def beside(self, file: Attached) -> tuple[bytes, ...]:
        """Those that may be the signature of a file, the first ones of very many."""
        named = self._named.get((file.message, f"{file.name}.sig"))
        return tuple((named or self._together.get(file.message, []))[:_MOST_LINES])


def _unpacked(attached: Iterable[Attached]) -> tuple[list[Attached], list[str]]:
    """The files, zips replaced by their members; what goes over a limit, or is no whole zip, is told and left aside."""
    files: list[Attached] = []
    troubles: list[str] = []
    room = MOST_UNPACKED
    for one in attached:
        try:
            if one.data.startswith(b"PK"):
                found = _members(one, room)
            else:
                found = [one]
            size = sum(len(each.data) for each in found)
            if size > room:
                raise BrokenMail(f"has more than {MOST_UNPACKED} bytes of files")
            if len(files) + len(found) > _MOST_FILES:
                raise BrokenMail(f"has more than {_MOST_FILES} files")
        except (BrokenMail, DamagedError) as error:
            troubles.append(f"{one.name[:100] or 'an attachment'}: {error}")
            continue
        room -= size
        files += found
    return files, troubles


def _members(attached: Attached, room: int) -> list[Attached]:
    """The members of a zip; a zip within it is no more than a file."""
    archive = Zipped(Path(attached.name[:100] or "zip"), _ZIP, attached.data)
    try:
        if archive.size > room:
            raise BrokenMail(f"has more than {MOST_UNPACKED} bytes of files")
        return [Attached(attached.message, name, archive.read(name)) for name in archive.names]
    finally:
        archive.close()
