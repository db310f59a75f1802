"""Results by e-mail when all else fails: agreed documents, signed, to recipients that are on a list. It needs a release store only."""
