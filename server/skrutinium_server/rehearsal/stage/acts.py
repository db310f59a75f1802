"""What was done on a stage: one line of JSON an act, in ``SITE/rehearsal/RUN/acts.jsonl``, for whoever scores the run later.

::

    {"time":"2026-10-03T18:00:00Z","name":"outage","arguments":{"which":"first"},"release":null}
"""

import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from skrutinium_server.rehearsal.stage.errors import StageError

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a file of acts that is read."""


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One act: when it was done (wall clock, aware), its name (that of a method of ``Stage``) and arguments.

    ``release`` is the number of the release that shows it, None for what no release shows, such as an outage.
    """

    time: datetime.datetime
    name: str
    arguments: dict[str, Any] = {}
    release: int | None = None


def acts_path(site: Path, run: str) -> Path:
    """Where the acts of a run are written."""
    return site / "rehearsal" / run / "acts.jsonl"


def write_act(path: Path, act: Act) -> None:
    """Append an act; reads and writes files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(act) + b"\n")


def read_acts(path: Path) -> list[Act]:
    """All acts in their order, none when there is no such file; raises :class:`StageError` naming the line that is none.

    A last line without an end is one that is being written, or that a kill cut off: it is left out.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return []
    if len(data) > LARGEST:
        raise StageError(f"{path} has more than {LARGEST} bytes; expected the acts of one run.")
    acts = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            acts.append(msgspec.json.decode(line, type=Act))
        except (msgspec.DecodeError, RecursionError) as error:
            raise StageError(
                f"{path}, line {number}: {error}; expected time, name, arguments and release of an act."
            ) from error
    return acts
