"""Scorecards: what each subscriber did in a test or a rehearsal, from what the feed saw, from receipts, and from what was done on the stage."""
