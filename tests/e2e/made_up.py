"""A small made-up election as files that the commands import: its definition and its protocols, both as CSV."""

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec

from skrutinium_server.election.formats import csv_set
from skrutinium_server.election.law import load_law
from skrutinium_server.intake.formats.csv_set import write_set
from skrutinium_server.intake.model import Protocol
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition, made_up_protocols
from tests.e2e.at_work import command

SEED = 7
START = datetime.datetime(2030, 10, 5, 12, 0, tzinfo=datetime.UTC)
LENGTH = datetime.timedelta(hours=8)
LAW = "cz-municipal-2018"
DEFINITION = made_up_definition(SEED, SMALL)
PROTOCOLS = tuple(made_up_protocols(DEFINITION, SEED, START, LENGTH, 0))
"""One of each poll; votes of candidates included."""


def definition_folder(folder: Path, *, made_up: bool = True) -> Path:
    """The definition as a CSV set, or the same said to be a real one."""
    csv_set.write_folder(msgspec.structs.replace(DEFINITION, made_up=made_up), folder)
    return folder


def protocols_folder(folder: Path, protocols: Sequence[Protocol] = PROTOCOLS) -> Path:
    """Protocols as a CSV set."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in write_set(protocols, load_law(LAW)).items():
        (folder / name).write_bytes(data)
    return folder


def made_up_site(folder: Path) -> Path:
    """A site with the made-up definition, by the commands."""
    command("site", "create", folder / "site")
    source = definition_folder(folder / "definition")
    command("definition", "import", folder / "site", "--law", LAW, "--format", "csv", source)
    return folder / "site"
