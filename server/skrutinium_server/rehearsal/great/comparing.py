"""Whether a client has what the ledger says. Pure."""

from typing import Final

import msgspec

from skrutinium_server.rehearsal.great.model import Client, Held, Total
from skrutinium_server.rehearsal.great.truth import Truth, documents_of, totals_of

SHOWN: Final = 3
"""So many paths are named; the rest is counted."""


class Verdict(msgspec.Struct, frozen=True):
    """One client at the end: ``documents`` that it had, ``differences`` in words, none when it is equal to the ledger."""

    client: Client
    release: int | None
    documents: int
    differences: tuple[str, ...]
    ways: dict[str, int] = {}

    @property
    def equal(self) -> bool:
        """Whether it has what the ledger says, all of it and nothing else."""
        return not self.differences


def verdict(client: Client, held: Held | None, truth: Truth, trouble: str | None = None) -> Verdict:
    """Compare; ``trouble``: why the client told nothing."""
    if held is None:
        return Verdict(client, None, 0, (trouble or "did not get to the last release",))
    found = []
    if held.release != truth.release:
        found.append(f"ended with release {held.release}, the ledger with {truth.release}")
    if held.manifest != truth.manifests.get(held.release):
        found.append(f"release {held.release} is not the one that the ledger gives")
    due = documents_of(client, truth)
    for what, paths in (
        ("lacks", due.keys() - held.documents.keys()),
        ("has too much:", held.documents.keys() - due.keys()),
        ("has otherwise:", {path for path, told in held.documents.items() if due.get(path, told) != told}),
    ):
        if paths:
            found.append(f"{what} {_named(paths)}")
    totals = totals_of(client, truth)
    if held.totals != totals:
        found.append(f"says {_told(held.totals)}; the protocols add up to {_told(totals)}")
    return Verdict(client, held.release, len(held.documents), tuple(found), held.ways)


def _named(paths: set[str]) -> str:
    first = ", ".join(sorted(paths)[:SHOWN])
    return first if len(paths) <= SHOWN else f"{first} and {len(paths) - SHOWN} more"


def _told(totals: dict[str, Total]) -> str:
    return "; ".join(
        f"{kind}: {one.reported} protocols" + ("" if one.votes is None else f", {one.votes} votes")
        for kind, one in sorted(totals.items())
    )
