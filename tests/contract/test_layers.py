"""The import contracts of the repository bite: each forbidden import, put into an empty copy of the stages, is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = (
    "skrutinium/__init__",
    *(
        f"skrutinium/{name}/__init__"
        for name in (
            "commands",
            "documents",
            "examining",
            "following",
            "mirroring",
            "replaying",
            "sinks",
            "sources",
            "tables",
            "testing",
            "trust",
            "verifying",
            "watching",
        )
    ),
    "skrutinium/errors",
    "skrutinium/following/release",
    "skrutinium/sync",
    "skrutinium/tables/changes",
    "skrutinium/version",
    "skrutinium/waiting",
    "skrutinium/testing/mail",
    "skrutinium/testing/site",
    *(
        f"skrutinium_server/{name}"
        for name in (
            "__init__",
            "durable",
            "xml_parsing",
            "election/__init__",
            "election/model",
            "authority/__init__",
            "intake/__init__",
            "intake/rules",
            "ledger/__init__",
            "tally/__init__",
            "tally/seats",
            "release/__init__",
            "release/publisher",
            "release/store/__init__",
            "release/store/reading",
            "release/formats/__init__",
            "feed/__init__",
            "feed/pages",
            "crisis/__init__",
            "crisis/reading",
            "archive/__init__",
            "archive/pages",
            "rehearsal/__init__",
            "console/__init__",
            "process/__init__",
            "commands/__init__",
        )
    ),
)

ALLOWED = {
    "skrutinium/commands/__init__": "import skrutinium.sync, skrutinium.sinks, skrutinium.verifying",
    "skrutinium/following/release": "import skrutinium.tables.changes",
    "skrutinium/testing/mail": "import skrutinium_server.crisis.reading",
    "skrutinium/testing/site": "import skrutinium_server.process",
    "skrutinium_server/feed/pages": "import skrutinium_server.release.store.reading",
    "skrutinium_server/archive/pages": "import skrutinium_server.release.store.reading, skrutinium_server.xml_parsing",
    "skrutinium_server/crisis/reading": "import skrutinium_server.release.store.reading, skrutinium_server.xml_parsing",
    "skrutinium_server/rehearsal/__init__": "import skrutinium",
    "skrutinium_server/commands/__init__": "import skrutinium, skrutinium_server.feed.pages, asyncio",
    "skrutinium_server/tally/seats": "import skrutinium_server.election.model, fractions",
    "skrutinium_server/ledger/__init__": "import sqlite3, time",
}

FORBIDDEN = {
    "leftwards": ("election/__init__", "import skrutinium_server.tally", "stages to its left"),
    "feed past the store": (
        "feed/pages",
        "import skrutinium_server.release.publisher",
        "of release only its store",
    ),
    "archive past the store": (
        "archive/pages",
        "import skrutinium_server.release.publisher",
        "the archive uses of release only its store",
    ),
    "crisis past the store": (
        "crisis/reading",
        "import skrutinium_server.release.publisher",
        "the crisis mail uses of release only its store",
    ),
    "crisis at persons": (
        "crisis/reading",
        "import skrutinium_server.authority",
        "the crisis mail reaches no vote and no person",
    ),
    "authority at votes": ("authority/__init__", "import skrutinium_server.ledger", "stages to its left"),
    "feed at the ledger": ("feed/pages", "import skrutinium_server.ledger", "the feed reaches no vote"),
    "store at the tally": (
        "release/store/reading",
        "import skrutinium_server.tally",
        "the feed reaches no vote",
    ),
    "clock in the tally": ("tally/seats", "import time", "the core is pure"),
    "files in the rules": ("intake/rules", "import os", "the core is pure"),
    "loop in a format": ("release/formats/__init__", "import asyncio", "the core is pure"),
    "process on the SDK": ("process/__init__", "import skrutinium", "only rehearsal and the command line"),
    "unplaced stage": ("extras/__init__", "", "stages to its left"),
}


def lint(folder: Path, repository: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Check a copy of the stages in which only the given files say anything."""
    for name in (*MODULES, *files):
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(files.get(name, ""))
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--config", repository / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_allowed_imports_pass(tmp_path: Path, repository: Path) -> None:
    """What the design allows breaks no contract."""
    outcome = lint(tmp_path, repository, ALLOWED)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(("module", "source", "contract"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_forbidden_import_breaks_its_contract(
    module: str, source: str, contract: str, tmp_path: Path, repository: Path
) -> None:
    """One forbidden import breaks the contract that forbids it, beside all that is allowed."""
    name = f"skrutinium_server/{module}"
    outcome = lint(tmp_path, repository, {**ALLOWED, name: f"{ALLOWED.get(name, '')}\n{source}\n"})
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    broken = [line for line in outcome.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), outcome.stdout


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("documents/__init__", "import skrutinium.sources"),
        ("verifying/__init__", "import skrutinium.following"),
        ("following/release", "import skrutinium.tables.changes, skrutinium.sinks"),
        ("extras/__init__", ""),
    ],
)
def test_room_of_the_sdk_above_its_own_is_named(
    module: str, source: str, tmp_path: Path, repository: Path
) -> None:
    """A room of the SDK that imports one above it or beside it, or has no place, breaks the contract."""
    outcome = lint(tmp_path, repository, {**ALLOWED, f"skrutinium/{module}": source})
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "a room of the SDK imports only rooms below it BROKEN" in outcome.stdout


@pytest.mark.parametrize("module", ["skrutinium/__init__", "skrutinium/testing/__init__"])
def test_sdk_that_imports_the_server_is_named(module: str, tmp_path: Path, repository: Path) -> None:
    """Of the SDK only one module imports the server."""
    outcome = lint(tmp_path, repository, {**ALLOWED, module: "import skrutinium_server.election\n"})
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "of the SDK only what stages nights for tests imports the server BROKEN" in outcome.stdout
