"""Several events in one site, by the real commands: both rounds of an election to the Senate, and a by-election beside others."""

import contextlib
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from skrutinium_server.election.canonical import canonical, in_order
from skrutinium_server.election.formats import csv_set
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.formats.csv_set import write_set
from skrutinium_server.intake.model import Protocol
from skrutinium_server.rehearsal.made_up import (
    SMALL,
    made_up_definition,
    made_up_protocols,
    made_up_second_round,
)
from tests.e2e.at_work import command, skrutinium_command, started
from tests.e2e.forging import Forger
from tests.e2e.made_up import LENGTH, START

pytestmark = pytest.mark.timeout(900)

SENATE = "cz-senate-2018"
SEED = 11
"""By it one is elected at once and two seats need a second round, without a lot."""
FIRST = made_up_definition(SEED, SMALL, SENATE)
SECOND = made_up_second_round(FIRST, SEED)
DAY = "20300401"


def bring(site: Path, event: Definition, folder: Path) -> None:
    """Import a definition, open a run of it named as the event, count the whole night and publish it."""
    law = load_law(event.law)
    if event.first_round is None:
        csv_set.write_folder(event, folder / "definition")
        command("definition", "import", site, "--law", law.id, "--format", "csv", folder / "definition")
    command("run", "open", site, event.event, "--phase", "rehearsal", "--event", event.event)
    night = list(made_up_protocols(event, SEED, START, LENGTH, 0))
    command("protocols", "import", site, event.event, "--format", "csv", protocols(folder, night, law.id))
    command("release", "cut", site, event.event)


def protocols(folder: Path, night: list[Protocol], law: str) -> Path:
    target = folder / "protocols"
    target.mkdir(parents=True)
    for name, data in write_set(night, load_law(law)).items():
        (target / name).write_bytes(data)
    return target


@contextlib.contextmanager
def fed(site: Path) -> Iterator[str]:
    """The feed alone on a free port; its address."""
    with started("feed", site, "--port", 0, until="The feed listens at") as (_, line):
        yield line.split()[-1].rstrip("/")


def read(address: str) -> etree._Element:
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        data = answer.read()
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with both rounds counted and published, the second one's definition made by the command."""
    folder = tmp_path_factory.mktemp("rounds")
    root = folder / "site"
    command("site", "create", root)
    bring(root, FIRST, folder / "first")
    said = command("definition", "second-round", root, FIRST.event, "--date", SECOND.date)
    assert f"event {SECOND.event}" in said
    assert f"date of voting {SECOND.date}" in said
    bring(root, SECOND, folder / "second")
    return root


def test_definition_made_from_the_ledger(site: Path) -> None:
    """The command makes, from the ledger of the first round, the very definition that its protocols lead to."""
    stored = site / "definition" / SECOND.event / "0001.json"
    assert stored.read_bytes() == canonical(SECOND)
    again = ("definition", "second-round", site, FIRST.event, "--date", SECOND.date)
    assert "Definition 1 of" in command(*again)


def test_other_id_and_refusals(site: Path, tmp_path: Path) -> None:
    """Another id is taken; a date that is not later, a decision nobody can read and a round that is not complete are refused."""
    order = ("definition", "second-round", site, FIRST.event, "--date")
    assert "definition" in command(*order, FIRST.date, code=1)
    assert "CONTEST=N" in command(*order, SECOND.date, "--decided", "4:1", code=2)
    assert "decided twice" in command(*order, SECOND.date, "--decided", "4=1", "--decided", "4=2", code=2)
    assert "first-round-contest" in command(*order, SECOND.date, "--decided", "999=1", code=1)
    assert "There is no run" in command(
        "definition", "second-round", site, "x", "--date", SECOND.date, code=1
    )
    assert not (site / "definition" / "other").exists()
    contest = SECOND.contests[0].id
    said = command(*order, SECOND.date, "--event", "other", "--decided", f"{contest}=1")
    assert "event other" in said
    assert f"{len(SECOND.contests) - 1} contests" in said

    root = tmp_path / "site"
    command("site", "create", root)
    csv_set.write_folder(FIRST, tmp_path / "definition")
    command("definition", "import", root, "--law", SENATE, "--format", "csv", tmp_path / "definition")
    command("run", "open", root, "early", "--phase", "test")
    assert "first-round-open" in command(
        "definition", "second-round", root, "early", "--date", SECOND.date, code=1
    )


