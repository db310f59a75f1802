"""``skrutinium-server rehearse``: a night with clients of every kind, two outages, corrections and crisis mail ends with everybody equal to the ledger."""

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from lxml import etree

from skrutinium_server.commands import group
from skrutinium_server.feed.access import parse_access
from skrutinium_server.process.errors import SiteError
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.errors import RehearsalError
from skrutinium_server.rehearsal.great.comparing import verdict
from skrutinium_server.rehearsal.great.model import (
    MIX,
    Client,
    Held,
    Job,
    Total,
    access_list,
    clients_of,
    regions,
)
from skrutinium_server.rehearsal.great.reading import NAMES, load_rehearsal
from skrutinium_server.rehearsal.great.rehearsing import RUN
from skrutinium_server.rehearsal.great.truth import SERIES, Truth, truth_of
from skrutinium_server.rehearsal.nights import of_settings
from skrutinium_server.rehearsal.scenarios import ScenarioError
from skrutinium_server.release.store.reading import StoreReader
from tests.e2e.at_work import PROGRAM, children_of, command

pytestmark = pytest.mark.timeout(900)

COUNT = 10
NS = "{urn:skrutinium:1}"


class Rehearsed:
    """A small rehearsal that was held, with what it left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = command("rehearse", "small", "--clients", COUNT, "--speed", 300, "--folder", folder)
        self.site = Site(folder / "site")
        self.truth = truth_of(self.site, RUN)
        jobs = [
            msgspec.json.decode(path.read_bytes(), type=Job)
            for path in (folder / "clients").glob("process-*")
        ]
        self.clients = {client.id: client for job in jobs for client in job.clients}

    def held(self, client: Client) -> Held:
        path = self.folder / "clients" / f"{client.id}.json"
        return msgspec.json.decode(path.read_bytes(), type=Held)

    def of_kind(self, kind: str) -> Client:
        return next(client for client in self.clients.values() if client.kind == kind)

    def page(self, name: str) -> etree._Element:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return etree.fromstring((self.folder / "scores" / name).read_bytes(), parser)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """The small rehearsal, held once for all tests here."""
    return Rehearsed(tmp_path_factory.mktemp("rehearsed") / "rehearsal")


def test_everybody_is_equal(rehearsed: Rehearsed) -> None:
    """Ten clients of every kind end with what the ledger says, and it is told of each."""
    assert f"EQUAL: {COUNT} of {COUNT} clients" in rehearsed.said
    assert set(rehearsed.clients) == {f"client-{number:03d}" for number in range(1, COUNT + 1)}
    for client in rehearsed.clients.values():
        assert verdict(client, rehearsed.held(client), rehearsed.truth).differences == ()
        assert f"{client.id} {client.kind.replace('-', ' ')}" in rehearsed.said
    every = rehearsed.held(rehearsed.of_kind("everything"))
    assert len(every.documents) == len(rehearsed.truth.documents) > len(rehearsed.truth.index.precincts)
    assert sum(every.ways.values()) > 1


def test_scenario_was_played(rehearsed: Rehearsed) -> None:
    """Scorecards and closing report tell of a correction, two outages and crisis mail, and of everybody who took part."""
    scores, closing = rehearsed.page("scorecards.xml"), rehearsed.page("closing-report.xml")
    assert [one.get("what") for one in scores.iter(f"{NS}trouble")] == ["second-site-only", "outage"]
    assert (closing.get("reported"), closing.get("state")) == (closing.get("expected"), "complete")
    assert int(closing.get("corrections", "")) >= 2
    took_part = {
        one.get("subscriber") for one in closing.iter(f"{NS}participant") if one.get("took-part") == "true"
    }
    assert set(rehearsed.clients) <= took_part
    steps = [line for line in rehearsed.said.splitlines() if "(step " in line]
    assert len(steps) == len(load_rehearsal("small").steps)
    for name in ("index.html", "closing-report.html", "cards/client-001.html"):
        assert (rehearsed.folder / "scores" / name).stat().st_size > 1000


def test_truth_is_the_published(rehearsed: Rehearsed) -> None:
    """What is made again from the ledger alone is, document by document, what was published."""
    reader, key = StoreReader(rehearsed.site.store), rehearsed.site.series_key(RUN, SERIES)
    newest = reader.newest(key)
    assert newest is not None
    assert (newest.number, newest.sha256) == (
        rehearsed.truth.release,
        rehearsed.truth.manifests[rehearsed.truth.release],
    )
    snapshot = reader.snapshot(key, newest.number)
    assert {path: row.sha256 for path, row in snapshot.items()} == rehearsed.truth.documents


@pytest.mark.parametrize("kind", sorted(set(MIX)))
def test_whatever_differs_is_told(rehearsed: Rehearsed, kind: str) -> None:
    """Another byte, a lacking or a strange document, another total, another release: each is found, for every kind of client."""
    client = rehearsed.of_kind(kind)
    held, truth = rehearsed.held(client), rehearsed.truth
    path = max(held.documents)
    lacking = {name: told for name, told in held.documents.items() if name != path}
    totals = {
        name: msgspec.structs.replace(one, reported=one.reported - 1) for name, one in held.totals.items()
    }
    for changed, words in (
        ({"documents": held.documents | {path: "0" * 64}}, f"has otherwise: {path}"),
        ({"documents": lacking}, f"lacks {path}"),
        ({"documents": held.documents | {"precinct/of-elsewhere.xml": "0" * 64}}, "has too much:"),
        ({"totals": totals}, "the protocols add up to"),
        ({"release": held.release - 1}, "ended with release"),
        ({"manifest": "0" * 64}, "is not the one that the ledger gives"),
    ):
        found = verdict(client, msgspec.structs.replace(held, **changed), truth)
        assert not found.equal
        assert any(words in one for one in found.differences), (changed, found.differences)
    assert verdict(client, None, truth, "gave up").differences == ("gave up",)


def test_truth_needs_every_protocol(rehearsed: Rehearsed) -> None:
    """Totals are sums of the protocols: without one of them a client that has all is not equal any more."""
    client = rehearsed.of_kind("everything")
    protocols = dict(rehearsed.truth.protocols)
    protocols.pop(next(iter(protocols)))
    fewer: Truth = msgspec.structs.replace(rehearsed.truth, protocols=protocols)
    [told] = verdict(client, rehearsed.held(client), fewer).differences
    assert "the protocols add up to" in told


def test_folder_in_use(rehearsed: Rehearsed) -> None:
    """A folder that holds something is refused, and what is in it stays."""
    with pytest.raises(SiteError, match="is not empty"):
        CliRunner().invoke(
            group, ["rehearse", "small", "--folder", str(rehearsed.folder)], catch_exceptions=False
        )
    assert (rehearsed.folder / "scores" / "index.html").exists()


def test_no_such_scenario() -> None:
    """A scenario that is not there is told with those that are."""
    with pytest.raises(ScenarioError, match=r"there is no such scenario; expected .*clock-skew"):
        CliRunner().invoke(group, ["rehearse", "no-such.toml"], catch_exceptions=False)


FAILING = """
title = "A step that cannot be done"
what = "What was not held back is to come late."

