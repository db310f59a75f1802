"""What mails brought, in a database in a temporary folder: claims until a trusted key proves them, objects by their SHA-256.

What nobody proves has a limit, and the oldest goes first: whoever can send mail could fill the disk else.
"""

import hashlib
import logging
import sqlite3
import zlib
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from skrutinium.documents.series import Manifest, Run
from skrutinium.documents.series_reading import read_manifest, read_state
from skrutinium.errors import ChainError, NotYet, SchemaError, SignatureError
from skrutinium.sources.mail.files import Letter, key_id_of
from skrutinium.sources.mail.keys import Keys
from skrutinium.trust.signing import split_signed

_log = logging.getLogger("skrutinium")
MOST_TROUBLES = 1000
_LONGEST_TROUBLE = 1000
MOST_UNPROVEN = 256_000_000
"""Bytes, as kept, of objects that no trusted manifest names."""
MOST_CLAIMS = 20_000
"""Claims that wait for a key to be trusted."""
_TABLES = """
pragma journal_mode = off; pragma synchronous = off;
create table mail (digest text primary key) without rowid;
create table object (sha256 text primary key, data blob, proven int) ;
create table claim (kind text, sha256 text, key text, line blob, mail text, unique (kind, sha256, line));
create table named (sha256 text primary key) without rowid;
create table release (event text, run text, phase text, series text, number int, sha256 text, line blob, mail text,
  primary key (event, run, phase, series, number, sha256)) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A release that is proven: the hash of its manifest, the signature line, and the id of the mail that brought it first."""

    number: int
    sha256: str
    line: bytes
    mail: str


