"""The media server: serves a release store to the addresses of an access list, from prepared bytes."""
