"""Documents at hand: never other bytes than those that were put, the last used ones for longest, and no more memory than said."""

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium.following.document_cache import DocumentCache

LIMIT = 100
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 110)), max_size=200)


def made(number: int, size: int) -> tuple[str, bytes]:
    """A document of that size, which no other number has, and its hash."""
    data = (hashlib.sha256(b"%d" % number).digest() * 4)[:size]
    return f"{number}/{size}", data


@given(STEPS)
def test_bytes_are_those_that_were_put(steps: list[tuple[bool, int, int]]) -> None:
    """Whatever is put and got in whatever order, what is held is what was put; what came last is there."""
    cache, put = DocumentCache(LIMIT), dict[str, bytes]()
    for reads, number, size in steps:
        name, data = made(number, size)
        if not reads:
            cache.put(name, data)
            put[name] = data
            assert cache.get(name) == (data if 0 < size <= LIMIT else None)
        elif (held := cache.get(name)) is not None:
            assert held == put[name]
    assert all(cache.get(name) in (None, data) for name, data in put.items())


@given(st.lists(st.integers(1, 20), min_size=30, max_size=100))
def test_what_is_used_stays(sizes: list[int]) -> None:
    """A document that is read again and again is still there after many times the limit went through; one that is not read is gone."""
    cache = DocumentCache(LIMIT)
    used, unused = made(1000, 10), made(1001, 10)
    cache.put(*used)
    cache.put(*unused)
    for number, size in enumerate(sizes):
        cache.put(*made(number, size))
        assert cache.get(used[0]) == used[1]
    assert sum(sizes) < 2 * LIMIT or cache.get(unused[0]) is None


def test_no_more_than_the_limit() -> None:
    """So many documents are held as fit, the latest ones; a larger one is not held and drives out none."""
    cache = DocumentCache(LIMIT)
    documents = [made(number, 30) for number in range(10)]
    for document in documents:
        cache.put(*document)
    cache.put(*made(11, LIMIT + 1))
    assert [cache.get(name) is not None for name, _ in documents] == [False] * 7 + [True] * 3


NIGHT = """
import random
from collections import deque
from pathlib import Path
from skrutinium.following.document_cache import DocumentCache

def most():
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmHWM"].split()[0])

cache, pick, rows, warm = DocumentCache(16 * 1024 * 1024), random.Random(1), deque(maxlen=2_000), 0
for release in range(100):
    for number in range(380 - 2 * release):
        cache.put(f"{release}/{number}", bytes(pick.randrange(1_000, 14_000)))
        if number % 9 == 0:
            rows.append(bytes(600))
    cache.put(f"{release}/batch", bytes(400_000 + 5_600_000 * release**3 // 100**3))
    if release == 20:
        warm = most()
print(most() - warm)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="tells memory by /proc")
def test_memory_stays_flat_while_documents_come_and_go() -> None:
    """As many documents as in a night of 15,000 precincts, small ones, then a few large ones, leave a process no larger than after 20 releases but for 5 MB."""
    done = subprocess.run(
        [sys.executable, "-c", NIGHT], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(done.stdout) < 5 * 1024
