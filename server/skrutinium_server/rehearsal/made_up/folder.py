"""A made-up election as files that anybody can read: its definition and its night in sets of CSV files.

FOLDER/README.txt says what it is and which commands take it; ``definition/`` is the definition, ``night/01/`` what was
sent first of each protocol, ``night/02/`` what was sent the second time, and so on; ``corrections/REASON/`` what was corrected.
"""

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from skrutinium_server.election.formats import csv_set as definition_set
from skrutinium_server.election.law import Law, load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.formats.csv_set import PROTOCOLS, VOTES, heads, read_folder
from skrutinium_server.process.reasons import correction_reasons
from skrutinium_server.rehearsal.made_up.arrival import Kind
from skrutinium_server.rehearsal.made_up.election import made_up_election
from skrutinium_server.rehearsal.made_up.errors import FolderError
from skrutinium_server.rehearsal.made_up.night import Coming, taken_over
from skrutinium_server.rehearsal.made_up.settings import Settings
from skrutinium_server.rehearsal.replay import Due

README: Final = "README.txt"
DEFINITION: Final = "definition"
NIGHT: Final = "night"
CORRECTIONS: Final = "corrections"

_README: Final = """{name}

Made up: nothing of it happened, and nobody in it exists. {event} by the law {law}, seed {seed}.

{what}

definition/    what is voted on (CSV set)
night/         protocols as they came in: 01 what was sent first of each, 02 what was sent next, and so on
{corrections}
Bring it to a site, from this folder:

  skrutinium-server site create SITE
  skrutinium-server definition import SITE --law {law} --format csv {definition}
  skrutinium-server serve SITE                    (in another terminal)
  skrutinium-server run open SITE rehearsal-1 --phase rehearsal
  skrutinium-server replay SITE rehearsal-1 --format csv {night}

Make it again, the same bytes:

  {again}
"""


class Written(NamedTuple):
    """What was written: the definition, and how many protocols as what."""

    definition: Definition
    kinds: Counter[Kind]


def write_folder(settings: Settings, folder: Path, again: str) -> Written:
    """Make an election up and write it; ``again`` is the command that does so. Raises what making it up raises.

    Raises :class:`FolderError` when there is anything in the folder already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderError(f"{folder} is not empty; expected a new folder, so that no two elections mix")
    election = made_up_election(settings)
    definition = election.definition
    definition_set.write_folder(definition, folder / DEFINITION)
    law = load_law(definition.law)
    kinds: Counter[Kind] = Counter()
    times: Counter[tuple[str, str]] = Counter()
    with contextlib.ExitStack() as stack:
        sets = _Sets(folder, law, stack)
        for one in election.coming:
            kinds[one.kind] += 1
            sets.write(one, times)
    written = Written(definition, kinds)
    (folder / README).write_text(_told(written, settings, again), "utf-8")
    return written


class _Sets:
    """The sets that are being written, each begun when its first protocol comes."""

    def __init__(self, folder: Path, law: Law, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._law = law
        self._stack = stack
        self._files: dict[str, tuple[BinaryIO, BinaryIO]] = {}

    def write(self, one: Coming, times: Counter[tuple[str, str]]) -> None:
        """Append a protocol to the set it belongs to; ``times`` counts how often each was sent."""
        key = (one.protocol.precinct, one.protocol.contest)
        if one.reason is None:
            times[key] += 1
            name = f"{NIGHT}/{times[key]:02}"
        else:
            name = f"{CORRECTIONS}/{one.reason}"
        if name not in self._files:
            self._files[name] = self._begin(self._folder / name)
        line, _, rows = taken_over(one.protocol, self._law).data.partition(b"\n")
        protocols, votes = self._files[name]
        protocols.write(line + b"\n")
        votes.write(rows + b"\n")

    def _begin(self, folder: Path) -> tuple[BinaryIO, BinaryIO]:
        folder.mkdir(parents=True)
        protocols, votes = (
            self._stack.enter_context((folder / name).open("wb")) for name in (PROTOCOLS, VOTES)
        )
        for file, head in zip((protocols, votes), heads(self._law), strict=True):
            file.write(f"{head}\n".encode("ascii"))
        return protocols, votes


def _told(written: Written, settings: Settings, again: str) -> str:
    definition, corrected = written.definition, written.kinds["correction"]
    return _README.format(
        name=definition.name,
        event=definition.event,
        law=definition.law,
        seed=settings.seed,
        what=summary(written),
        corrections=f"{CORRECTIONS}/   protocols that were corrected, by reason\n" if corrected else "",
        definition=DEFINITION,
        night=f"{NIGHT} --corrections {CORRECTIONS}" if corrected else NIGHT,
        again=again,
    )


def summary(written: Written) -> str:
    """How large it is and what happens in its night, for people."""
    definition, kinds = written.definition, written.kinds
    lists = f"{len(definition.lists):,} lists, " if definition.lists else ""
    return (
        f"{len(definition.precincts):,} precincts, {len(definition.contests):,} contests, {lists}"
        f"{len(definition.candidates):,} candidates; {kinds['first']:,} protocols to come.\n"
        f"On the way: {kinds['refused']:,} refused and sent right later, {kinds['resend']:,} sent again with other figures, "
        f"{kinds['duplicate']:,} sent twice, {kinds['correction']:,} corrected."
    )


def read_corrections(folder: Path, law: Law, authority: str) -> Sequence[Due]:
    """The corrections in sets of CSV files, each set in a folder called after the reason. Raises ``FolderError``, ``ReadError``."""
    found: list[Due] = []
    reasons = correction_reasons()
    for one in sorted(path.parent for path in folder.glob(f"*/{PROTOCOLS}")):
        if one.name not in reasons:
            raise FolderError(
                f"{one} is not called after a reason of a correction; expected one of {', '.join(reasons)}"
            )
        found += [
            Due(item.established, item.taken_over, one.name, authority) for item in read_folder(one, law)
        ]
    if not found:
        raise FolderError(
            f"{folder} holds no corrections; expected folders REASON with {PROTOCOLS} and {VOTES}"
        )
    return found
