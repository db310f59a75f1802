"""The organiser's page: what runs, what waits, what goes wrong, and the decisions about it; it holds no rules of its own."""
