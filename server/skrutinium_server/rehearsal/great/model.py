"""Who takes part in a rehearsal, what each chose to have, and what each had at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from skrutinium_server.election.model import Definition
from skrutinium_server.rehearsal.errors import RehearsalError

Kind = Literal["everything", "region", "summary", "every-way"]
"""What a client reads: every document; a region; one document; two documents by every way there is (feed, second site, mail)."""

MIX: Final[tuple[Kind, ...]] = (
    "everything",
    "region",
    "summary",
    "every-way",
    "region",
    "summary",
    "region",
    "summary",
    "region",
    "summary",
)
"""Ten clients are of these kinds, and so are the next ten."""

MOST: Final = 250
"""Clients of one rehearsal: each has an address of its own in 127.0.1.0/24."""

WORDS: Final[dict[Kind, str]] = {
    "everything": "everything",
    "region": "a region",
    "summary": "the summary",
    "every-way": "by every way",
}


class Client(msgspec.Struct, frozen=True):
    """One reader: a newsroom's program with the SDK, a subscriber of its own.

    ``only``: paths that it has in any case, ``area``: the region that it has with all that is in it. ``mailbox``: the Maildir in which it gets crisis
    mail. ``told``: whether it uses the second site that signed notices name.
    """

    id: str
    kind: Kind
    address: str
    only: tuple[str, ...] = ()
    area: str | None = None
    mailbox: str | None = None
    told: bool = True


class Held(msgspec.Struct, frozen=True):
    """What a client had when its last release was done.

    ``documents``: hash by path of all bytes that it took; ``totals``: protocols and valid votes as the newest documents say them, by kind of contest;
    ``ways``: how many releases came first from which source.
    """

    client: str
    release: int
    manifest: str
    documents: dict[str, str]
    totals: dict[str, "Total"]
    ways: dict[str, int]


class Total(msgspec.Struct, frozen=True):
    """Protocols that are in, and their valid votes; None where a document does not tell them."""

    reported: int
    votes: int | None = None


class Job(msgspec.Struct, frozen=True):
    """What one process of clients does; ``folder`` is where it leaves what they had."""

    url: str
    fingerprint: str
    folder: str
    clients: tuple[Client, ...]


def regions(definition: Definition) -> Sequence[str]:
    """The areas right below the country."""
    country = {area.id for area in definition.areas if area.parent is None}
    return [area.id for area in definition.areas if area.parent in country]


def clients_of(count: int, definition: Definition, boxes: Path) -> tuple[Client, ...]:
    """So many clients, as different as :data:`MIX` says; their mailboxes lie in ``boxes``. Raises :class:`RehearsalError`."""
    if not 1 <= count <= MOST:
        raise RehearsalError(f"{count} clients; expected 1 to {MOST}.")
    areas = regions(definition)
    return tuple(_client(number, areas, boxes) for number in range(1, count + 1))


def _client(number: int, areas: Sequence[str], boxes: Path) -> Client:
    """The client of that number, from 1."""
    rounds, place = divmod(number - 1, len(MIX))
    kind = MIX[place]
    if kind == "region" and not areas:
        kind = "summary"
    id, address = f"client-{number:03d}", f"127.0.1.{number}"
    match kind:
        case "everything":
            return Client(id, kind, address)
        case "region":
            before = rounds * MIX.count(kind) + MIX[:place].count(kind)
            return Client(id, kind, address, ("summary.xml",), areas[before % len(areas)])
        case "summary":  # every other one knows the first address only
            return Client(id, kind, address, ("summary.xml",), told=place % 4 == 1)
        case "every-way":
            return Client(id, kind, address, ("event.xml", "summary.xml"), mailbox=str(boxes / id))


def access_list(clients: Sequence[Client]) -> str:
    """``access.toml`` with each of them as a subscriber, and with this machine, on which the stage looks whether it serves."""
    rows = [("stage", "The stage itself", "127.0.0.0/24")]
    rows += [(one.id, f"{one.id} ({WORDS[one.kind]})", f"{one.address}/32") for one in clients]
    told = (
        f'\n[[subscriber]]\nid = "{id}"\nname = "{name}"\nlive = ["{network}"]\n'
        for id, name, network in rows
    )
    return "# Made for a rehearsal.\nnumber = 1\n" + "".join(told)