def test_addresses_of_both_rounds(site: Path) -> None:
    """Under the first round's day everything is read: all results of the newest round, batches by round, in both shapes."""
    at_once = {row.contest for row in SECOND.first_round.contests} - {row.id for row in SECOND.contests}  # type: ignore[union-attr]
    with fed(site) as address:
        files, asked = f"{address}/appdata/senat/{DAY}/odata", f"{address}/pls/senat"
        for whole in (
            f"{files}/vysledky.xml",
            f"{asked}/vysledky?datum_voleb={DAY}",
            f"{asked}/vysledky?DATUMVOLEB=&KOLO=2",
            f"{address}/pls/se2030/vysledky",
        ):
            root = read(whole)
            rounds = {
                str(row.get("CISLO")): [turnout.get("KOLO") for turnout in row.iter("{*}UCAST")]
                for row in root.iter("{*}OBVOD")
            }
            assert rounds == {row.id: ["1"] if row.id in at_once else ["1", "2"] for row in FIRST.contests}
            assert sum(row.get("ZVOLEN_1KOLO") == "ZVOLEN" for row in root.iter("{*}KANDIDAT")) == len(
                at_once
            )
        assert {row.get("KOLO") for row in read(f"{asked}/vysledky?kolo=1").iter("{*}UCAST")} == {"1"}
        for kolo in ("1", "2"):
            (head,) = read(f"{asked}/vysledky_okrsky?davka=1&kolo={kolo}&datum_voleb={DAY}").iter("{*}DAVKA")
            assert head.get("KOLO") == kolo
        assert read(f"{files}/okrsky/vysledky_okrsky.xml")[0].get("KOLO") == "2"
        for contest in FIRST.contests:
            places = read(f"{files}/obvody/vysledky_obce_obvod_{contest.id}.xml")
            assert places[0].get("CISLO") == contest.id
            told = [row.get("KOLO") for row in places[0].iter("{*}UCAST")]
            assert told == (["1"] if contest.id in at_once else ["1", "2"])


@pytest.mark.parametrize("event", [FIRST, SECOND], ids=["first", "second"])
def test_both_rounds_agree(site: Path, event: Definition) -> None:
    """Both rounds verify: in both series every number is what the protocols add up to."""
    said = skrutinium_command("verify", site / "store", "--event", event.event)
    assert "AGREEMENT" in said
    assert "volby" in said


@pytest.mark.parametrize(
    ("path", "mark", "what"),
    [
        ("vysledky.xml", r' HLASY_2KOLO="(\d+)"', "HLASY_2KOLO"),
        ("vysledky.xml", r' HLASY_1KOLO="(\d+)"', "HLASY_1KOLO"),
        ("vysledky.xml", r'<UCAST KOLO="2"[^>]* VYDANE_OBALKY="(\d+)"', "VYDANE_OBALKY"),
        ("obvody/vysledky_obce_obvod_1.xml", r'<OBEC .*?HLASY_2KOLO="(\d+)"', "HLASY_2KOLO"),
        ("okrsky/vysledky_okrsky_00001.xml", r'<HLASY_OKRSEK PORADOVE_CISLO="\d+" HLASY="(\d+)"', "HLASY"),
    ],
    ids=["second round", "first round", "turnout", "municipality", "record"],
)
def test_one_number_of_the_senate(site: Path, tmp_path: Path, path: str, mark: str, what: str) -> None:
    """One vote or envelope more in a document of the second round, all signed anew, is named with both values."""
    store = tmp_path / "store"
    shutil.copytree(site / "store", store)
    forger = Forger(store, site / "keys", "volby")
    forger.series = store / "event" / SECOND.event / SECOND.event / "volby"
    forger.newest = int((forger.series / "newest").read_text().split()[0])
    text = forger.document(forger.newest, path).decode()
    place = re.search(mark, text, re.DOTALL)
    assert place
    value = int(place[1])
    data = f"{text[: place.start(1)]}{value + 1}{text[place.end(1) :]}".encode()
    forger.exchange({(forger.newest, path): data})

    said = skrutinium_command("verify", store, "--event", SECOND.event, code=1)
    told = [line for line in said.splitlines() if line.endswith("]")]
    assert told
    assert all(f"volby release {forger.newest}, {path}: " in line for line in told)
    assert any(f"{what}: published {value + 1}, recomputed {value}" in line for line in told)


