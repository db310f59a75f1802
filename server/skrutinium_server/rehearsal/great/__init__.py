"""The great rehearsal: a whole night with many clients, what goes wrong, and at the end each client compared with the ledger."""
