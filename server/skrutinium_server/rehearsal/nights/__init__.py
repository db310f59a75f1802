"""Nights to be replayed, wherever they come from: made up, a ledger, a release store, a recording."""

from skrutinium_server.rehearsal.nights.kept import About, keep_night, kept_due
from skrutinium_server.rehearsal.nights.ledger import hashes_taken_over, of_ledger, read_ledger
from skrutinium_server.rehearsal.nights.made_up import of_seed, of_settings
from skrutinium_server.rehearsal.nights.model import Night
from skrutinium_server.rehearsal.nights.store import of_recording, of_store

__all__ = [
    "Night",
    "of_seed",
    "of_settings",
    "of_ledger",
    "read_ledger",
    "hashes_taken_over",
    "of_store",
    "of_recording",
    "keep_night",
    "kept_due",
    "About",
]
