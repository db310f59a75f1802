"""The faces of ``skrutinium.testing`` without ``await``: a plain ``with``, and the fixture for pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

import skrutinium
import skrutinium.sync
import skrutinium.testing.sync
from skrutinium import testing
from tests.sdk.several import IMPATIENT, QUICK

NEWSROOM = """
import skrutinium.sync
import pytest

@pytest.mark.election_night(precincts=8, seed=7)
def test_of_a_newsroom(election_night):
    election_night.report(5)
    with skrutinium.sync.connect(election_night.url, fingerprint=election_night.fingerprint) as feed:
        release = next(feed.releases())
    assert (release.number, release.reported, release.expected) == (2, 5, 8)
"""


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_both_faces_offer_the_same() -> None:
    """What can be said of a night with ``await`` can be said without; opening and closing are the block's."""
    inner = {"open", "close", "lead_to", "begin", "move"}
    assert public(skrutinium.testing.sync.Night) == public(testing.Night) - inner | {"url", "release"}
    assert public(skrutinium.testing.sync.Outlet) == public(testing.Outlet) - inner | {"url"}


def test_night_without_await() -> None:
    """A night in a plain block: it reports, fails at its first address, goes on at the second, and refuses what cannot be."""
    with skrutinium.testing.sync.night(8, seed=7) as night:
        second = night.second_site(told=False)
        told = {"fingerprint": night.fingerprint, "timing": QUICK, "requests": IMPATIENT}
        with skrutinium.sync.connect(night.url, others=[second.url], **told) as feed:  # type: ignore[arg-type]
            releases = feed.releases()
            assert next(releases).number == night.release == 1
            night.outage()
            assert night.report(3) == 2
            release = next(releases)
            assert (release.number, release.reported, release.source) == (2, 3, second.url)
        with pytest.raises(skrutinium.SkrutiniumError, match="3 of 8 protocols are in"):
            night.declare()


def test_fixture_in_a_test_of_a_newsroom(tmp_path: Path) -> None:
    """Named as a plug-in, the fixture gives a test the night that its mark asks for; the mark is known to pytest."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["skrutinium.testing.fixtures"]\n')
    (tmp_path / "test_newsroom.py").write_text(NEWSROOM)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--strict-markers",
            tmp_path,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
