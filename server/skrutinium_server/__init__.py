"""Skrutinium's counting back end, publisher and media server."""

__version__ = "0.1.0"
