"""Readers of what protocols come as, one module a format."""
