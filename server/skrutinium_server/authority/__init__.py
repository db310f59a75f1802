"""Who may do and read what: persons, subscribers, and the event log."""
