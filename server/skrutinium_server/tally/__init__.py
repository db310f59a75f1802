"""Totals, seats, ties and lots: everything here is a function of the definition and the ledger entries."""
