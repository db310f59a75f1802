"""The one table of the ledger's file: one packed row an entry, and triggers that keep it append-only."""

from typing import Final

APPLICATION_ID: Final = 0x536B4C67
"""``SkLg``: how ``file`` and this program know a ledger from any other SQLite file."""

SCHEMA_VERSION: Final = 1

SCHEMA: Final = """
CREATE TABLE entries (
  position INTEGER PRIMARY KEY,
  head BLOB NOT NULL,
  data BLOB NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER entries_are_not_updated BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry of the ledger is never updated'); END;
CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry of the ledger is never deleted'); END;
-- INSERT OR REPLACE deletes without asking the trigger above, so the place of a new row is checked as well.
CREATE TRIGGER entries_have_no_gaps BEFORE INSERT ON entries
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM entries)
BEGIN SELECT RAISE(ABORT, 'an entry of the ledger has the position after the newest one'); END;
"""

INSERT: Final = "INSERT INTO entries (position, head, data, hash) VALUES (?, ?, ?, ?)"
