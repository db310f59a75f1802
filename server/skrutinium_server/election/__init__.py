"""The first stage: what is voted on and by which law, before any vote is known. Pure but for the reading edges."""
