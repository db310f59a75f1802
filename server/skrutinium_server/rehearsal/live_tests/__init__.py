"""Live tests: runs that open, are played and close by themselves in windows of the calendar."""

from skrutinium_server.rehearsal.live_tests.following import LiveTests

__all__ = ["LiveTests"]
