"""Every command of ``skrutinium-server`` as an operator gives it: what it does, what it says, and how it refuses."""

import csv
import io
import json
import re
import shutil
import socket
import stat
import urllib.request
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.e2e.at_work import command, served, skrutinium_command, started
from tests.e2e.made_up import (
    DEFINITION,
    LAW,
    PROTOCOLS,
    definition_folder,
    made_up_site,
    protocols_folder,
)

pytestmark = pytest.mark.timeout(900)
CONTEST = PROTOCOLS[0].contest
ALL = len(PROTOCOLS)


def refused(*arguments: object, code: int = 1) -> str:
    """Run a command that has to be refused: one message in words, no traceback."""
    said = command(*arguments, code=code)
    assert "Traceback" not in said
    if code == 1:
        assert re.search(r"^error \[[a-z-]+\]: ", said, re.MULTILINE), said
    return said


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        body: bytes = answer.read()
        return body


@pytest.fixture(scope="module")
def protocols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All protocols of the night as a CSV set."""
    return protocols_folder(tmp_path_factory.mktemp("protocols"))


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, protocols: Path) -> Path:
    """A site with the run ``night``, all of whose protocols are in and published. Tests only read it, or make copies."""
    site = made_up_site(tmp_path_factory.mktemp("counted"))
    said = command("run", "open", site, "night", "--phase", "rehearsal")
    assert f"Opened run night (rehearsal) of event {DEFINITION.event} with definition 1." in said
    said = command("protocols", "import", site, "night", "--format", "csv", protocols)
    assert f"{ALL} protocols read: {ALL} taken over, 0 known already, 0 refused." in said
    command("release", "cut", site, "night")
    return site


@pytest.fixture
def site(counted: Path, tmp_path: Path) -> Path:
    """A copy of the counted site, to be changed."""
    shutil.copytree(counted, tmp_path / "site")
    return tmp_path / "site"


# ----------------------------------------------------------------- site
def test_site_create(tmp_path: Path) -> None:
    """A site has a key that only its owner reads, whose fingerprint is said; it is not made twice or over other files."""
    said = command("site", "create", tmp_path / "site")

    assert re.search(r"^  ([0-9a-f]{4} ){15}[0-9a-f]{4}$", said, re.MULTILINE)
    (key,) = (tmp_path / "site" / "keys").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert "Name a folder that does not exist yet" in refused("site", "create", tmp_path / "site")
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("definition", "show", "{}"),
        ("run", "list", "{}"),
        ("release", "cut", "{}", "night"),
        ("tally", "{}", "night"),
        ("serve", "{}"),
        ("count", "{}"),
    ],
)
def test_no_site(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A folder that is no site is refused with the command that makes one."""
    told = [one.format(tmp_path) for one in arguments]

    assert f"skrutinium-server site create {tmp_path}" in refused(*told)


def test_not_understood(tmp_path: Path, counted: Path) -> None:
    """What is not understood ends with exit code 2 and says what would be: law, format, phase, path."""
    assert LAW in refused(
        "definition", "import", counted, "--law", "no-law", "--format", "csv", tmp_path, code=2
    )
    assert "volby-registers" in refused(
        "definition", "import", counted, "--law", LAW, "--format", "xls", tmp_path, code=2
    )
    assert "rehearsal" in refused("run", "open", counted, "x", "--phase", "real", code=2)
    missing = tmp_path / "missing"
    assert "does not exist" in refused(
        "protocols", "import", counted, "night", "--format", "csv", missing, code=2
    )
    assert "--speed" in refused("replay", counted, "night", "--format", "csv", "--speed", 0, tmp_path, code=2)


# ----------------------------------------------------------------- definition
def test_definition_travels_as_csv(counted: Path, tmp_path: Path) -> None:
    """Exported and imported into a second site, the definition has the same canonical bytes; once more changes nothing."""
    command("definition", "export", counted, tmp_path / "csv")
    command("site", "create", tmp_path / "second")
    again = ("definition", "import", tmp_path / "second", "--law", LAW, "--format", "csv", tmp_path / "csv")
    assert "Definition 1 of" in command(*again)
    assert "Definition 1 of" in command(*again)

    first, second = (
        (root / "definition" / DEFINITION.event / "0001.json").read_bytes()
        for root in (counted, tmp_path / "second")
    )
    assert first == second
    folder = tmp_path / "second" / "definition" / DEFINITION.event
    assert [path.name for path in sorted(folder.iterdir())] == [
        "0001.json",
        "0001.json.sha256",
    ]
    shown = command("definition", "show", tmp_path / "second")
    assert f"{len(DEFINITION.polls)} protocols expected" in shown
    assert f"{len(DEFINITION.candidates)} candidates" in shown


