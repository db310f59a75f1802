"""How fast a newsroom reads documents, and how much memory it needs: small ones by the thousand, and one of 10 MB.

The yardstick is lxml, parsing and validating the same bytes into a tree. Memory is the most that a process of its own held beyond
what it held before (VmHWM), so that what lxml keeps counts as well.
"""

import re
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

from skrutinium.documents import parsing, protocols_reading, reading, series_reading

ROOT = Path(__file__).resolve().parents[2]
VALID = ROOT / "samples/skrutinium/1.0/valid"
SMALL: dict[str, Callable[[bytes, str], Any]] = {
    "manifest": series_reading.read_manifest,
    "event": reading.read_event,
    "contest-council": reading.read_contest,
    "summary": reading.read_summary,
    "precinct": protocols_reading.read_precinct,
    "batch": protocols_reading.read_batch,
}
TIMES, ROUNDS = 300, 9
LARGE = 10_000_000
MOST_SMALL = 4.0
MOST_LARGE = 4.0
MOST_MEMORY = 0.6

READ = """
    from skrutinium.documents import protocols_reading
    kept = protocols_reading.read_batch(data, "batch.xml").protocols
    assert len(kept) == {count}
"""
TREE = """
    from lxml import etree
    from skrutinium.documents import parsing
    root = etree.fromstring(data, parsing.parser())
    assert parsing.schema().validate(root)
    assert len(root) == {count}
"""
PEAK = """
    import re, sys
    from pathlib import Path
    from skrutinium.documents import parsing
    parsing.schema()
    def held(what):
        return int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    data = Path(sys.argv[1]).read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    {work}
    print(held("VmHWM") - before)
"""


def spent(work: Callable[[], object], times: int) -> float:
    """Processor time of one, in seconds: the middle of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(times):
            work()
        rounds.append((time.thread_time() - started) / times)
    return statistics.median(rounds)


def in_a_tree(data: bytes) -> None:
    assert parsing.schema().validate(etree.fromstring(data, parsing.parser()))


def large_batch() -> tuple[bytes, int]:
    """A batch of some 10 MB, and how many protocols it has."""
    data = (VALID / "batch.xml").read_bytes()
    found = re.search(rb"<protocol .*?</protocol>\n?", data, re.DOTALL)
    assert found
    count = LARGE // len(found[0])
    rows = b"".join(re.sub(rb'entry="\d+"', b'entry="%d"' % one, found[0]) for one in range(1, count + 1))
    return data[: found.start()] + rows + b"</protocol-batch>\n", count


def test_small_documents() -> None:
    """Reading a small document takes no more than a few times what lxml takes to parse and validate it."""
    worst = 0.0
    for name, read in SMALL.items():
        data = (VALID / f"{name}.xml").read_bytes()
        took = spent(lambda read=read, data=data: read(data, "a.xml"), TIMES)  # type: ignore[misc]
        tree = spent(lambda data=data: in_a_tree(data), TIMES)  # type: ignore[misc]
        worst = max(worst, took / tree)
        print(
            f"\n{name}: {len(data)} bytes read in {took * 1e6:.0f} µs; lxml alone {tree * 1e6:.0f} µs; ratio {took / tree:.2f}"
        )
    assert worst <= MOST_SMALL


def peak(folder: Path, work: str, count: int) -> float:
    """The most memory that some work on the large document took, in MB, in a process of its own."""
    indented = textwrap.indent(textwrap.dedent(work.format(count=count)), "    ").strip()
    program = textwrap.dedent(PEAK.format(work=indented))
    done = subprocess.run(
        [sys.executable, "-c", program, folder / "batch.xml"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return int(done.stdout) / 1024


def test_large_document(tmp_path: Path) -> None:
    """A document of 10 MB never stands in memory as a tree: reading it takes a part of what the tree alone takes."""
    data, count = large_batch()
    (tmp_path / "batch.xml").write_bytes(data)
    took = spent(lambda: protocols_reading.read_batch(data, "batch.xml"), 1)
    tree = spent(lambda: in_a_tree(data), 1)
    memory, of_tree = peak(tmp_path, READ, count), peak(tmp_path, TREE, count)
    print(
        f"\nbatch of {len(data) / 1e6:.1f} MB, {count} protocols: read in {took:.2f} s with {memory:.0f} MB for all that it says;"
        f" a tree alone {tree:.2f} s with {of_tree:.0f} MB; ratios {took / tree:.2f} and {memory / of_tree:.2f}"
    )
    assert took / tree <= MOST_LARGE
    assert memory / of_tree <= MOST_MEMORY
