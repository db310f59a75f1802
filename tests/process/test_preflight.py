"""What is looked at before a night: each look alone, on a real site."""

import datetime
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.process.house import House
from skrutinium_server.process.preflight import Finding, preflight
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition

NOW = datetime.datetime(2030, 10, 1, tzinfo=datetime.UTC)
DEFINITION = made_up_definition(3, SMALL)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site.create(tmp_path / "site")
    made.define(DEFINITION)
    return made


def found(site: Site, part: str) -> list[Finding]:
    return [one for one in preflight(site, DEFINITION.event, NOW) if one.part == part]


@pytest.mark.blocking("looks at files beside the counting house")
async def test_definition_that_waits_for_the_next_run_is_told(site: Site) -> None:
    """A definition that is newer than the one of an open run is a warning; the versions are named."""
    house = House(site, cutting=False)
    await house.start()
    assert (await house.answer({"do": "open", "run": "night", "phase": "test"}))["ok"]
    await house.stop()
    assert [one.verdict for one in found(site, "runs")] == ["go"]

    contest = DEFINITION.contests[0]
    longer = msgspec.structs.replace(contest, name=f"{contest.name} (new)")
    site.define(msgspec.structs.replace(DEFINITION, contests=(longer, *DEFINITION.contests[1:])))
    warned, told = found(site, "runs")
    assert (warned.verdict, told.verdict) == ("warn", "go")
    assert "version 1" in warned.text
    assert "version 2" in warned.text
    assert "night" in told.text


def test_clock_is_as_the_kernel_says(site: Site) -> None:
    """Only a clock that adjtimex tells another program to be synchronised is a go; any other is a warning, never a no-go."""
    code = "import ctypes; print(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))"
    state = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = (
        "go" if int(state.stdout) in range(5) else "warn"
    )  # 5 is TIME_ERROR of adjtimex(2), -1 a refusal
    assert [one.verdict for one in found(site, "clock")] == ["go", expected]