def test_definition_refused(counted: Path, tmp_path: Path) -> None:
    """Without a definition, with a broken table, with a contradiction: the refusal names the place, nothing is stored."""
    empty = tmp_path / "empty"
    command("site", "create", empty)
    assert "no definition yet" in refused("definition", "show", empty)
    assert "no definition yet" in refused("definition", "export", empty, tmp_path / "out")
    assert "definition import" in refused("run", "open", empty, "night", "--phase", "test")
    tables = definition_folder(tmp_path / "csv")
    contests = tables / "contests.csv"
    good = contests.read_text()
    contests.write_text(good.replace("municipal-council", "council", 1))
    said = refused("definition", "import", empty, "--law", LAW, "--format", "csv", tables)
    assert "contests.csv" in said
    assert "municipal-council" in said
    assert not (empty / "definition").exists() or not list((empty / "definition").iterdir())

    contest = DEFINITION.contests[0]
    contests.write_text(good.replace(contest.name, f"{contest.name} X"))
    said = refused("definition", "import", counted, "--law", LAW, "--format", "csv", tables)
    assert contest.name in said
    kept = counted / "definition" / DEFINITION.event
    assert [path.name for path in kept.glob("*.json")] == ["0001.json"]


# ----------------------------------------------------------------- runs
def test_run_refused(site: Path, tmp_path: Path) -> None:
    """A name that is taken or cannot be one, and a made-up election as live, are refused; nothing is opened."""
    assert "Choose another name" in refused("run", "open", site, "night", "--phase", "test")
    assert "cannot name a run" in refused("run", "open", site, "../night", "--phase", "test")
    by = person(site, tmp_path, "j.novakova")
    assert "cannot be run live" in refused("run", "open", site, "real", "--phase", "live", *by)
    assert [path.name for path in (site / "runs").iterdir()] == ["night"]
    listed = command("run", "list", site)
    assert re.search(r"night\W+madeup2030\W+rehearsal\W+open, current\W+skrutinium", listed), listed


@pytest.mark.parametrize(
    "arguments",
    [
        ("protocols", "import", "{site}", "nobody", "--format", "csv", "{protocols}"),
        ("replay", "{site}", "nobody", "--format", "csv", "{protocols}"),
        ("release", "cut", "{site}", "nobody"),
        ("run", "close", "{site}", "nobody"),
        ("tally", "{site}", "nobody"),
    ],
)
def test_unknown_run(counted: Path, protocols: Path, arguments: tuple[str, ...]) -> None:
    """A run that does not exist is refused with those that do and the command that opens one."""
    said = refused(*(one.format(site=counted, protocols=protocols) for one in arguments))

    assert "There is no run 'nobody' (known: night)" in said
    assert "run open" in said


def test_closed_run(site: Path, protocols: Path) -> None:
    """After closing, nothing more is accepted or published, and the list says so; the published night still agrees."""
    assert "Closed run night." in command("run", "close", site, "night")

    for arguments in (
        ("protocols", "import", site, "night", "--format", "csv", protocols),
        ("release", "cut", site, "night"),
        ("run", "close", site, "night"),
    ):
        assert "is closed" in refused(*arguments)
    assert "closed" in command("run", "list", site)
    assert "AGREEMENT" in skrutinium_command("verify", site / "store")


def person(root: Path, folder: Path, name: str) -> tuple[object, ...]:
    """A person of the site, and how she proves to be herself."""
    (folder / name).write_text(f"slepice v trave spi, {name}\n", "utf-8")
    command("person", "add", root, name, "--role", "operator", "--passphrase-file", folder / name)
    return "--by", name, "--passphrase-file", folder / name


