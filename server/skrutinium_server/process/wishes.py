"""Decisions about a live run that take two persons: what the first one asked for, until another one confirms it.

A request lies in ``SITE/requests/RUN.json``, is valid for a quarter of an hour, and there is one at a time for a run. It
holds no secret: whoever asks and whoever confirms prove by a passphrase to the counting process who they are.
Source: requirement M5.
"""

import datetime
import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec

from skrutinium_server.intake.model import TakenOver
from skrutinium_server.process.errors import DecisionError
from skrutinium_server.release.store.writing import write_whole

VALID: Final = datetime.timedelta(minutes=15)
"""So long a request waits for its second person."""

Do = Literal["open", "close", "declare", "reopen", "correct"]

TOLD: Final[dict[Do, tuple[str, ...]]] = {
    "open": ("phase", "event", "not_before", "not_before_reason", "begins"),
    "close": (),
    "declare": ("state", "reason", "authority"),
    "reopen": ("reason", "authority"),
    "correct": ("reason", "authority"),
}
"""The texts that are told with each decision."""


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one person asked for.

    ``rests_on`` is the hash of the definition that a run would be opened with, ``records`` the protocols of a correction, which in a
    replay may be ``quiet``: more comes that is published with it. A run that ``gives_back`` makes the one before current again at its end.
    """

    do: Do
    run: str
    told: dict[str, str | None]
    by: str
    until: datetime.datetime
    rests_on: str | None = None
    records: tuple[TakenOver, ...] = ()
    quiet: bool = False
    gives_back: bool = False

    @property
    def sha256(self) -> str:
        """The hash of all of it: what the second person confirms is what that person saw."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def wish(request: dict[str, object], by: str, now: datetime.datetime, rests_on: str | None) -> Wish:
    """The wish in a request of the command line, without anything secret; raises ``msgspec.ValidationError``."""
    do = msgspec.convert(request["do"], Do)
    told = {name: None if request.get(name) is None else str(request[name]) for name in TOLD[do]}
    brought = request["records"] if do == "correct" else ()
    records = msgspec.convert(brought, tuple[TakenOver, ...])
    quiet, gives_back = (msgspec.convert(request.get(name, False), bool) for name in ("quiet", "gives_back"))
    return Wish(do, str(request["run"]), told, by, now + VALID, rests_on, records, quiet, gives_back)


class Wishes:
    """The requests of a site that wait for a second person."""

    def __init__(self, site: Path) -> None:
        self._folder = site / "requests"

    def put(self, wish: Wish) -> None:
        """Keep a wish, durable; it takes the place of an earlier one for the same run."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(self._path(wish.run), msgspec.json.encode(wish))

    def get(self, run: str, now: datetime.datetime) -> Wish:
        """What waits for the run; raises :class:`DecisionError` when nothing does any more."""
        try:
            found = _read(self._path(run))
        except FileNotFoundError:
            raise DecisionError(
                f"Nothing waits to be confirmed for the run {run!r}. One person asks first (for instance run open --phase live "
                "--by NAME), then another one confirms."
            ) from None
        if now >= found.until:
            self.drop(run)
            raise DecisionError(
                f"The request of {found.by} to {found.do} the run {run!r} was valid until {found.until:%H:%M:%S} UTC. Ask again."
            )
        return found

    def waiting(self, now: datetime.datetime) -> list[Wish]:
        """Everything that waits; raises :class:`DecisionError` for a file that is no request."""
        found = [_read(path) for path in sorted(self._folder.glob("*.json"))]
        return [one for one in found if now < one.until]

    def drop(self, run: str) -> None:
        """Forget what waits for the run."""
        self._path(run).unlink(missing_ok=True)

    def _path(self, run: str) -> Path:
        return self._folder / f"{run}.json"


def _read(path: Path) -> Wish:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Wish)
    except msgspec.MsgspecError as error:
        raise DecisionError(f"{path} is no request ({error}). Remove the file and ask again.") from error


def check_second(found: Wish, by: str) -> None:
    """Raise :class:`DecisionError` when the one who confirms is the one who asked."""
    if found.by == by:
        raise DecisionError(f"{by} asked for it and cannot confirm it: another person has to.")
