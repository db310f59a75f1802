"""The great rehearsal: a whole country with fifty newsrooms, two outages, corrections and crisis mail; everybody ends equal to the ledger."""

import resource
import time
from pathlib import Path

import pytest
from lxml import etree

from tests.soak.working import Program

NS = "{urn:skrutinium:1}"
CLIENTS = 50


@pytest.mark.soak
@pytest.mark.blocking("waits for a process and looks at its files")
@pytest.mark.timeout(5400)
def test_great_rehearsal(tmp_path: Path) -> None:
    """15,000 precincts, 50 clients of the SDK: exit code 0, nobody missed a release, both outages and the mail are on the cards."""
    folder, began = tmp_path / "dress", time.monotonic()
    program = Program(tmp_path / "said", "rehearse", "great", "--clients", CLIENTS, "--folder", folder)
    try:
        code = program.process.wait()
    finally:
        program.process.kill()
        program.process.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(program.said)
    print(f"{time.monotonic() - began:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time")
    assert code == 0, (program.said, (folder / "log").read_text("utf-8", "replace")[-5000:])
    assert f"EQUAL: {CLIENTS} of {CLIENTS} clients" in program.said
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    scores = etree.fromstring((folder / "scores" / "scorecards.xml").read_bytes(), parser)
    assert [one.get("what") for one in scores.iter(f"{NS}trouble")] == ["second-site-only", "outage"]
    cards = [one for one in scores.iter(f"{NS}scorecard") if one.get("subscriber", "").startswith("client-")]
    assert len(cards) == CLIENTS
    assert all(one.find(f"{NS}releases").get("missed") == "0" for one in cards)  # type: ignore[union-attr]
    read = [one for one in cards if one.find(f"{NS}mail").get("outcome") == "yes"]  # type: ignore[union-attr]
    assert len(read) == CLIENTS // 10, "those with a mailbox read the crisis mail"