def open_live(root: Path, folder: Path, run: str) -> None:
    """Open a live run as two persons do."""
    first, second = (person(root, folder, name) for name in ("j.novakova", "p.dvorak"))
    said = command("run", "open", root, run, "--phase", "live", *first)
    assert "another person confirms" in said
    assert "another person has to" in refused("run", "confirm", root, run, *first)
    said = command("run", "confirm", root, run, *second)
    assert "by j.novakova and p.dvorak" in said


def test_replay_never_into_live(tmp_path: Path, protocols: Path) -> None:
    """A replay into a live run is refused before anything is brought; an import is what a live run takes."""
    root = tmp_path / "site"
    command("site", "create", root)
    real = definition_folder(tmp_path / "csv", made_up=False)
    command("definition", "import", root, "--law", LAW, "--format", "csv", real)
    open_live(root, tmp_path, "air")

    assert "live run" in refused("replay", root, "air", "--format", "csv", protocols)

    said = command("protocols", "import", root, "air", "--format", "csv", protocols)
    assert f"{ALL} taken over, 0 known already" in said


# ----------------------------------------------------------------- protocols
def test_import_twice(site: Path, protocols: Path) -> None:
    """Bringing the same bytes again changes nothing: all are known already."""
    said = command("protocols", "import", site, "night", "--format", "csv", protocols)

    assert f"{ALL} protocols read: 0 taken over, {ALL} known already, 0 refused." in said


def test_import_refused(tmp_path: Path) -> None:
    """A protocol that breaks a rule is named with the reason and exit code 1; the others are taken over."""
    root = made_up_site(tmp_path)
    command("run", "open", root, "night", "--phase", "test")
    first, second, third = PROTOCOLS[:3]
    stray = msgspec.structs.replace(second, precinct="999999-1")
    wrong = msgspec.structs.replace(
        third, figures={**third.figures, "valid-votes": third.figures["valid-votes"] + 1}
    )
    source = protocols_folder(tmp_path / "protocols", (first, stray, wrong))

    said = refused("protocols", "import", root, "night", "--format", "csv", source)

    assert "3 protocols read: 1 taken over, 0 known already, 2 refused." in said
    reasons = [line for line in said.splitlines() if line.startswith("refused: ")]
    assert len(reasons) == 2
    assert "999999-1" in reasons[0]
    assert third.precinct in reasons[1]

    (source / "votes.csv").write_text("nothing\n")
    said = refused("protocols", "import", root, "night", "--format", "csv", source)
    assert "votes.csv" in said


# ----------------------------------------------------------------- tally
def added() -> Counter[tuple[str, int]]:
    """Votes by district and list, added up here."""
    sums: Counter[tuple[str, int]] = Counter()
    for protocol in PROTOCOLS:
        sums.update({(protocol.district, row.number): row.votes for row in protocol.lists})
    return sums


def test_tally(counted: Path) -> None:
    """JSON and CSV hold the same rows, whose votes are the sums of the protocols and whose seats are those to be had."""
    rows = json.loads(command("tally", counted, "night", "--format", "json"))
    table = list(csv.DictReader(io.StringIO(command("tally", counted, "night", "--format", "csv"))))

    assert {(row["district"], row["list"]): row["votes"] for row in rows} == dict(added())
    assert table == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    seats = {contest.id: contest.seats for contest in DEFINITION.contests}
    decided = [row for row in rows if row["outcome"] == "allocated"]
    given = Counter[str]()
    for row in decided:
        given[row["contest"]] += row["seats"]
    assert len(given) > len(seats) // 2
    assert all(given[contest] == seats[contest] for contest in given)


def test_tally_of_one_contest(counted: Path) -> None:
    """One contest alone, as a table for people; an unknown one is refused."""
    rows = json.loads(command("tally", counted, "night", "--contest", CONTEST, "--format", "json"))
    shown = command("tally", counted, "night", "--contest", CONTEST)

    assert {row["contest"] for row in rows} == {CONTEST}
    assert rows[0]["contest_name"].split()[0] in shown
    for row in rows:
        assert re.search(rf"^\s*{row['list']} .*\b{row['votes']}\b", shown, re.MULTILINE), shown
    assert "no contest 'nothing'" in refused("tally", counted, "night", "--contest", "nothing")


