"""Laws as data: one TOML file each, read by :mod:`skrutinium_server.election.law`."""
