"""Serving a recorded night again, at the addresses of a feed."""