class Pool:
    """One thread uses it; :class:`sqlite3.Error` comes through."""

    def __init__(self, folder: Path) -> None:
        self._base = sqlite3.connect(folder / "pool.sqlite", isolation_level=None)
        self._base.executescript(_TABLES)
        self.keys = Keys()
        self._troubles: deque[str] = deque(maxlen=MOST_TROUBLES)
        self._left_out = 0
        self._unproven = 0
        self._state: tuple[int, bytes] | None = None

    def close(self) -> None:
        """Let go of the database."""
        self._base.close()

    # ---------------------------------------------------------------- troubles
    def trouble(self, text: str) -> None:
        """Note what was set aside, and why; the last ones are kept until they are taken, those before are counted."""
        text = text[:_LONGEST_TROUBLE]
        _log.info("mail: %s", text)
        self._left_out += len(self._troubles) == MOST_TROUBLES
        self._troubles.append(text)

    def troubles(self) -> list[str]:
        """What was set aside since it was last asked."""
        before = [f"{self._left_out} more before these were set aside"] if self._left_out else []
        told = [*before, *self._troubles]
        self._troubles.clear()
        self._left_out = 0
        return told

    # ---------------------------------------------------------------- taking in
    def is_new(self, data: bytes) -> bool:
        """Whether this mail, byte for byte, was not seen before; from now on it was."""
        digest = hashlib.sha256(data).hexdigest()
        return self._base.execute("insert or ignore into mail values (?)", (digest,)).rowcount == 1

    def add(self, letter: Letter, mail: str, trusted: Collection[str]) -> None:
        """Take in what a mail claims; ``trusted`` are plain fingerprints."""
        for one in letter.troubles:
            self.trouble(f"{mail}: {one}")
        self._add_keys(letter, mail, trusted)
        for data in letter.objects:
            self._put(data)
        for signed in letter.manifests:
            if not signed.lines:
                self.trouble(f"{mail}: a manifest comes without a signature")
            for line in signed.lines:
                self._claim("manifest", signed.data, line, mail)
        for data in letter.states:
            try:
                body, line = split_signed(data, "state.xml")
            except SignatureError:
                self.trouble(f"{mail}: a state comes without a signature")
            else:
                self._claim("state", body, line, mail)
        self._drop()

    def _add_keys(self, letter: Letter, mail: str, trusted: Collection[str]) -> None:
        taken = []
        for key in letter.keys:
            try:
                self.keys.add(key.data, trusted)
                taken.append(key)
            except SignatureError as error:
                self.trouble(f"{mail}: {error.message}")
        for key in taken:  # when all are known, whichever signed which
            self.keys.rotated(key.data, key.lines)

    def _put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        if self._base.execute("select 1 from object where sha256 = ?", (sha256,)).fetchone() is None:
            named = self._base.execute("select 1 from named where sha256 = ?", (sha256,)).fetchone()
            packed = zlib.compress(data, 1)
            self._unproven += 0 if named else len(packed)
            self._base.execute("insert into object values (?, ?, ?)", (sha256, packed, 1 if named else 0))
        return sha256

    def _claim(self, kind: str, data: bytes, line: bytes, mail: str) -> None:
        claim = (kind, self._put(data), key_id_of(line), line, mail)
        self._base.execute("insert or ignore into claim values (?, ?, ?, ?, ?)", claim)

    def _drop(self) -> None:
        """Let go of the oldest that nobody proved, and of claims that nobody can prove."""
        self._base.execute(
            "delete from claim where rowid <= (select max(rowid) from claim) - ?", (MOST_CLAIMS,)
        )
        while self._unproven > MOST_UNPROVEN:
            oldest = self._base.execute(
                "select sha256, length(data) from object where not proven order by rowid limit 1"
            ).fetchone()
            if oldest is None:
                self._unproven = 0
                return
            self._base.execute("delete from object where sha256 = ?", (oldest[0],))
            self._base.execute("delete from claim where sha256 = ?", (oldest[0],))
            self._unproven -= oldest[1]

    # ---------------------------------------------------------------- proving
    def settle(self, trusted: Collection[str]) -> None:
        """Prove claims by the keys that are trusted, ``trusted`` being plain fingerprints.

        Without any, the only publisher that signed something here is trusted; raises :class:`SignatureError` when there are several.
        """
        ids = self.keys.trusted(trusted) if trusted else self._only()
        for id in sorted(ids):
            found = self._base.execute(
                "select rowid, kind, sha256, line, mail from claim where key = ? order by rowid", (id,)
            ).fetchall()
            for row, kind, sha256, line, mail in found:
                data = self.object(sha256)
                if not self.keys.holds(data, line):
                    self.trouble(f"{mail}: the signature of a {kind} does not hold")
                else:
                    self._prove(kind, data, sha256, line, mail)
                self._base.execute("delete from claim where rowid = ?", (row,))

    def _only(self) -> frozenset[str]:
        found = self._base.execute("select key, sha256, line from claim group by key, sha256, line")
        signers = {id for id, sha256, line in found.fetchall() if self.keys.holds(self.object(sha256), line)}
        return self.keys.only(signers) if signers else frozenset()

    def _prove(self, kind: str, data: bytes, sha256: str, line: bytes, mail: str) -> None:
        try:
            if kind == "state":
                number = read_state(data, "state.xml").number
                if self._state is None or number > self._state[0]:
                    self._state = number, data + line
                return
            manifest = read_manifest(data, "manifest.xml")
        except SchemaError as error:
            self.trouble(f"{mail}: a signed {kind} cannot be read: {error.message}")
            return
        told = (manifest.event, manifest.run, manifest.phase, manifest.series, manifest.release)
        self._base.execute(
            "insert or ignore into release values (?,?,?,?,?,?,?,?)", (*told, sha256, line, mail)
        )
        for proven in (sha256, *(row.sha256 for row in manifest.documents)):
            self._name(proven)

    def _name(self, sha256: str) -> None:
        if self._base.execute("insert or ignore into named values (?)", (sha256,)).rowcount != 1:
            return
        held = self._base.execute(
            "update object set proven = 1 where sha256 = ? and not proven returning length(data)", (sha256,)
        ).fetchone()
        self._unproven -= held[0] if held else 0

    # ---------------------------------------------------------------- asking
    @property
    def waiting(self) -> int:
        """How many claims nobody trusted has proven."""
        return int(self._base.execute("select count(*) from claim").fetchone()[0])

    def state(self) -> bytes:
        """The newest state that is proven; raises :class:`NotYet`."""
        if self._state is None:
            raise NotYet("no mail holds a signed state")
        return self._state[1]

    def releases(self, run: Run, series: str, after: int = 0) -> list[Held]:
        """The proven releases after that number, in order; of two under one number both."""
        found = self._base.execute(
            "select number, sha256, line, mail from release where event = ? and run = ? and phase = ? and series = ? "
            "and number > ? order by number",
            (run.event, run.id, run.phase, series, after),
        )
        return [Held(*row) for row in found]

    def newest(self, run: Run, series: str) -> Held:
        """The proven release with the highest number; raises :class:`NotYet`, :class:`ChainError` when there are two."""
        row = self._base.execute(
            "select max(number) from release where event = ? and run = ? and phase = ? and series = ?",
            (run.event, run.id, run.phase, series),
        ).fetchone()
        if row[0] is None:
            raise NotYet(f"no mail holds a release of {run.event}/{run.id} that a trusted key signed")
        return self.release(run, series, int(row[0]))

    def release(self, run: Run, series: str, number: int) -> Held:
        """One proven release; raises :class:`NotYet`, :class:`ChainError` when two are signed under that number."""
        found = self._base.execute(
            "select number, sha256, line, mail from release where event = ? and run = ? and phase = ? and series = ? and number = ?",
            (run.event, run.id, run.phase, series, number),
        ).fetchall()
        if not found:
            raise NotYet(f"no mail holds release {number}")
        if len(found) > 1:
            mails = " and ".join(row[3] for row in found[:2])
            raise ChainError(f"release {number} is there with two contents, rightly signed both, in {mails}")
        return Held(*found[0])

    def manifest(self, held: Held) -> Manifest:
        """The manifest of a proven release."""
        return read_manifest(self.object(held.sha256), f"release {held.number}")

    def has(self, sha256: str) -> bool:
        """Whether an object is here."""
        return self._base.execute("select 1 from object where sha256 = ?", (sha256,)).fetchone() is not None

    def object(self, sha256: str) -> bytes:
        """The bytes with that hash; raises :class:`NotYet`."""
        row = self._base.execute("select data from object where sha256 = ?", (sha256,)).fetchone()
        if row is None:
            raise NotYet(f"no mail holds the document {sha256}")
        data: bytes = zlib.decompress(row[0])
        return data
