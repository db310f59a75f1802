"""Ledger: the append-only record of a run, the only store of truth."""
