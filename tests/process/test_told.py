"""What people tell commands, and what commands tell people: brackets of other people's texts are no markup."""

import pytest

from skrutinium_server.authority import importing
from skrutinium_server.commands.store import _show
from skrutinium_server.commands.tally import _table
from skrutinium_server.process import request
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.release.findings import Findings


def test_faults_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """The words of a validator, which has much in brackets, and odd paths stand in the report as they are."""
    findings = Findings()
    what = "Element 'x', attribute 'y': [facet 'pattern'] The value '[/bold]' is not accepted."
    findings.fault("objects/[red]", what)
    _show(findings)
    assert f"objects/[red]: {what}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00", "2030-10-05T14:00:00", "noon", ""]
)
def test_moment_that_is_none_is_refused(text: str) -> None:
    """A time without its zone, outside of all years or none at all is refused with what was expected, wherever people tell one."""
    with pytest.raises(ProcessError, match="expected one with its zone"):
        request.moment(text)
    with pytest.raises(ValueError, match="is no time; expected"):
        importing.moment(text)


def test_names_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of contests and lists with brackets stand in the table as they are."""
    row = {"district": "1.1", "contest_name": "Town [east]", "reported": 1, "expected": 2, "outcome": "open"}
    _table(iter([{**row, "list": 1, "name": "[/b] Together [dim]", "votes": 3, "seats": None}]))
    said = capsys.readouterr().out
    assert "Town [east] (1.1): 1 of 2 protocols" in said
    assert "[/b] Together [dim]" in said
