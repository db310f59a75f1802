"""The access list that the feed reads, made from what was approved: ``access.toml``.

Pure but for :func:`export`. The file is replaced in one step; entries that somebody wrote into it by hand are kept in a
copy beside it before they go. Source: M5, docs/settings.md.
"""

import datetime
import fcntl
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from skrutinium_server.authority.examining import THIS_MACHINE
from skrutinium_server.authority.files import make_folder, put_whole
from skrutinium_server.authority.model import Approved, State
from skrutinium_server.authority.persons import Authority
from skrutinium_server.authority.settings import SubscriberSettings

HEAD: Final = "# made by skrutinium-server subscriber export; number counts the versions\n"


class Granted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[subscriber]]`` of the list; ``events`` None is every event, ``until`` None no end."""

    id: str
    name: str = ""
    events: tuple[str, ...] | None = None
    live: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    until: datetime.datetime | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int = 0
    subscriber: tuple[Granted, ...] = ()


class Exported(NamedTuple):
    """What an export did: the list's number, whether the file was written, and where entries made by hand were kept."""

    number: int
    written: bool
    kept: Path | None


MACHINE: Final = Granted(THIS_MACHINE, "This machine", live=("127.0.0.0/8", "::1"))


def granted(state: State, settings: SubscriberSettings) -> tuple[Granted, ...]:
    """Everything that the list holds, in the order of ids; the machine itself first."""
    found = [MACHINE] if settings.this_machine else []
    for subscriber in sorted(state.subscribers.values(), key=lambda one: one.id):
        if isinstance(subscriber.standing, Approved):
            told = subscriber.registration
            found.append(Granted(told.id, told.name, told.events or None, told.live, told.test, told.until))
    return tuple(found)


def rendered(number: int, entries: tuple[Granted, ...]) -> bytes:
    """The list as TOML."""
    return (HEAD + f"number = {number}\n" + "".join(map(_table, entries))).encode()


def read_list(data: bytes) -> tuple[int, tuple[Granted, ...]]:
    """Number and entries of a list; raises ValueError when it is none of this form."""
    try:
        told = msgspec.convert(tomllib.loads(data.decode("utf-8")), _File)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return told.number, told.subscriber


def differences(listed: tuple[Granted, ...], due: tuple[Granted, ...]) -> Iterator[str]:
    """What the list says otherwise than the event log, one line each."""
    found, wanted = {one.id: one for one in listed}, {one.id: one for one in due}
    if len(found) < len(listed):
        yield "access.toml names a subscriber twice"
    for id in sorted({*found, *wanted}):
        if id not in wanted:
            yield f"access.toml lets in {id}, whom nobody approved"
        elif id not in found:
            yield f"access.toml lacks {id}, which is approved"
        else:
            told, meant = msgspec.structs.asdict(found[id]), msgspec.structs.asdict(wanted[id])
            for name in (name for name in meant if told[name] != meant[name]):
                yield f"access.toml has other {name} for {id}: {_plain(told[name])}, recorded {_plain(meant[name])}"


def export(
    path: Path, authority: Authority, settings: SubscriberSettings, before: State | None = None
) -> Exported:
    """Bring ``access.toml`` at ``path`` up to what is recorded; raises OSError and leaves the old list.

    ``before`` is the state that the file was made from (unless given: the present one); what the file holds beyond it
    was written by hand and is kept in a copy. The number goes up with every version.
    """
    make_folder(authority.folder, 0o750)
    with (authority.folder / "export.lock").open("w") as lock:
        # Read and write in one turn: an export that is overtaken must not put an older list in place.
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = authority.state()
        due = granted(state, settings)
        data = path.read_bytes() if path.exists() else b""
        try:
            number, listed = read_list(data) if data else (0, ())
        except ValueError:
            number, listed = 0, None
        number = max(number, state.list_number)
        if listed == due:
            return Exported(number, written=False, kept=None)
        known = (due, granted(state if before is None else before, settings), (MACHINE,), ())
        kept = None
        if listed not in known:
            kept = path.with_name(f"access.replaced-by-{number + 1}.toml")
            put_whole(kept, data)
        put_whole(path, rendered(number + 1, due))
        return Exported(number + 1, written=True, kept=kept)


def _table(entry: Granted) -> str:
    lines = [f"\n[[subscriber]]\nid = {_text(entry.id)}\nname = {_text(entry.name)}"]
    for name in ("events", "live", "test"):
        values = getattr(entry, name)
        if values:
            lines.append(f"{name} = [{', '.join(map(_text, values))}]")
    if entry.until is not None:
        lines.append(f"until = {entry.until.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A basic string of TOML: JSON's, but that DEL is escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    return " ".join(value) or "none" if isinstance(value, tuple) else str(value)
