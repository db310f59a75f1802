"""A made-up election as files goes all the way: written, imported, replayed, counted to what its voters did."""

import datetime
import re
import shlex
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from skrutinium_server.commands import group
from skrutinium_server.election.formats import csv_set as definition_set
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.intake.reading import read_path
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.rehearsal.made_up import (
    FolderError,
    Settings,
    made_up_election,
    read_corrections,
    taken_over,
)
from tests.e2e.at_work import command

SENATE = "cz-senate-2018"
OPTIONS = ["--precincts", "24", "--seed", "7", "--errors", "2000", "--corrections", "800", "--lots", "1"]


def write(folder: Path, *options: str) -> str:
    """What the command says."""
    done = CliRunner().invoke(group, ["made-up", *OPTIONS, *options, str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_folder_goes_all_the_way(tmp_path: Path) -> None:
    """The commands of README.txt bring it: slips are refused, corrections come with their reason, the rest is taken over."""
    said = write(tmp_path / "made")
    numbers = re.search(
        r"; (\d+) protocols.*: (\d+) refused.* (\d+) sent again.* (\d+) sent twice, (\d+) corrected",
        said,
        re.DOTALL,
    )
    assert numbers is not None
    polls, refused, again, twice, corrected = map(int, numbers.groups())
    told = (tmp_path / "made" / "README.txt").read_text("utf-8")
    lines = [
        shlex.split(line.partition("  (")[0])[1:] for line in told.splitlines() if line.startswith("  skrut")
    ]
    paths = {"SITE": tmp_path / "site", "definition": tmp_path / "made/definition"}
    paths |= {name: tmp_path / "made" / name for name in ("night", "corrections")}
    for line in lines[:-1]:  # the last one makes it again
        if line[0] == "serve":  # nobody reads it here
            continue
        code = 1 if line[0] == "replay" else 0  # what was refused has to be told
        fast = ["--speed", "100000"] if line[0] == "replay" else []
        said = command(line[0], *(paths.get(word, word) for word in line[1:]), *fast, code=code)
    assert f"{refused} refused" in said
    accepted = _accepted(tmp_path / "site/runs/rehearsal-1/ledger.sqlite")
    assert len(accepted) == polls + again + corrected
    assert sum(row.reason is None for row in accepted) == polls
    reasons = [path.name for path in sorted((tmp_path / "made/corrections").iterdir())]
    told_reasons = {row.reason for row in accepted} - {None, "source-resend"}
    assert told_reasons == set(reasons)
    assert {row.authority for row in accepted if row.reason in reasons} == {"Vymyšlená volební komise"}
    assert twice == 1


def _accepted(ledger: Path) -> list[Accepted]:
    with SqliteReader(ledger) as reader:
        return [entry.body for entry, _ in reader.records() if isinstance(entry.body, Accepted)]


@pytest.mark.parametrize(
    ("options", "law", "round_"),
    [
        ([], "cz-municipal-2018", 1),
        (["--law", SENATE], SENATE, 1),
        (["--law", SENATE, "--second-round"], SENATE, 2),
    ],
    ids=["councils", "senate", "second-round"],
)
def test_folder_holds_what_is_made_up(tmp_path: Path, options: list[str], law: str, round_: int) -> None:
    """The sets read back as the same definition and protocols, and the command in README.txt writes the same bytes again."""
    write(tmp_path / "made", *options)
    read = load_law(law)
    definition = definition_set.read_paths(read, [tmp_path / "made/definition"])
    again = shlex.split((tmp_path / "made/README.txt").read_text("utf-8").splitlines()[-1].strip())
    assert again[:2] == ["skrutinium-server", "made-up"]
    done = CliRunner().invoke(group, [*again[1:-1], str(tmp_path / "again")], catch_exceptions=False)
    assert done.exit_code == 0
    assert _bytes(tmp_path / "again") == _bytes(tmp_path / "made")
    rates = {"refused": 2000, "warnings": 11, "resends": 26, "duplicates": 6, "corrections": 800}
    wanted = {"law": law, "precincts": 24, "seed": 7, "round": round_, "rates": rates, "wishes": {"lots": 1}}
    election = made_up_election(msgspec.convert(wanted, Settings))
    assert definition == election.definition
    received = read_path("csv", tmp_path / "made/night", read, DefinitionIndex(definition))
    corrections = read_corrections(tmp_path / "made/corrections", read, "Court")
    coming = list(election.coming)
    sent = sorted(one.protocol.sequence for one in coming if one.reason is None)
    assert sorted(one.protocol.sequence for one in received) == sent
    assert {one.taken_over.data for one in received} == {
        taken_over(one.protocol, read).data for one in coming if one.reason is None
    }
    assert sorted((due.at, due.reason, due.authority) for due in corrections) == sorted(
        (one.at, one.reason, "Court") for one in coming if one.reason is not None
    )


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_time_and_length_are_kept(tmp_path: Path) -> None:
    """With a start and minutes the stamps of the protocols lie between both ends."""
    write(tmp_path, "--start", "2030-06-01T18:00:00Z", "--minutes", "30")
    read = load_law("cz-municipal-2018")
    definition = definition_set.read_paths(read, [tmp_path / "definition"])
    received = read_path("csv", tmp_path / "night", read, DefinitionIndex(definition))
    stamps = [one.established for one in received]
    start = datetime.datetime(2030, 6, 1, 18, tzinfo=datetime.UTC)
    assert (min(stamps), max(stamps)) == (start, start + datetime.timedelta(minutes=30))


def test_other_folders_are_refused(tmp_path: Path) -> None:
    """Nothing is written into a folder that holds something, and a folder of corrections needs reasons."""
    write(tmp_path / "made")
    done = CliRunner().invoke(group, ["made-up", str(tmp_path / "made")])
    assert isinstance(done.exception, FolderError)
    assert "not empty; expected a new folder" in str(done.exception)
    law = load_law("cz-municipal-2018")
    with pytest.raises(FolderError, match="holds no corrections; expected folders"):
        read_corrections(tmp_path / "made/definition", law, "Court")
    with pytest.raises(FolderError, match="01 is not called after a reason"):
        read_corrections(tmp_path / "made/night", law, "Court")
