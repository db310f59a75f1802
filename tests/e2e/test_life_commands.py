"""The life of a run by its commands: held, declared, closed, opened again, corrected; notices; preflight."""

import json
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.process.site import Site
from tests.e2e.at_work import command, skrutinium_command
from tests.e2e.made_up import DEFINITION, PROTOCOLS, made_up_site, protocols_folder
from tests.process.test_decisions import changed

pytestmark = pytest.mark.timeout(900)


def test_life_of_a_rehearsal(tmp_path: Path) -> None:
    """A rehearsal goes through everything that a live run may: hold, lift, final, certified, closed, a court's change."""
    site, contest = made_up_site(tmp_path), PROTOCOLS[0].contest
    command("run", "open", site, "night", "--phase", "rehearsal", "--by", "j.novakova")
    said = command("hold", site, "night", contest, "--reason", "Two boxes were mixed up.", "--by", "p.dvorak")
    assert f"Contest {contest} is held, from release 2 on." in said
    source = protocols_folder(tmp_path / "all")
    command("protocols", "import", site, "night", "--format", "csv", source)
    declare = (
        "run",
        "declare",
        site,
        "night",
        "final",
        "--reason",
        "established",
        "--authority",
        "commission",
    )
    assert contest in command(*declare, code=1)
    command("lift", site, "night", contest, "--by", "p.dvorak")
    command(*declare)
    assert "expected certified" in command(*declare, code=1)
    command("run", "declare", site, "night", "certified", "--reason", "signed", "--authority", "commission")
    command("run", "close", site, "night")
    command(
        "run", "reopen", site, "night", "--reason", "A court decided.", "--authority", "Court, 1 A 2/2030"
    )
    correct = ("protocols", "correct", site, "night", "--format", "csv", "--reason", "court-order")
    told = ("--authority", "Court, 1 A 2/2030", "--by", "j.novakova")
    assert "sequence" in command(*correct, *told, source, code=1)
    late = protocols_folder(tmp_path / "late", [changed(PROTOCOLS[0])])
    imported = command("protocols", "import", site, "night", "--format", "csv", late, code=1)
    assert "the results are declared" in imported
    assert "1 protocols corrected" in command(*correct, *told, late)
    command("run", "close", site, "night")
    assert "AGREEMENT" in skrutinium_command("verify", site / "store")


def test_two_events_in_one_site(tmp_path: Path) -> None:
    """Two events lie side by side: which one is meant has to be said, and each has its own current run."""
    root = made_up_site(tmp_path)
    site = Site(root)
    site.define(msgspec.structs.replace(DEFINITION, event="second2030"))
    assert "--event" in command("run", "open", root, "a", "--phase", "test", code=1)
    assert "--event" in command("definition", "show", root, code=1)
    assert "event second2030" in command("definition", "show", root, "--event", "second2030")
    for run, event in (("a", DEFINITION.event), ("b", "second2030"), ("c", "second2030")):
        command("run", "open", root, run, "--phase", "test", "--event", event)
    told = site.told()
    assert {name: run.event for name, run in told.items() if run.current} == {
        "a": DEFINITION.event,
        "c": "second2030",
    }


def test_preflight_says_go_or_no_go(tmp_path: Path) -> None:
    """What is wrong is named by its part, with exit code 1; what is mended is not named any more."""
    site = made_up_site(tmp_path)
    (site / "keys" / "signing.pem").chmod(0o644)
    found = json.loads(command("preflight", site, "--json", code=1))
    assert not found["go"]
    wrong = {row["part"] for row in found["findings"] if row["verdict"] == "no-go"}
    assert {"keys", "persons", "definition"} <= wrong
    (site / "keys" / "signing.pem").chmod(0o600)
    (site / "access.toml").write_text("number = x\n", "utf-8")
    (site / "calendar.toml").write_text("[[entry]]\n", "utf-8")
    found = json.loads(command("preflight", site, "--json", code=1))
    wrong = {row["part"] for row in found["findings"] if row["verdict"] == "no-go"}
    assert {"ranges", "calendar"} <= wrong
    assert "keys" not in wrong
    assert "NO-GO" in command("preflight", site, code=1)


def test_notice_commands(tmp_path: Path) -> None:
    """Readers are told of incidents, plans and the second site; what cannot be is refused in words."""
    site = made_up_site(tmp_path)
    command("notice", "incident", site, "The line is slow.", "--id", "slow")
    command("notice", "planned", site, "2100-01-01T00:00:00Z", "Other addresses")
    command("notice", "second-site", site, "https://b.example", "0a1b" * 16)
    command("notice", "end", site)
    assert "error [notice]" in command("notice", "end", site, code=1)
    assert "error [notice]" in command("notice", "planned", site, "2001-01-01", "x", code=1)
    assert b"slow" in (site / "store" / "notices.xml").read_bytes()
