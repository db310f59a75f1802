"""What has to be sent, what was sent, and what was decided, in ``outbox.sqlite``: durable before anything is done by it.

At least once: a message is there before it is handed in, and is marked as sent when the relay has taken it. Its bytes are kept, so a
repeat after a crash is the same message with the same id. One process writes messages (a lock on the folder); commands append
decisions. Nothing here waits for the network. Files: call it in one thread.
"""

import contextlib
import datetime
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from skrutinium_server.crisis.errors import OutboxError
from skrutinium_server.crisis.queued import (
    Failed,
    Message,
    New,
    Notice,
    Replaced,
    Sent,
    State,
    Waiting,
    packed,
    unpacked,
)
from skrutinium_server.crisis.reading import SERIES
from skrutinium_server.release.store.model import SeriesKey

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS content (sha256 TEXT PRIMARY KEY, headers BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS message (
  id TEXT PRIMARY KEY, recipient TEXT NOT NULL, address TEXT NOT NULL, kind TEXT NOT NULL,
  event TEXT NOT NULL, run TEXT NOT NULL, number INTEGER NOT NULL, repeat INTEGER NOT NULL, part INTEGER NOT NULL, parts INTEGER NOT NULL,
  crisis INTEGER NOT NULL, head BLOB NOT NULL, content TEXT NOT NULL REFERENCES content,
  queued TEXT NOT NULL, state BLOB NOT NULL, waiting INTEGER NOT NULL, due REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS waiting ON message (due) WHERE waiting;
CREATE INDEX IF NOT EXISTS of_recipient ON message (recipient, event, run, number, repeat);
CREATE VIEW IF NOT EXISTS outline AS SELECT id, recipient, address, kind, event, run, number, repeat, part, parts, crisis, queued, state,
  rowid AS place, waiting, due FROM message;
CREATE TABLE IF NOT EXISTS decision (position INTEGER PRIMARY KEY, time TEXT NOT NULL, decision BLOB NOT NULL, state BLOB) STRICT;
CREATE TABLE IF NOT EXISTS reached (crisis INTEGER, recipient TEXT, event TEXT, run TEXT, number INTEGER NOT NULL,
  PRIMARY KEY (crisis, recipient, event, run)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notice (crisis INTEGER, kind TEXT, what TEXT, why TEXT NOT NULL, told INTEGER NOT NULL,
  PRIMARY KEY (crisis, kind, what)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS untold ON notice (kind) WHERE NOT told;
"""


class Outbox:
    """The outbox in ``folder``, which is made when it is not there. Raises :class:`OutboxError`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "outbox.sqlite"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self.path, isolation_level=None, timeout=30, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(
                f"{self.path} cannot be opened ({error}). It belongs to the crisis mail alone."
            ) from error

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ messages
    def queue(
        self,
        messages: Sequence[New],
        now: datetime.datetime,
        *,
        noted: Iterable[Notice] = (),
        told: Iterable[Notice] = (),
    ) -> None:
        """Put messages in, all or none; those that wait for the same recipients and runs are replaced by them.

        With them what the operators are to learn is ``noted``, and what they learn by them is ``told``.
        """
        with self._written():
            for notice in noted:
                self._note(notice)
            for notice in told:
                self._database.execute(
                    "UPDATE notice SET told = 1 WHERE crisis = ? AND kind = ? AND what = ?",
                    (notice.crisis, notice.kind, notice.what),
                )
            for one in {(one.recipient, one.at[:2]): one for one in messages if one.identity}.values():
                event, run = one.at[:2]
                self._replace(one.recipient, event, run, now)
            for one in messages:
                self._put(one, now)

    def _replace(self, recipient: str, event: str, run: str, now: datetime.datetime) -> None:
        self._database.execute(
            "UPDATE message SET waiting = 0, state = ? WHERE waiting AND recipient = ? AND event = ? AND run = ?",
            (packed(Replaced(now)), recipient, event, run),
        )

    def _put(self, one: New, now: datetime.datetime) -> None:
        digest = hashlib.sha256(one.content.headers + b"\r\n\r\n" + one.content.body).hexdigest()
        self._database.execute(
            "INSERT OR IGNORE INTO content VALUES (?, ?, ?)", (digest, one.content.headers, one.content.body)
        )
        event, run, number, repeat, part = one.at
        self._database.execute(
            "INSERT OR IGNORE INTO message VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1,?)",
            (
                *(one.id, one.recipient, one.address, one.kind, event, run, number, repeat, part, one.parts),
                *(one.crisis, one.head, digest, now.isoformat(), packed(Waiting()), now.timestamp()),
            ),
        )

    def _note(self, notice: Notice) -> None:
        self._database.execute(
            "INSERT OR IGNORE INTO notice VALUES (?, ?, ?, ?, 0)",
            (notice.crisis, notice.kind, notice.what, notice.why),
        )

    def untold(self) -> list[Notice]:
        """What the operators have not been told yet."""
        rows = self._database.execute(
            "SELECT crisis, kind, what, why FROM notice WHERE NOT told ORDER BY crisis, kind, what"
        )
        return [Notice(*row) for row in rows]

    def due(self, now: datetime.datetime, most: int, without: Iterable[str] = ()) -> list[Message]:
        """Messages that are to be sent now, the longest due first; ``without``: ids that are under way."""
        held = set(without)
        rows = self._database.execute(
            "SELECT * FROM outline WHERE waiting AND due <= ? ORDER BY due, place LIMIT ?",
            (now.timestamp(), most + len(held)),
        )
        return [one for one in map(_message, rows) if one.id not in held][:most]

    def next_due(self) -> float | None:
        """When the next message is due (seconds since 1970), None when nothing waits."""
        (found,) = self._database.execute("SELECT min(due) FROM message WHERE waiting").fetchone()
        return None if found is None else float(found)

    def bytes_of(self, id: str) -> bytes:
        """A message as it is handed to the relay."""
        head, headers, body = self._database.execute(
            "SELECT head, headers, body FROM message JOIN content ON content = sha256 WHERE id = ?", (id,)
        ).fetchone()
        return bytes(head + headers + b"\r\n\r\n" + body)

    def sent(self, ids: Iterable[tuple[str, str]], now: datetime.datetime) -> None:
        """The relay took these messages: id, and its answer. What reached a recipient whole is remembered."""
        with self._written():
            for id, answer in ids:
                self._settle(id, Sent(now, answer), waiting=False, due=0)
                self._reach(id)

    def _reach(self, id: str) -> None:
        recipient, event, run, number, repeat, crisis, parts = self._database.execute(
            "SELECT recipient, event, run, number, repeat, crisis, parts FROM message WHERE id = ?", (id,)
        ).fetchone()
        rows = self._database.execute(
            "SELECT state FROM message WHERE recipient = ? AND event = ? AND run = ? AND number = ? AND repeat = ?",
            (recipient, event, run, number, repeat),
        ).fetchall()
        if crisis and sum(isinstance(unpacked(row[0]), Sent) for row in rows) == parts:
            self._database.execute(
                "INSERT INTO reached VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET number = max(number, excluded.number)",
                (crisis, recipient, event, run, number),
            )

    def later(self, id: str, state: Waiting, due: datetime.datetime) -> None:
        """The relay does not take a message yet: try again when it is due."""
        with self._written():
            self._settle(id, state, waiting=True, due=due.timestamp())

    def failed(self, id: str, why: str, now: datetime.datetime) -> None:
        """The relay refused a message for good; unless it was theirs, the operators are to learn that."""
        with self._written():
            self._settle(id, Failed(now, why), waiting=False, due=0)
            recipient, address, kind, crisis = self._database.execute(
                "SELECT recipient, address, kind, crisis FROM message WHERE id = ?", (id,)
            ).fetchone()
            if kind != "operators":
                self._note(Notice(crisis, "refused", f"{recipient} ({address})", why))

    def _settle(self, id: str, state: State, *, waiting: bool, due: float) -> None:
        # What was replaced while it was under way has been sent all the same, and that is what counts; but it never waits again.
        self._database.execute(
            "UPDATE message SET state = ?, due = ?, waiting = ? WHERE id = ? AND (waiting OR NOT ?)",
            (packed(state), due, waiting, id, waiting),
        )

    def reached(self, crisis: int, recipient: str, event: str, run: str) -> int | None:
        """The newest release that surely reached a recipient in a crisis, with all before it since it began; None: none yet."""
        row = self._database.execute(
            "SELECT number FROM reached WHERE crisis = ? AND recipient = ? AND event = ? AND run = ?",
            (crisis, recipient, event, run),
        ).fetchone()
        return None if row is None else int(row[0])

    def last(self, recipient: str, event: str, run: str) -> Message | None:
        """The message of the highest release, and of these the last, that was ever queued for a recipient."""
        row = self._database.execute(
            "SELECT * FROM outline WHERE recipient = ? AND event = ? AND run = ? "
            "ORDER BY number DESC, repeat DESC LIMIT 1",
            (recipient, event, run),
        ).fetchone()
        return None if row is None else _message(row)

    def latest(self, recipient: str, event: str, run: str) -> list[Message]:
        """All parts of the message that :meth:`last` tells of."""
        last = self.last(recipient, event, run)
        if last is None:
            return []
        rows = self._database.execute(
            "SELECT * FROM outline WHERE recipient = ? AND event = ? AND run = ? AND number = ? AND repeat = ? ORDER BY part",
            (recipient, event, run, last.number, last.repeat),
        )
        return list(map(_message, rows))

    def runs_of(self, crisis: int) -> frozenset[SeriesKey]:
        """The runs that messages of a crisis were queued of."""
        rows = self._database.execute(
            "SELECT DISTINCT event, run FROM message WHERE crisis = ? AND event != ''", (crisis,)
        )
        return frozenset(SeriesKey(event, run, SERIES) for event, run in rows)

    def next_position(self) -> int:
        """The position that the next decision gets."""
        (found,) = self._database.execute("SELECT coalesce(max(position), 0) + 1 FROM decision").fetchone()
        return int(found)

    def messages(self, *, newest: int = 1_000_000) -> list[Message]:
        """What was queued last, oldest first."""
        rows = self._database.execute("SELECT * FROM outline ORDER BY place DESC LIMIT ?", (newest,))
        return [_message(row) for row in rows][::-1]

    def counts(self) -> dict[str, int]:
        """How many messages are in each state."""
        found = {"waiting": 0, "sent": 0, "failed": 0, "replaced": 0}
        for (state,) in self._database.execute("SELECT state FROM message"):
            found[type(unpacked(state)).__name__.lower()] += 1
        return found

    def forget(self, before: datetime.datetime) -> None:
        """Let the contents of messages go that do not wait and were queued before that time; who got what stays known."""
        with self._written():
            self._database.execute(
                "UPDATE content SET headers = x'', body = x'' WHERE sha256 NOT IN (SELECT content FROM message WHERE waiting OR queued >= ?)",
                (before.isoformat(),),
            )

    # ------------------------------------------------------------------ decisions
    def decide(self, decision: bytes, now: datetime.datetime) -> int:
        """Append a decision that waits to be heeded; its position."""
        with self._written():
            found = self._database.execute(
                "INSERT INTO decision (time, decision) VALUES (?, ?)", (now.isoformat(), decision)
            )
            assert found.lastrowid is not None
            return found.lastrowid

    def heed(self, position: int | None, decision: bytes, state: bytes, now: datetime.datetime) -> None:
        """Remember the state that a decision led to; without a position it is one that nobody waits for, such as of the watch."""
        with self._written():
            if position is None:
                self._database.execute(
                    "INSERT INTO decision (time, decision, state) VALUES (?, ?, ?)",
                    (now.isoformat(), decision, state),
                )
            else:
                self._database.execute("UPDATE decision SET state = ? WHERE position = ?", (state, position))

    def decisions(self, after: int = 0) -> list[tuple[int, datetime.datetime, bytes, bytes | None]]:
        """Position, time, decision, and the state it led to (None: not heeded yet), in order."""
        rows = self._database.execute(
            "SELECT position, time, decision, state FROM decision WHERE position > ? ORDER BY position",
            (after,),
        )
        return [(at, datetime.datetime.fromisoformat(time), told, state) for at, time, told, state in rows]

    def waits(self) -> bool:
        """Whether a decision waits to be heeded."""
        return bool(
            self._database.execute("SELECT EXISTS (SELECT 1 FROM decision WHERE state IS NULL)").fetchone()[0]
        )

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """One transaction, durable at its end; raises :class:`OutboxError`, and nothing of it is there."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite may have rolled back itself; when only the commit failed, it has not.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise OutboxError(
                f"{self.path} cannot be written ({error}). Make room or mend the disk."
            ) from error


def _message(row: tuple[Any, ...]) -> Message:
    id, recipient, address, kind, event, run, number, repeat, part, parts, crisis, queued, state, *_ = row
    return Message(
        *(id, recipient, address, kind, event, run),
        *(number, repeat, part, parts, crisis),
        queued=datetime.datetime.fromisoformat(queued),
        state=unpacked(state),
    )
