"""Ctrl-C at any moment of the start ends ``serve`` well, and nothing of it stays behind."""

import signal
from pathlib import Path

import pytest

from tests.e2e.at_work import begun, children_of
from tests.e2e.made_up import made_up_site

MOMENTS = ("Counting", "The feed listens", "Stop with Ctrl-C")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site without a run."""
    return made_up_site(tmp_path_factory.mktemp("stopped"))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_while_it_starts(site: Path, moment: str, number: signal.Signals) -> None:
    """Told to stop right after any of its lines, it ends with 0 and takes its processes with it."""
    process, said = begun("serve", site, "--port", 0, until=moment)
    children = children_of(process.pid)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, "".join(said) + rest
    assert "Traceback" not in rest
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
