"""``store check``: whatever is broken in a store is named, and a recount finds what was signed but never counted."""

import hashlib
import random
import re
import shutil
from pathlib import Path

import pytest

from skrutinium_server.ledger.model import Accepted
from skrutinium_server.ledger.sqlite import SqliteReader
from tests.e2e.at_work import command
from tests.e2e.forging import Forger
from tests.e2e.made_up import PROTOCOLS, made_up_site, protocols_folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with three releases of a run in both series."""
    folder = tmp_path_factory.mktemp("checked")
    site = made_up_site(folder)
    command("run", "open", site, "night", "--phase", "test")
    half = len(PROTOCOLS) // 2
    for name, part in (("first", PROTOCOLS[:half]), ("second", PROTOCOLS[half:])):
        command(
            "protocols", "import", site, "night", protocols_folder(folder / name, part), "--format", "csv"
        )
        command("release", "cut", site, "night")
    command("archive", "make", site, "night")
    command("notice", "incident", site, "A line is slow.")
    return site


@pytest.fixture
def site(published: Path, tmp_path: Path) -> Path:
    """A copy of the site to break things in."""
    shutil.copytree(published, tmp_path / "site", ignore=shutil.ignore_patterns("count.sock"))
    return tmp_path / "site"


def files(site: Path, pattern: str) -> list[Path]:
    """Files of the store, sorted."""
    return sorted(path for path in (site / "store").glob(pattern) if path.is_file())


def published_files(site: Path, pattern: str) -> list[Path]:
    """The same; of objects those that a manifest names: the documents of an edition of registers that was replaced are not asked for."""
    named = "".join(path.read_text() for path in files(site, "event/*/*/*/manifest/*.xml"))
    return [
        path
        for path in files(site, pattern)
        if not pattern.startswith("objects/") or path.name.removesuffix(".gz") in named
    ]


def test_whole_store_is_whole(published: Path) -> None:
    """Nothing is found in what was published, by looking and by counting again, and what was looked at is told."""
    said = command("store", "check", published, "--recount")
    assert "WHOLE" in said
    counted = {
        what: int(number.replace(",", ""))
        for what, number in re.findall(r"│ ([a-z ]+?) +│ +([\d,]+) │", said)
    }
    assert counted["releases"] == counted["packs"] == counted["releases made again"] >= 6
    assert counted["documents"] > 100
    assert (counted["notices"], counted["registers"], counted["archives"]) == (1, 1, 2)
    assert counted["entries of ledgers"] > len(PROTOCOLS)


@pytest.mark.parametrize(
    "pattern",
    [
        "state.xml",
        "keys/*.pem",
        "objects/*/*/*.gz",
        "event/*/*/*/newest",
        "event/*/*/*/heartbeat.xml",
        "event/*/*/*/manifest/*.xml",
        "event/*/*/*/manifest/*.sig",
        "event/*/*/*/pack/*.gz",
        "event/*/*/*/checkpoint/*.gz",
        "event/*/*/*/checkpoint/*.sig",
        "event/*/*/archive/*.zip",
        "event/*/registers/*.xml",
        "event/*/registers/*.sig",
        "event/*/registers/newest",
        "notices.xml",
    ],
)
def test_changed_byte_is_found(site: Path, pattern: str) -> None:
    """One changed byte in any file of the store is found, and the exit code says so."""
    chance = random.Random(pattern)
    path = chance.choice(published_files(site, pattern))
    data = bytearray(path.read_bytes())
    # The header of gzip (time, system) and the line ends of a key say nothing of what is inside.
    place = chance.randrange(len(data) // 3, len(data) * 2 // 3)
    data[place] ^= 1
    path.write_bytes(data)
    said = command("store", "check", site, code=1)
    assert "BROKEN" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "pattern", ["objects/*/*/*.gz", "event/*/*/*/manifest/*.xml", "event/*/*/*/pack/*.gz", "keys/*.pem"]
)
def test_missing_file_is_found(site: Path, pattern: str) -> None:
    """A file that is gone is missed."""
    random.Random(1).choice(published_files(site, pattern)).unlink()
    assert "BROKEN" in command("store", "check", site, code=1)


def test_missing_protocol_is_found(site: Path) -> None:
    """The bytes taken over of any protocol are missed, although no manifest names them."""
    kept = files(site, "objects/*/*/*.gz")
    own = {hashlib.sha256(data).hexdigest() for data in taken_over(site)}
    protocols = [path for path in kept if path.name.removesuffix(".gz") in own]
    assert len(protocols) == len(PROTOCOLS)
    random.Random(2).choice(protocols).unlink()
    said = command("store", "check", site, code=1)
    assert "BROKEN" in said
    assert "batch/" in said


def taken_over(site: Path) -> list[bytes]:
    """The bytes of all protocols, as the ledger keeps them."""
    with SqliteReader(site / "runs" / "night" / "ledger.sqlite") as reader:
        return [data for entry, data in reader.records() if isinstance(entry.body, Accepted)]


def test_votes_that_were_never_counted_are_found_by_a_recount(site: Path) -> None:
    """Who holds the key can sign false totals; only counting the ledger again finds them."""
    forger = Forger(site / "store", site / "keys")
    path = next(path for path in forger.rows(forger.newest) if path.startswith("contest/"))
    document = forger.document(forger.newest, path)
    votes = re.search(rb' votes="(\d+)"', document)
    assert votes
    forged = document[: votes.start(1)] + str(int(votes[1]) + 1).encode() + document[votes.end(1) :]
    forger.exchange({(forger.newest, path): forged})
    assert "WHOLE" in command("store", "check", site)
    said = command("store", "check", site, "--recount", code=1)
    assert f"release {forger.newest} of" in said
    assert path in said


def test_another_sites_store_is_not_trusted(site: Path, tmp_path: Path) -> None:
    """A store that was signed with another key is broken for this site, however whole it is."""
    command("site", "create", tmp_path / "other")
    shutil.rmtree(site / "keys")
    shutil.copytree(tmp_path / "other" / "keys", site / "keys")
    assert "not trusted" in command("store", "check", site, code=1)
