"""One folder a format: each turns the changed part of a tally into documents."""
