"""Sandboxes: sites of their own beside a site, in which nights are replayed for ever, for newsrooms to try their programs on."""

from skrutinium_server.rehearsal.sandboxes.folder import Sandboxes, SandboxFolder
from skrutinium_server.rehearsal.sandboxes.model import SandboxSettings

__all__ = ["SandboxFolder", "Sandboxes", "SandboxSettings"]
