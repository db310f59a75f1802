"""A night in progress: a made-up site with a run that has its first half, and a reader who follows it."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import made_up_definition, made_up_protocols, scale_of
from tests.continuity.duty import Duty, served
from tests.e2e.made_up import LENGTH, SEED, START, protocols_folder

RUN = "night"
DEFINITION = made_up_definition(SEED, scale_of(12))
PROTOCOLS = tuple(made_up_protocols(DEFINITION, SEED, START, LENGTH, 0))
HALF = len(PROTOCOLS) // 2
PATIENCE = 240
"""Seconds for a condition to come true; it is only there so that a broken test ends."""


def site_of(root: Path, *, made_up: bool = True) -> Site:
    """A site with a definition and nothing else; it may be one that could run live."""
    site = Site.create(root)
    site.define(msgspec.structs.replace(DEFINITION, made_up=made_up))
    return site


def on_duty(folder: Path) -> Duty:
    """Whoever is on duty at a new site, with all protocols of the night at hand."""
    site = site_of(folder / "site")
    words = {
        "SITE": site.root,
        "BACKUP": folder / "backup",
        "PROTOCOLS": protocols_folder(folder / "all", PROTOCOLS),
        "FINGERPRINT": site.signer().fingerprint,
    }
    return Duty(folder, **words)


def bring(duty: Duty, first: int, last: int) -> None:
    """Bring some protocols, and release them."""
    part = protocols_folder(duty.folder / f"part-{first}-{last}", PROTOCOLS[first:last])
    served(["protocols", "import", duty.words["SITE"], RUN, "--format", "csv", str(part)])
    served(["release", "cut", duty.words["SITE"], RUN])


def begin(duty: Duty, protocols: int = HALF) -> None:
    """Serve the site, open the run, and bring some protocols."""
    duty.begin("serve", ["serve", duty.words["SITE"], "--port", str(duty.port)])
    served(["run", "open", duty.words["SITE"], RUN, "--phase", "rehearsal"])
    bring(duty, 0, protocols)


def counted(duty: Duty, run: str = RUN) -> int:
    """How many polls are reported, as the running counting process says; alarms do not matter."""
    told = json.loads(served(["status", duty.words["SITE"], "--json"], None))
    done, expected = told["protocols"][run]
    assert expected == len(PROTOCOLS)
    return int(done)


class Reader:
    """A newsroom: `skrutinium watch` in a process of its own, which remembers what it saw and refuses what does not fit."""

    def __init__(self, folder: Path, place: str, pin: str) -> None:
        self.log = folder / "reader.jsonl"
        self.said = folder / "reader.err"
        program = Path(sys.executable).with_name("skrutinium")
        self._command: list[str | Path] = [
            *(program, "watch", place, "--json", "--fingerprint", pin),
            *("--state", folder / "reader.state"),
        ]
        self.begin()

    def begin(self) -> None:
        """Follow, from where it was."""
        with self.log.open("ab") as out, self.said.open("ab") as err:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=err)

    def end(self) -> None:
        """End it at once; what it has seen it remembers."""
        self.process.kill()
        self.process.wait()

    def releases(self) -> list[dict[str, object]]:
        """What it has shown so far."""
        lines = self.log.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def until(self, number: int) -> None:
        """Wait until it has shown a release."""

        def shown() -> bool:
            assert self.process.poll() is None, self.said.read_text("utf-8")
            return any(row["release"] == number for row in self.releases())

        until(shown)

    def numbers(self) -> list[int]:
        """The numbers of the releases that it has shown."""
        return [int(str(row["release"])) for row in self.releases()]


@contextlib.contextmanager
def reading(duty: Duty) -> Iterator[Reader]:
    """A reader of the first site for as long as this lasts; it must still follow at the end, and have missed nothing."""
    reader = Reader(duty.folder, f"http://127.0.0.1:{duty.port}", duty.words["FINGERPRINT"])
    try:
        yield reader
        assert reader.process.poll() is None, reader.said.read_text("utf-8")
        numbers = reader.numbers()
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
    finally:
        reader.end()


def newest(site: Path, run: str = RUN) -> int:
    """The number of the newest release in a folder with a store."""
    return int(
        (site / "store" / "event" / DEFINITION.event / run / "skrutinium" / "newest").read_text().split()[0]
    )


def until(holds: Callable[[], bool]) -> None:
    """Wait for what only looking from outside tells."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)
