"""Processes: the stages joined into what runs on election night."""
