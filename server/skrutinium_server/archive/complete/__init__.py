"""The complete archive: the results of one release down to the single precinct, as XML and as tables (requirement M8)."""