[night]
precincts = 8
minutes = 1

[[step]]
at = "50%"
do = "bring-late"
"""


def test_step_that_cannot_be_done(tmp_path: Path) -> None:
    """A step of the scenario that fails ends the rehearsal with what is wrong, in one message."""
    scenario = tmp_path / "failing.toml"
    scenario.write_text(FAILING, "utf-8")
    said = command("rehearse", scenario, "--clients", 1, code=1)
    assert "error [stage]: No protocol was held back" in said
    assert "Traceback" not in said


def test_ctrl_c(tmp_path: Path) -> None:
    """Ctrl-C ends it with 130, and leaves no process and no file."""
    process = subprocess.Popen(
        [*PROGRAM, "rehearse", "small", "--clients", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    try:
        said = ""
        while "second-site" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        children = children_of(process.pid)
        assert children
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said + rest
    assert rest.endswith("Stopped.\n")
    assert "Traceback" not in rest
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ who takes part
def test_clients() -> None:
    """Fifty clients have fifty addresses, each is a subscriber of its own, and regions are shared out."""
    definition = of_settings(load_rehearsal("small").night).definition
    clients = clients_of(50, definition, Path("/boxes"))
    assert len({one.address for one in clients}) == len({one.id for one in clients}) == 50
    assert Counter(one.kind for one in clients) == {
        "everything": 5,
        "region": 20,
        "summary": 20,
        "every-way": 5,
    }
    assert {one.area for one in clients if one.kind == "region"} <= set(regions(definition))
    assert len({one.area for one in clients if one.kind == "region"}) == min(20, len(regions(definition)))
    assert {one.told for one in clients if one.kind == "summary"} == {True, False}
    access = parse_access(Path("access.toml"), access_list(clients).encode())
    for one in clients:
        grant = access.find(one.address)
        assert grant is not None
        assert grant.subscriber == one.id
    stage = access.find("127.0.0.1")
    assert stage is not None
    assert stage.subscriber == "stage"
    for count in (0, 251):
        with pytest.raises(RehearsalError):
            clients_of(count, definition, Path("/boxes"))


@pytest.mark.parametrize("name", NAMES)
def test_rehearsals_of_the_program(name: str) -> None:
    """Both come with the program: two outages, a correction, crisis mail, and everything is well in the end."""
    steps = [step.do for step in load_rehearsal(name).steps]
    assert {"correct", "second_site_only", "outage", "mail_begin", "mail_end"} <= set(steps)
    assert steps.count("restore") == 2
    assert Total(1) != Total(1, 0), "what is not told is not nothing"
