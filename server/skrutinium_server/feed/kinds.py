"""Kinds of requests, by which the operator sees what is asked for: few and fixed, whatever anybody asks."""

from typing import Final

from skrutinium_server.feed import addresses
from skrutinium_server.feed.refusals import Refusal

KINDS: Final = (
    "manifest",
    "document",
    "changes",
    "pack",
    "checkpoint",
    "heartbeat",
    "push",
    "state",
    "object",
    "registers",
    "archive",
    "volby",
    "page",
    "other",
)
"""Names of the kinds; a kind is its place in this list."""

MANIFEST: Final = KINDS.index("manifest")
DOCUMENT: Final = KINDS.index("document")
PUSH: Final = KINDS.index("push")
OTHER: Final = KINDS.index("other")

_OF: Final[dict[type, int]] = {
    addresses.NewestDocument: DOCUMENT,
    addresses.NumberedDocument: DOCUMENT,
    addresses.DocumentAt: DOCUMENT,
    addresses.Changes: KINDS.index("changes"),
    addresses.Pack: KINDS.index("pack"),
    addresses.Checkpoint: KINDS.index("checkpoint"),
    addresses.Heartbeat: KINDS.index("heartbeat"),
    addresses.Push: PUSH,
    addresses.StateFile: KINDS.index("state"),
    addresses.NoticesFile: KINDS.index("state"),
    addresses.KeyFile: KINDS.index("state"),
    addresses.Line: DOCUMENT,
    addresses.ObjectByHash: KINDS.index("object"),
    addresses.RegistersFile: KINDS.index("registers"),
    addresses.Archive: KINDS.index("archive"),
    addresses.VolbyFile: KINDS.index("volby"),
    addresses.VolbyProcedure: KINDS.index("volby"),
    addresses.Page: KINDS.index("page"),
}


def kind_of(asked: addresses.Address | Refusal) -> int:
    """The kind of what is asked for; what has none of its own is ``other``."""
    kind = _OF.get(type(asked), OTHER)
    if kind == DOCUMENT and getattr(asked, "path", "").startswith("manifest.xml"):
        return MANIFEST
    return kind
