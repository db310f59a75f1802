"""What the commands print is what was found: brackets of other people's texts are no markup."""

import pytest

from skrutinium_server.commands.store import _show
from skrutinium_server.commands.tally import _table
from skrutinium_server.release.findings import Findings


def test_faults_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """The words of a validator, which has much in brackets, and odd paths stand in the report as they are."""
    findings = Findings()
    what = "Element 'x', attribute 'y': [facet 'pattern'] The value '[/bold]' is not accepted."
    findings.fault("objects/[red]", what)
    _show(findings)
    assert f"objects/[red]: {what}" in capsys.readouterr().out


def test_names_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of contests and lists with brackets stand in the table as they are."""
    row = {"district": "1.1", "contest_name": "Town [east]", "reported": 1, "expected": 2, "outcome": "open"}
    _table(iter([{**row, "list": 1, "name": "[/b] Together [dim]", "votes": 3, "seats": None}]))
    said = capsys.readouterr().out
    assert "Town [east] (1.1): 1 of 2 protocols" in said
    assert "[/b] Together [dim]" in said
