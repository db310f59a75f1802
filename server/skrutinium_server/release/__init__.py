"""Release: from the tally to validated, signed documents in the release store."""