def test_tally_before_anything_is_in(tmp_path: Path) -> None:
    """Before the first protocol votes and seats are empty, not zero."""
    root = made_up_site(tmp_path)
    command("run", "open", root, "night", "--phase", "test")

    rows = json.loads(command("tally", root, "night", "--format", "json"))

    assert len(rows) == len(DEFINITION.lists)
    assert {(row["votes"], row["seats"], row["reported"]) for row in rows} == {(None, None, 0)}


# ----------------------------------------------------------------- releases and processes
def numbers(said: str) -> dict[str, int]:
    return {name: int(number) for number, name in re.findall(r"release (\d+) of the series (\w+)", said)}


def test_cut_with_and_without_serve(site: Path) -> None:
    """Every cut publishes the next release of both series at once, whether the site is being served or not."""
    first = numbers(command("release", "cut", site, "night"))
    with served(site) as url:
        second = numbers(command("release", "cut", site, "night"))
        manifest = fetch(f"{url}/event/{DEFINITION.event}/newest/manifest.xml").decode()
        assert f' release="{second["skrutinium"]}"' in manifest
    third = numbers(command("release", "cut", site, "night"))

    assert set(first) == {"skrutinium", "volby"}
    assert second == {name: number + 1 for name, number in first.items()}
    assert third == {name: number + 2 for name, number in first.items()}


def test_one_counting_process(site: Path) -> None:
    """A second process that wants to count the same site is refused and the first goes on."""
    with started("count", site, until="Stop with Ctrl-C"):
        said = refused("count", site)
        assert "Another process counts this site" in said
        assert numbers(command("release", "cut", site, "night"))


def test_feed_alone(counted: Path, tmp_path: Path) -> None:
    """A mirror with the release store and the access list alone is served; without one of them it is refused."""
    mirror = tmp_path / "mirror"
    shutil.copytree(counted / "store", mirror / "store")
    assert "access.toml" in refused("feed", mirror, "--port", 0)
    shutil.copy(counted / "access.toml", mirror)
    with started("feed", mirror, "--port", 0, until="The feed listens at") as (_, line):
        url = line.split()[-1].rstrip("/")
        assert "AGREEMENT" in skrutinium_command("verify", url)
    assert {path.name for path in mirror.iterdir()} == {"store", "access.toml"}
    shutil.rmtree(mirror / "store")
    assert "store" in refused("feed", mirror, "--port", 0)


def test_count_and_feed_apart(site: Path) -> None:
    """Counting and feed as two commands: what one publishes the other serves, and the feed outlives the counting."""
    with started("feed", site, "--port", 0, until="The feed listens at") as (_, line):
        url = line.split()[-1].rstrip("/")
        with started("count", site, until="Stop with Ctrl-C"):
            number = numbers(command("release", "cut", site, "night"))["skrutinium"]
        seen = skrutinium_command("watch", url, "--once")
        assert f"release {number} " in seen
        assert "AGREEMENT" in skrutinium_command("verify", url)


def test_port_in_use(counted: Path) -> None:
    """A port that somebody else listens on ends the feed with the reason and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = refused("feed", counted, "--port", other.getsockname()[1])

    assert "Choose another host or port" in said


def test_replay_of_a_made_up_night(tmp_path: Path, protocols: Path) -> None:
    """A replay brings everything on the night's own clock; started again it changes nothing."""
    root = made_up_site(tmp_path)
    with served(root) as url:
        command("run", "open", root, "night", "--phase", "rehearsal")
        replay = ("replay", root, "night", "--format", "csv", "--speed", 100_000, protocols)
        assert f"{ALL} protocols brought: {ALL} taken over, 0 known already, 0 refused." in command(*replay)
        assert f"{ALL} protocols brought: 0 taken over, {ALL} known already, 0 refused." in command(*replay)
        assert "AGREEMENT" in skrutinium_command("verify", url)


def test_help() -> None:
    """The help names every command that others script against; the version is told; an unknown command ends with 2."""
    said = command("--help")

    assert set(re.findall(r"^  ([a-z]+)  ", said, re.MULTILINE)) >= {
        *(
            "demo",
            "site",
            "definition",
            "run",
            "protocols",
            "replay",
            "release",
            "serve",
            "count",
            "feed",
            "tally",
        )
    }
    assert re.search(r"\d+\.\d+\.\d+", command("--version"))
    assert "No such command" in refused("nothing", code=2)