# ----------------------------------------------------------------- by-election
def by_election(of: Definition) -> Definition:
    """One council of a made-up election, which votes again on a day of its own."""
    contest = of.contests[0]
    polls = tuple(row for row in of.polls if row.contest == contest.id)
    precincts = {row.precinct for row in polls}
    assert of.date is not None
    return in_order(
        msgspec.structs.replace(
            of,
            event="doplnovaci",
            name="Vymyšlené doplňovací volby",
            date=of.date.replace(year=of.date.year + 1, month=3, day=14),
            contests=(contest,),
            districts=tuple(row for row in of.districts if row.contest == contest.id),
            polls=polls,
            precincts=tuple(row for row in of.precincts if row.id in precincts),
            lists=tuple(row for row in of.lists if row.contest == contest.id),
            candidates=tuple(row for row in of.candidates if row.contest == contest.id),
        )
    )


@pytest.fixture(scope="module")
def by_elections(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Definition, Definition]]:
    """A served site with a general election and a by-election of one council a year later."""
    folder = tmp_path_factory.mktemp("by-election")
    root = folder / "site"
    command("site", "create", root)
    general = msgspec.structs.replace(made_up_definition(SEED, SMALL), event="kv2030")
    again = by_election(general)
    bring(root, general, folder / "general")
    bring(root, again, folder / "again")
    with fed(root) as address:
        yield address, general, again


def test_by_election_is_read_by_its_day(by_elections: tuple[str, Definition, Definition]) -> None:
    """Without a day the general election answers, with its own day the by-election does, in both formats."""
    address, general, again = by_elections
    council = again.contests[0].id
    day = str(again.date).replace("-", "")

    def councils(path: str) -> int:
        root = read(f"{address}{path}")
        return sum(int(row.get("ZASTUPITELSTVA_CELKEM", "")) for row in root.iter("{*}ZASTUPIT_INFO"))

    assert councils("/pls/kv2030/vysledky") == len(general.contests)
    assert councils("/pls/kvmedia/vysledky?datumvoleb=") == len(general.contests)
    assert councils(f"/pls/kv2030/vysledky?datumvoleb={day}") == 1
    assert councils(f"/pls/kvmedia/vysledky?datumvoleb={day}") == 1
    assert councils(f"/appdata/kv2030/{day}/odata/vysledky.xml") == 1
    assert councils(f"/appdata/kv2031/{day}/odata/vysledky.xml") == 1
    (own,) = read(f"{address}/pls/kv2030/vysledky_obec?datumvoleb={day}&cislo_obce={council}")
    assert own.get("JE_SPOCTENO") == "true"
    (head,) = read(f"{address}/pls/kv2030/vysledky_okrsky?datumvoleb={day}&davka=1").iter("{*}DAVKA")
    assert head.get("DATUMVOLEB") == day
    other = next(row.id for row in general.contests if row.id != council)
    (missing,) = read(f"{address}/pls/kv2030/vysledky_obec?datumvoleb={day}&cislo_obce={other}")
    assert missing.get("KOD_CHYBY") == "30"

    with urllib.request.urlopen(f"{address}/event/doplnovaci/newest/event.xml", timeout=20) as answer:
        root = etree.fromstring(answer.read(), etree.XMLParser(resolve_entities=False, no_network=True))
    assert root.get("date") == str(again.date)
    with urllib.request.urlopen(
        f"{address}/event/doplnovaci/newest/contest/{council}.xml", timeout=20
    ) as answer:
        assert b'event="doplnovaci"' in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/event/doplnovaci/newest/contest/{other}.xml", timeout=20)
